/* SPDX-License-Identifier: BSD-3-Clause */
/* push.h on the event loop; see pusher.h. */
#include "pusher.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host.h"
#include "http.h"
#include "httpsig.h"
#include "wire.h"

/* One connector's HTTP client. */
struct line {
	struct c25_pusher *pusher;
	struct c25_host *at;		/* NULL: the URL has an address */
	struct c25_http_client *client;
	uint64_t id;
	uint16_t reg;
	struct c25_config_key keys[C25_CONFIG_KEYS_MAX];
	size_t key_count;		/* 0: its answers needn't be signed */
	char signature[128];		/* of the request on the way, or "" */
};

struct c25_pusher {
	struct c25_loop *loop;
	struct c25_table *table;
	void (*changed)(void *ctx);
	void (*seen)(void *ctx, const struct c25_assignment *a);
	void *ctx;
	struct c25_pushq *push;
	const struct c25_key *key;	/* NULL: don't sign */
	struct c25_httpsig sig;		/* of an answer; reused */
	struct c25_resolve *names;	/* NULL: none are found */
	struct c25_timer timer;
	struct line *lines[C25_CONNECTORS_MAX];	/* by reg */
};

/* ---- what push.h needs -------------------------------------------------- */

static int
op_take(void *ctx, struct c25_assignment *a)
{
	struct c25_pusher *pu = ctx;
	struct c25_ref ref;
	int r = c25_table_take(pu->table, &ref);

	if (r == 1 && (c25_table_by_ref(pu->table, ref, a) != 0 ||
	    !c25_table_admits(pu->table, a)))
		return -ENOENT;
	if (r != 0)
		pu->seen(pu->ctx, r == 1 ? a : NULL);
	return r;
}

static int
op_read(void *ctx, struct c25_ref ref, struct c25_assignment *a)
{
	struct c25_pusher *pu = ctx;

	return c25_table_by_ref(pu->table, ref, a) == 0 &&
	    c25_table_admits(pu->table, a) ? 0 : -ENOENT;
}

