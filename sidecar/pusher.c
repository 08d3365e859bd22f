/* SPDX-License-Identifier: BSD-3-Clause */
/* push.h on the event loop; see pusher.h. */
#include "pusher.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "wire.h"

/* One connector's HTTP client. */
struct line {
	struct c25_pusher *pusher;
	struct c25_http_client *client;
	uint64_t id;
	uint16_t reg;
};

struct c25_pusher {
	struct c25_loop *loop;
	struct c25_table *table;
	void (*changed)(void *ctx);
	void (*seen)(void *ctx, const struct c25_assignment *a);
	void *ctx;
	struct c25_pushq *push;
	struct c25_timer timer;
	struct line *lines[C25_CONNECTORS_MAX];	/* by reg */
};

/* ---- what push.h needs -------------------------------------------------- */

static int
op_take(void *ctx, struct c25_ref *ref)
{
	struct c25_pusher *pu = ctx;
	struct c25_assignment a;
	int r = c25_table_take(pu->table, ref);

	if (r == 1 && c25_table_by_ref(pu->table, *ref, &a) == 0)
		pu->seen(pu->ctx, &a);
	else if (r < 0)
		pu->seen(pu->ctx, NULL);
	return r;
}

static int
op_read(void *ctx, struct c25_ref ref, struct c25_assignment *a)
{
	struct c25_pusher *pu = ctx;

	return c25_table_by_ref(pu->table, ref, a);
}

static bool
op_next(void *ctx, uint32_t *cursor, struct c25_assignment *a)
{
	struct c25_pusher *pu = ctx;

	return c25_table_next(pu->table, cursor, a);
}

static int
op_set(void *ctx, struct c25_ref ref, enum c25_push state)
{
	struct c25_pusher *pu = ctx;

	return c25_table_set_push(pu->table, ref, state);
}

static int
op_move(void *ctx, struct c25_ref ref, uint16_t reg,
	struct c25_assignment *a)
{
	struct c25_pusher *pu = ctx;

	return c25_table_move(pu->table, ref, reg, a);
}

static void
op_health(void *ctx, uint16_t reg, enum c25_health health)
{
	struct c25_pusher *pu = ctx;

	c25_table_connector_set_health(pu->table, reg, health);
}

static int
op_post(void *ctx, uint16_t reg, const char *body, size_t len)
{
	struct c25_pusher *pu = ctx;

	if (pu->lines[reg] == NULL)
		return -ENOTCONN;
	return c25_http_post(pu->lines[reg]->client, C25_WIRE_PATH, body,
		len);
}

static void
op_abort(void *ctx, uint16_t reg)
{
	struct c25_pusher *pu = ctx;

	if (pu->lines[reg] != NULL)
		c25_http_abort(pu->lines[reg]->client);
}

static void
op_changed(void *ctx)
{
	struct c25_pusher *pu = ctx;

	pu->changed(pu->ctx);
}

static const struct c25_push_ops ops = {
	.take = op_take,
	.read = op_read,
	.next = op_next,
	.set = op_set,
	.move = op_move,
	.health = op_health,
	.post = op_post,
	.abort = op_abort,
	.changed = op_changed,
};

/* ---- what drives it ----------------------------------------------------- */

static void
rearm(struct c25_pusher *pu)
{
	uint64_t due = c25_push_due(pu->push), now = c25_now_ms();

	if (due == 0)
		c25_timer_stop(&pu->timer);
	else
		c25_timer_set(&pu->timer, due > now ? due - now : 0);
}

void
c25_pusher_work(struct c25_pusher *pu)
{
	c25_push_work(pu->push, c25_now_ms());
	rearm(pu);
}

static void
on_timer(void *ctx)
{
	c25_pusher_work(ctx);
}

static void
on_done(void *ctx, const struct c25_http_result *r)
{
	const struct line *line = ctx;
	struct c25_pusher *pu = line->pusher;

	c25_push_done(pu->push, line->reg, &(struct c25_push_answer){
		.status = r->status,
		.error = r->error,
		.body = r->body,
		.body_len = r->body_len,
		.epoch = r->epoch,
		.cut = r->cut,
	}, c25_now_ms());
	rearm(pu);
}

/* ---- create, configure --------------------------------------------------- */

