/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client role's state machine (sidecar/push.h) with connectors that
 * answer anything at any time: it asks each for what it owns only, one at a
 * time; and when they all answer well in the end, nothing has been forgotten.
 * Input: operations, see step().
 */
#include <errno.h>

#include "conn25/log.h"
#include "sidecar/push.h"
#include "sidecar/wire.h"
#include "tests/fuzz/scratch.h"

#define SLOTS 32
#define CONNECTORS 2
#define RING 1024

static struct {
	struct c25_assignment a;
	bool used;
} slots[SLOTS];
static struct c25_ref ring[RING];
static unsigned ring_head, ring_tail;
static bool overrun;

static struct {
	bool busy;
	struct c25_wire_request request;
	char epoch[8];
} conn[CONNECTORS];

static struct c25_pushq *q;
static uint64_t now;

/* ---- the table ---------------------------------------------------------- */

static void
tell(uint32_t slot)
{
	if (ring_head - ring_tail == RING) {
		overrun = true;
		ring_tail = ring_head;
	}
	ring[ring_head++ % RING] = slots[slot].a.ref;
}

static int
op_read(void *ctx, struct c25_ref ref, struct c25_assignment *a)
{
	fuzz_must(ref.slot < SLOTS, "slot %u", ref.slot);
	if (!slots[ref.slot].used || slots[ref.slot].a.ref.seq != ref.seq)
		return -ENOENT;
	*a = slots[ref.slot].a;
	return 0;
}

static int
op_take(void *ctx, struct c25_assignment *a)
{
	if (overrun) {
		overrun = false;
		return -EOVERFLOW;
	}
	if (ring_tail == ring_head)
		return 0;
	return op_read(ctx, ring[ring_tail++ % RING], a) == 0 ? 1 : -ENOENT;
}

static int
op_next(void *ctx, uint32_t *cursor, struct c25_assignment *a)
{
	while (*cursor < SLOTS) {
		uint32_t i = (*cursor)++;

		if (slots[i].used) {
			*a = slots[i].a;
			return 1;
		}
	}
	return 0;
}

static int
op_set(void *ctx, struct c25_ref ref, enum c25_push state)
{
	struct c25_assignment a;

	if (op_read(ctx, ref, &a) != 0)
		return -ENOENT;
	slots[ref.slot].a.push = (uint8_t)state;
	return 0;
}

static struct c25_addr
nth(uint8_t first, unsigned second, unsigned n)
{
	return c25_addr_v4((uint8_t[]){ first, (uint8_t)second, 0,
		(uint8_t)n });
}

/* The new version is in the same slot here: simpler, and as the push sees it
 * no different. */
static int
op_move(void *ctx, struct c25_ref ref, uint16_t reg, struct c25_assignment *a)
{
	if (op_read(ctx, ref, a) != 0)
		return -ENOENT;
	fuzz_must(reg < CONNECTORS && reg != a->connector, "to %u", reg);
	slots[ref.slot].a.ref.seq += 2;
	slots[ref.slot].a.connector = reg;
	slots[ref.slot].a.push = C25_PUSH_PENDING;
	slots[ref.slot].a.transit = nth(169, reg, ref.slot);
	*a = slots[ref.slot].a;
	tell(ref.slot);
	return 0;
}

static void
op_health(void *ctx, uint16_t reg, enum c25_health health)
{
	fuzz_must(reg < CONNECTORS, "reg %u", reg);
}

static int
op_post(void *ctx, uint16_t reg, const char *body, size_t len)
{
	struct c25_error err = { "" };
	struct c25_wire_request *r = &conn[reg].request;

	fuzz_must(reg < CONNECTORS && !conn[reg].busy, "reg %u", reg);
	fuzz_must(c25_wire_request_parse(r, body, len, &err) == 0, "%s",
		err.text);
	fuzz_must(r->count <= C25_PUSH_BATCH, "%zu", r->count);
	for (size_t i = 0; i < r->count; i++) {
		uint32_t slot = r->entries[i].transit.bytes[3];

		fuzz_must(slot < SLOTS && slots[slot].used &&
			c25_addr_eq(&r->entries[i].transit,
			&slots[slot].a.transit) && c25_addr_eq(
			&r->entries[i].destination,
			&slots[slot].a.destination) &&
			slots[slot].a.connector == reg, "not what is there");
	}
	conn[reg].busy = true;
	return 0;
}

static void
op_abort(void *ctx, uint16_t reg)
{
	fuzz_must(reg < CONNECTORS && conn[reg].busy, "abort %u", reg);
	conn[reg].busy = false;
}

static void
op_changed(void *ctx)
{
}

static const struct c25_push_ops ops = {
	.take = op_take, .read = op_read, .next = op_next, .set = op_set,
	.move = op_move, .health = op_health, .post = op_post,
	.abort = op_abort, .changed = op_changed,
};

/* ---- what happens ------------------------------------------------------- */

static struct c25_policy *
policy(void)
{
	static const uint8_t key[16];
	static struct c25_policy *p;
	struct c25_error err = { "" };
	uint8_t *blob;
	size_t len;

	if (p == NULL) {
		blob = fuzz_policy(1, key, &len);
		fuzz_must(c25_policy_load(blob, len, &p, &err) == 0, "%s",
			err.text);
	}
	return p;
}