static int
op_next(void *ctx, uint32_t *cursor, struct c25_assignment *a)
{
	struct c25_pusher *pu = ctx;

	if (!c25_table_next(pu->table, cursor, a))
		return 0;
	if (!c25_table_admits(pu->table, a))
		return -ENOENT;
	/* perhaps one of those that overran the ring */
	if (a->push == C25_PUSH_PENDING)
		pu->seen(pu->ctx, a);
	return 1;
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

	int r = c25_table_move(pu->table, ref, reg, a);

	if (r == 0 && !c25_table_admits(pu->table, a))
		return -ENOENT;
	/* Now: if the ring is overrun before this comes through it, nobody
	 * looks for one that was acknowledged meanwhile. */
	if (r == 0)
		pu->seen(pu->ctx, a);
	return r;
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

static uint64_t
op_now_us(void *ctx)
{
	(void)ctx;
	return c25_now_us();
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
	.now_us = op_now_us,
	.changed = op_changed,
};

/* ---- names of connectors ------------------------------------------------- */

static int
host_lookup(void *ctx, struct c25_host_query *q, const char *name,
	enum c25_family family)
{
	struct c25_pusher *pu = ctx;

	return pu->names == NULL ? -ENOSYS :
		c25_resolve_start(pu->names, q, name, family);
}

static void
host_cancel(void *ctx, struct c25_host_query *q)
{
	struct c25_pusher *pu = ctx;

	c25_resolve_forget(pu->names, q);
}

static bool
host_refuses(void *ctx, const struct c25_addr *a)
{
	struct c25_pusher *pu = ctx;
	const struct c25_policy *policy = c25_push_policy(pu->push);

	return policy != NULL && c25_policy_in_magic(policy, a);
}

static const struct c25_host_ops host_ops = {
	.lookup = host_lookup,
	.cancel = host_cancel,
	.refuses = host_refuses,
};

void
c25_pusher_resolver(struct c25_pusher *pu, struct c25_resolve *names)
{
	pu->names = names;
}

void
c25_pusher_found(void *ctx, void *token, const struct c25_verify_answer *a)
{
	(void)ctx;
	c25_host_answer(token, a, c25_now_ms());
}

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

/* ---- signatures ---------------------------------------------------------- */

static void
on_sign(void *ctx, const char *path, const char *authority, const char *body,
	size_t len, struct c25_buf *headers)
{
	struct line *line = ctx;
	const struct c25_key *key = line->pusher->key;
	char lower[C25_HTTPSIG_AUTHORITY_MAX];
	size_t n = 0;

	line->signature[0] = '\0';
	if (key == NULL)
		return;
	for (; authority[n] != '\0' && n + 1 < sizeof(lower); n++)
		lower[n] = (char)tolower((unsigned char)authority[n]);
	lower[n] = '\0';
	c25_httpsig_write(headers, key, &(struct c25_httpsig_message){
		.method = "POST", .path = path, .authority = lower }, NULL,
		body, len, (int64_t)time(NULL), line->signature);
}

/* Is this the answer of the connector to our request? */
static int
check_signature(struct line *line, const struct c25_http_result *r,
	struct c25_error *err)
{
	struct c25_httpsig *sig = &line->pusher->sig;
	struct c25_httpsig_message m = { .status = r->status,
		.request_signature = line->signature, .head = r->head };
	unsigned need = C25_COVER_RESPONSE;
	const char *value;
	int e;

	if (line->signature[0] == '\0')
		return c25_fail(err, -EINVAL, "needs a signed request: set "
			"self.privateKeyFile");
	if (c25_http1_get(r->head, C25_WIRE_EPOCH, &value) >= 0)
		need |= C25_COVER_EPOCH;
	if ((e = c25_httpsig_parse(sig, r->head, err)) != 0 ||
	    (e = c25_httpsig_covers(sig, need, err)) != 0 ||
	    (e = c25_httpsig_fresh(sig, (int64_t)time(NULL), err)) != 0 ||
	    (e = c25_httpsig_verify(sig, &m, line->keys, line->key_count,
	    err)) != 0)
		return e;
	return c25_httpsig_digest_check(r->head, r->body, r->body_len, err);
}

/* Make a failure of an answer that isn't signed as it should be. */
static void
distrust(struct c25_push_answer *answer, const char *why,
	char text[static C25_PUSH_ERROR_MAX])
{
	size_t len = strcspn(answer->body, "\r\n");

	if (answer->status == 200)
		(void)snprintf(text, C25_PUSH_ERROR_MAX, "signature of the "
			"answer: %.120s", why);
	else
		(void)snprintf(text, C25_PUSH_ERROR_MAX, "HTTP status %d: "
			"%.*s (signature of the answer: %.48s)",
			answer->status, (int)(len < 60 ? len : 60),
			answer->body, why);
	for (char *t = text; *t != '\0'; t++)
		if (*t < ' ' || *t > '~')
			*t = '?';
	*answer = (struct c25_push_answer){ .error = text, .body = "",
		.epoch = "" };
}

/* Retry-After in seconds; its other form, a date, is not for us. Ref: RFC
 * 9110 10.2.3. */
static unsigned
retry_after(const struct c25_http1 *head)
{
	const char *value;
	int len = head == NULL ? -1 :
		c25_http1_get(head, "retry-after", &value);
	unsigned s = 0;

	for (int i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return 0;
		if (s <= C25_PUSH_RETRY_AFTER_MAX_S)
			s = s * 10 + (unsigned)(value[i] - '0');
	}
	return s;
}

static void
on_done(void *ctx, const struct c25_http_result *r)
{
	struct line *line = ctx;
	struct c25_pusher *pu = line->pusher;
	struct c25_push_answer answer = {
		.status = r->status,
		.error = r->error,
		.body = r->body,
		.body_len = r->body_len,
		.epoch = r->epoch,
		.cut = r->cut,
		.late = r->late,
		.retry_after_s = retry_after(r->head),
	};
	char text[C25_PUSH_ERROR_MAX];
	struct c25_error err = { "" };

	if (line->key_count > 0 && r->status != 0 &&
	    check_signature(line, r, &err) != 0)
		distrust(&answer, err.text, text);
	c25_push_done(pu->push, line->reg, &answer, c25_now_ms());
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
	c25_host_free(line->at);
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
	c25_httpsig_free(&pu->sig);
	free(pu);
}

void
c25_pusher_key(struct c25_pusher *pu, const struct c25_key *key)
{
	pu->key = key;
}

static struct line *
line_new(struct c25_pusher *pu, const struct c25_config_url *url,
	struct c25_tls_trust *trust, uint64_t id, uint16_t reg)
{
	struct line *line = calloc(1, sizeof(*line));

	if (line == NULL)
		return NULL;
	*line = (struct line){ .pusher = pu, .id = id, .reg = reg };
	if ((c25_addr_len(&url->addr) == 0 && c25_host_new(&host_ops, pu,
	    url->host, &line->at) != 0) ||
	    c25_http_client_new(pu->loop, &(struct c25_http_peer){
	    .host = url->host, .at = line->at, .port = url->port,
	    .tls = url->tls,
	    .trust = trust,
	    .connect_ms = C25_PUSH_TIMEOUT_MS,
	    .response_ms = C25_PUSH_TIMEOUT_MS, .sign = on_sign },
	    on_done, line, &line->client) != 0) {
		line_free(line);
		return NULL;
	}
	return line;
}

/* What is another connector when it changes: where it is, and by what it is
 * known there. */
static uint64_t
line_id(const struct c25_config_url *url, const struct c25_tls_trust *trust)
{
	static const uint8_t key[16];
	uint64_t id = c25_hash(key, url->text, strlen(url->text));

	if (trust != NULL)
		id ^= c25_tls_trust_id(trust);
	return id | 1;
}

/* The keys that a connector's answers may be signed with. */
static void
line_keys(struct line *line, const struct c25_config_keys *keys)
{
	line->key_count = keys->count;
	for (size_t i = 0; i < keys->count; i++)
		line->keys[i] = keys->items[i];
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
	const uint16_t *regs, struct c25_tls_trust *const *trust,
	struct c25_error *err)
{
	struct c25_push_connector list[C25_CONNECTORS_MAX];
	struct line *fresh[C25_CONNECTORS_MAX] = { NULL };
	bool kept[C25_CONNECTORS_MAX] = { false };
	struct c25_policy *policy = NULL;
	int r = c25_table_policy(pu->table, &policy, err);

	for (size_t i = 0; r == 0 && i < cfg->connector_count; i++) {
		const struct c25_config_connector *c = &cfg->connectors[i];
		uint64_t id = line_id(&c->url, trust[i]);
		uint16_t reg = regs[i];

		list[i] = (struct c25_push_connector){ .name = c->name,
			.reg = reg, .id = id, .down = pu->lines[reg] == NULL &&
			c25_table_connector_health(pu->table, reg) ==
			C25_HEALTH_DOWN };
		if (pu->lines[reg] != NULL && pu->lines[reg]->id == id) {
			kept[reg] = true;
			continue;
		}
		fresh[reg] = line_new(pu, &c->url, trust[i], id, reg);
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
	if (r == 0) {
		swap_lines(pu, fresh, kept);
		for (size_t i = 0; i < cfg->connector_count; i++)
			line_keys(pu->lines[regs[i]],
				&cfg->connectors[i].public_keys);
	}
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