int
c25_pusher_new(struct c25_loop *loop, struct c25_table *table,
	void (*changed)(void *ctx),
	void (*seen)(void *ctx, const struct c25_assignment *a), void *ctx,
	struct c25_pusher **out)
{
	struct c25_pusher *pu = calloc(1, sizeof(*pu));
	uint64_t seed;

	if (pu == NULL)
		return -ENOMEM;
	pu->loop = loop;
	pu->table = table;
	pu->changed = changed;
	pu->seen = seen;
	pu->ctx = ctx;
	randombytes_buf(&seed, sizeof(seed));
	if (c25_push_new(&ops, pu, c25_table_capacity(table), seed,
	    &pu->push) != 0) {
		free(pu);
		return -ENOMEM;
	}
	c25_timer_init(&pu->timer, loop, on_timer, pu);
	*out = pu;
	return 0;
}

static void
line_free(struct line *line)
{
	if (line == NULL)
		return;
	c25_http_client_free(line->client);
	free(line);
}

void
c25_pusher_free(struct c25_pusher *pu)
{
	if (pu == NULL)
		return;
	c25_timer_stop(&pu->timer);
	c25_push_free(pu->push);
	for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++)
		line_free(pu->lines[reg]);
	free(pu);
}

static struct line *
line_new(struct c25_pusher *pu, const struct c25_config_url *url,
	uint64_t id, uint16_t reg)
{
	struct line *line = calloc(1, sizeof(*line));

	if (line == NULL)
		return NULL;
	*line = (struct line){ .pusher = pu, .id = id, .reg = reg };
	if (c25_http_client_new(pu->loop, &(struct c25_http_peer){
	    .host = url->host, .port = url->port, .tls = url->tls,
	    .connect_ms = C25_PUSH_TIMEOUT_MS,
	    .response_ms = C25_PUSH_TIMEOUT_MS },
	    on_done, line, &line->client) != 0) {
		free(line);
		return NULL;
	}
	return line;
}

/* What is another connector when it changes: where it is. */
static uint64_t
url_id(const struct c25_config_url *url)
{
	static const uint8_t key[16];

	return c25_hash(key, url->text, strlen(url->text)) | 1;
}

/* Swap in new lines; old ones of connectors that are gone go. */
static void
swap_lines(struct c25_pusher *pu, struct line **fresh, const bool *kept)
{
	for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++) {
		if (kept[reg])
			continue;
		line_free(pu->lines[reg]);
		pu->lines[reg] = fresh[reg];
		fresh[reg] = NULL;
	}
}

int
c25_pusher_configure(struct c25_pusher *pu, const struct c25_config *cfg,
	const uint16_t *regs, struct c25_error *err)
{
	struct c25_push_connector list[C25_CONNECTORS_MAX];
	struct line *fresh[C25_CONNECTORS_MAX] = { NULL };
	bool kept[C25_CONNECTORS_MAX] = { false };
	struct c25_policy *policy = NULL;
	int r = c25_table_policy(pu->table, &policy, err);

	for (size_t i = 0; r == 0 && i < cfg->connector_count; i++) {
		const struct c25_config_connector *c = &cfg->connectors[i];
		uint64_t id = url_id(&c->url);
		uint16_t reg = regs[i];

		list[i] = (struct c25_push_connector){ .name = c->name,
			.reg = reg, .id = id, .down = pu->lines[reg] == NULL &&
			c25_table_connector_health(pu->table, reg) ==
			C25_HEALTH_DOWN };
		if (pu->lines[reg] != NULL && pu->lines[reg]->id == id) {
			kept[reg] = true;
			continue;
		}
		fresh[reg] = line_new(pu, &c->url, id, reg);
		if (fresh[reg] == NULL)
			r = c25_fail(err, -ENOMEM, "connector %s: out of "
				"memory", c->name);
	}
	if (r == 0) {
		r = c25_push_configure(pu->push, policy, list,
			cfg->connector_count, c25_now_ms());
		if (r != 0)
			c25_fail(err, r, "connectors: %s", strerror(-r));
	}
	if (r == 0)
		swap_lines(pu, fresh, kept);
	for (int reg = 0; reg < C25_CONNECTORS_MAX; reg++)
		line_free(fresh[reg]);
	c25_policy_unref(policy);
	if (r == 0)
		c25_pusher_work(pu);
	return r;
}

struct c25_pushq *
c25_pusher_push(struct c25_pusher *pu)
{
	return pu->push;
}