static void
configure(uint8_t what)
{
	static const char *const names[] = { "c0", "c1" };
	struct c25_push_connector list[CONNECTORS];
	size_t count = 0;

	for (uint16_t i = 0; i < CONNECTORS; i++)
		if (what & 1 << i)
			list[count++] = (struct c25_push_connector){
				.name = names[i], .reg = i,
				.id = what & 4 << i ? 2 : 1,
				.down = what & 16 << i };
	fuzz_must(c25_push_configure(q, policy(), list, count, now) ==
		0, "configure");
	c25_push_work(q, now);
}

/* Reserved, changed, or gone. */
static void
assign(uint8_t what)
{
	static const char *const domains[] = { "app.example",
		"x.own.example", "gone.example" };
	uint32_t i = what % SLOTS;
	struct c25_assignment *a = &slots[i].a;

	slots[i].used = what < 0xe0;
	a->ref.slot = i;
	a->ref.seq += 2;
	if (!slots[i].used)
		return;
	a->destination = nth(10, what, i);
	a->magic = nth(100, 64, i);
	a->connector = what >> 5 & 1;
	a->transit = nth(169, a->connector, i);
	a->domain = fuzz_name(domains[i % 3]);
	a->push = C25_PUSH_PENDING;
	tell(i);
}

static void
answer(uint16_t reg, int status, const char *body, size_t len)
{
	if (!conn[reg].busy)
		return;
	conn[reg].busy = false;
	c25_push_done(q, reg, &(struct c25_push_answer){ .status = status,
		.error = status == 0 ? "refused" : "", .body = body,
		.body_len = len, .epoch = conn[reg].epoch,
		.cut = status & 1 }, now);
}

/* 200 with these codes, over and over. */
static void
codes(uint16_t reg, const uint8_t *list, size_t count)
{
	struct c25_buf text = { 0 };
	uint8_t all[C25_PUSH_BATCH];
	size_t n = conn[reg].request.count;

	for (size_t i = 0; i < n; i++)
		all[i] = list[i % count] % C25_WIRE_CODES;
	c25_wire_response_write(&text, all, n);
	answer(reg, 200, text.data, text.len);
	c25_buf_free(&text);
}

static void
own_body(uint16_t reg, struct fuzz *f, int status)
{
	struct fuzz_copy body = fuzz_take(f, fuzz_u8(f));
	/* conn25d's HTTP puts a NUL after it */
	char *text = calloc(1, body.len + 1);

	if (body.len > 0)
		memcpy(text, body.bytes, body.len);
	answer(reg, status, text, body.len);
	free(body.bytes);
	free(text);
}

static void
step(struct fuzz *f)
{
	uint8_t op = fuzz_u8(f), what;
	uint16_t reg = op >> 4 & 1;

	switch (op & 15) {
	case 0:
	case 1:
	case 2:
		assign(fuzz_u8(f));
		break;
	case 3:
		now += 1u << (fuzz_u8(f) >> 4);
		break;
	case 4:
		configure(fuzz_u8(f));
		break;
	case 5:
		what = fuzz_u8(f);
		codes(reg, &what, 1);
		break;
	case 6: {
		uint8_t list[3] = { fuzz_u8(f), fuzz_u8(f), fuzz_u8(f) };

		codes(reg, list, 3);
		break;
	}
	case 7:
		answer(reg, 0, "", 0);
		break;
	case 8:
		own_body(reg, f, 100 + fuzz_u8(f) * 2);
		break;
	case 9:
		own_body(reg, f, 200);
		break;
	case 10:
		(void)snprintf(conn[reg].epoch, sizeof(conn[reg].epoch),
			"%.*s", fuzz_u8(f) % 3, "eeee");
		break;
	case 11:
		ring_tail = ring_head;
		overrun = true;
		break;
	default:
		break;
	}
	c25_push_work(q, now);
}

/* The first that still waits although its app has connectors, or SLOTS. */
static uint32_t
forgotten(void)
{
	uint32_t i = 0;

	while (i < SLOTS && (!slots[i].used || i % 3 == 2 ||
	    slots[i].a.push == C25_PUSH_READY))
		i++;
	return i;
}

/* All are there and accept all: whatever has a connector gets to it. */
static void
settle(void)
{
	static const uint8_t ok;
	uint32_t i;

	configure(3);
	for (unsigned n = 0; n < 4000 && forgotten() < SLOTS; n++) {
		uint64_t due = c25_push_due(q);
		bool idle = true;

		for (uint16_t reg = 0; reg < CONNECTORS; reg++)
			if (conn[reg].busy) {
				idle = false;
				codes(reg, &ok, 1);
			}
		if (!idle)
			continue;
		fuzz_must(due != 0, "nothing is due");
		now = due > now ? due : now;
		c25_push_work(q, now);
	}
	i = forgotten();
	fuzz_must(i == SLOTS, "slot %u: state %u, connector %u", i,
		slots[i].a.push, slots[i].a.connector);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };

	memset(slots, 0, sizeof(slots));
	memset(conn, 0, sizeof(conn));
	ring_head = ring_tail = 0;
	overrun = false;
	now = 1000000;
	c25_log_verbosity(-1);
	fuzz_must(c25_push_new(&ops, NULL, SLOTS, 42, &q) == 0, "no memory");
	configure(3);
	for (unsigned i = 0; i < 400 && f.left > 0; i++)
		step(&f);
	settle();
	c25_push_free(q);
	for (uint16_t reg = 0; reg < CONNECTORS; reg++)
		c25_wire_request_free(&conn[reg].request);
	return 0;
}
