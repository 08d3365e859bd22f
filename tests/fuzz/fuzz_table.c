/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table whose bytes anybody may have changed (conn25/table.h, layout.h):
 * everything that module and conn25d do with it returns, with something that
 * makes sense or an error; and what is derived can be made anew from the rest.
 * Input: operations, see step(), among them changes of bytes, before or after
 * attaching.
 */
#include <errno.h>
#include <sys/mman.h>

#include "conn25/layout.h"
#include "tests/fuzz/scratch.h"

#define CAPACITY 48u
#define NAMES 6
#define ARENA_KEPT (1u << 20)		/* of which pages were written */
#define PAGE 4096u
#define DEAD 77u			/* a handle that nobody has */

static struct {
	struct c25_layout l;
	int fd;
	uint8_t *map;			/* of the file, up to ARENA_KEPT */
	uint8_t *image;			/* what it was in the beginning */
	size_t len;
	struct c25_policy *policy;
	struct c25_name names[NAMES];
	char path[128], base[128];
} w;

/* Of the present input. */
static struct c25_table *t;
static struct c25_assignment last;
static bool anything_changed, ended;
static bool truth_changed;		/* what nothing can be made from */
static bool derived_changed;		/* ... since it was made anew */
static bool misled;			/* done by what derived says */

/* ---- the file ----------------------------------------------------------- */

static void
set_up(void)
{
	static const char *const names[NAMES] = { "app.example",
		"wild.example", "a.own.example", "b.c.wild.example", NULL,
		"other.example" };
	char longest[256];
	struct c25_error err = { "" };
	struct c25_table *made;

	if (w.map != NULL)
		return;
	(void)snprintf(longest, sizeof(longest), "%060d.%060d.%060d.%040d."
		"wild.example", 1, 2, 3, 4);
	for (int i = 0; i < NAMES; i++)
		w.names[i] = fuzz_name(names[i] != NULL ? names[i] : longest);
	made = fuzz_table(CAPACITY);
	fuzz_must(c25_table_policy(made, &w.policy, &err) == 0, "%s",
		err.text);
	c25_layout_compute(CAPACITY, &w.l);
	w.len = w.l.arena + ARENA_KEPT;
	(void)snprintf(w.path, sizeof(w.path), "%s/" C25_TABLE_FILE,
		fuzz_scratch());
	(void)snprintf(w.base, sizeof(w.base), "%s/base", fuzz_scratch());
	w.fd = open(w.path, O_RDWR | O_CLOEXEC);
	fuzz_must(w.fd >= 0 && link(w.path, w.base) == 0, "%s", w.path);
	w.map = mmap(NULL, w.len, PROT_READ | PROT_WRITE, MAP_SHARED, w.fd,
		0);
	w.image = malloc(w.len);
	fuzz_must(w.map != MAP_FAILED && w.image != NULL, "no memory");
	c25_table_detach(made);
	memcpy(w.image, w.map, w.len);
}

/* The file as it was, under its name. */
static void
restore(void)
{
	for (size_t at = 0; at < w.len; at += PAGE)
		if (memcmp(w.map + at, w.image + at, PAGE) != 0)
			memcpy(w.map + at, w.image + at, PAGE);
	fuzz_must(fallocate(w.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		(off_t)w.len, (off_t)(w.l.len_bytes - w.len)) == 0, "hole");
}

static _Atomic uint32_t *
lock_word(void)
{
	return &((struct c25_header_d *)(void *)w.map)->p.lock;
}

/* Change some bytes of a part of the file, where there is something. */
static void
change(struct fuzz *f)
{
	const struct { uint64_t at, len; bool truth; } parts[] = {
		{ 0, sizeof(struct c25_prefix_d), true },
		{ sizeof(struct c25_prefix_d), offsetof(struct c25_header_d,
			pools) + 8 * sizeof(struct c25_pool_d) -
			sizeof(struct c25_prefix_d), false },
		{ w.l.stats, 4096, false },
		{ w.l.registry, 512, true },
		{ w.l.poolsets, 4096, true },
		{ w.l.poolsets + sizeof(struct c25_poolset_d), 4096, true },
		{ w.l.ring, 512, false },
		{ w.l.slots, 8 * sizeof(struct c25_slot_d), true },
		{ w.l.heads, 512, false },
		{ w.l.wheel, 65536, false },
		{ w.l.arena, 4096, false },
	};
	unsigned part = fuzz_u8(f) % (sizeof(parts) / sizeof(*parts));
	uint64_t at = fuzz_u16(f) % parts[part].len;
	uint8_t size = fuzz_u8(f) % 16;
	struct fuzz_copy bytes = fuzz_take(f, size);

	if (at + bytes.len > parts[part].len)
		at = parts[part].len - bytes.len;
	if (bytes.len > 0)
		memcpy(w.map + parts[part].at + at, bytes.bytes, bytes.len);
	free(bytes.bytes);
	anything_changed = true;
	if (parts[part].truth)
		truth_changed = true;
	else
		derived_changed = true;
	/* who says that we have the lock makes us wait for seconds */
	if ((atomic_load(lock_word()) & ~C25_LOCK_WAITERS) - 1 < 4)
		atomic_store(lock_word(), DEAD);
}

/* ---- what is done with it ----------------------------------------------- */

static void
check_assignment(const struct c25_assignment *a)
{
	fuzz_must(a->ref.slot < CAPACITY, "slot %u", a->ref.slot);
	fuzz_must((a->magic.family == C25_V4 || a->magic.family == C25_V6) &&
		a->transit.family == a->magic.family &&
		a->destination.family == a->magic.family, "family %u",
		a->magic.family);
	fuzz_must(c25_name_valid(a->domain.wire, a->domain.len), "domain");
	fuzz_must(a->connector < C25_CONNECTORS_MAX ||
		a->connector == C25_CONNECTOR_NONE, "%u", a->connector);
	fuzz_must(a->push <= C25_PUSH_REFUSED, "push %u", a->push);
}

/* Take note of what came back. */
static void
result(int r, const struct c25_assignment *a)
{
	fuzz_must(r == 0 || r == -ENOENT || r == -EUCLEAN || r == -ENOSPC ||
		r == -EAFNOSUPPORT || r == -ESTALE || r == -EINVAL ||
		r == -EBUSY, "%d", r);
	fuzz_must(anything_changed || r != -EUCLEAN, "damaged");
	if (r != 0)
		return;
	check_assignment(a);
	last = *a;
}

static struct c25_addr
destination(uint8_t what)
{
	uint8_t bytes[16] = { 10, 1, 2, what };

	return what & 0x40 ? c25_addr_v6(bytes) : c25_addr_v4(bytes);
}

static void
reserve(struct fuzz *f, bool renew)
{
	const struct c25_name *n = &w.names[fuzz_u8(f) % NAMES];
	uint8_t what = fuzz_u8(f);
	struct c25_want want = { .name = n, .destination = destination(what),
		.app = what >> 7, .ttl_s = what };
	struct c25_assignment a;
	int full = -1, r;

	r = renew ? c25_table_renew(t, w.policy, &want, &a) :
		c25_table_reserve(t, w.policy, &want, &a, &full);
	fuzz_must(r != -ENOSPC || (full >= 0 && full <= C25_POOL_KINDS),
		"full %d", full);
	if (r == 0)
		fuzz_must(c25_name_eq(&a.domain, n) && c25_addr_eq(
			&a.destination, &want.destination), "another's");
	/* whatever was changed */
	if (r == 0)
		fuzz_must(c25_policy_in_magic(w.policy, &a.magic), "magic");
	result(r, &a);
}

static void
look_up(struct fuzz *f)
{
	const struct c25_name *n = &w.names[fuzz_u8(f) % NAMES];
	uint8_t what = fuzz_u8(f);
	struct c25_addr a4 = c25_addr_v4((uint8_t[]){ 100, 64, 0, what });
	struct c25_addr dest = destination(what);
	struct c25_ref ref = { what, what * 2u };
	struct c25_assignment a;

	result(c25_table_by_key(t, n, &dest, &a), &a);
	result(c25_table_by_magic(t, &a4, &a), &a);
	a4 = c25_addr_v4((uint8_t[]){ 169, 254, 64, what });
	result(c25_table_by_transit(t, &a4, &a), &a);
	result(c25_table_by_ref(t, ref, &a), &a);
	result(c25_table_by_ref(t, last.ref, &a), &a);
	(void)c25_table_push_state(t, ref);
}

static void
walk(void)
{
	struct c25_assignment a;
	uint32_t cursor = 0, n = 0;

	while (c25_table_next(t, &cursor, &a)) {
		check_assignment(&a);
		fuzz_must(++n <= CAPACITY, "%u assignments", n);
		last = a;
	}
}

static void
take(void)
{
	struct c25_ref ref;
	int r = 1;

	for (unsigned n = 0; r == 1 && n < CAPACITY; n++) {
		r = c25_table_take(t, &ref);
		if (r == 1)
			(void)c25_table_set_push(t, ref, n % 3);
	}
	(void)c25_table_sleep(t);
	(void)c25_table_must_ring(t);
}

static void
put_back(struct fuzz *f)
{
	struct c25_saved s[2];
	int results[2], r;

	memset(s, 0, sizeof(s));
	for (int i = 0; i < 2; i++) {
		uint8_t what = fuzz_u8(f);

		s[i] = (struct c25_saved){ .name = w.names[what % NAMES],
			.destination = destination(what & 0x3f),
			.magic = c25_addr_v4((uint8_t[]){ 100, 64, 0, what &
				31 }),
			.transit = c25_addr_v4((uint8_t[]){ 169, 254, 64,
				what >> 2 }),
			.connector = what >> 7,
			.lease_end_ms = fuzz_now_ms + what * 1000u };
	}
	r = c25_table_restore(t, s, 2, results);
	fuzz_must(r >= 0 ? r <= 2 : r == -EUCLEAN, "%d", r);
}

static void
counters(void)
{
	struct c25_usage usage;

	c25_table_usage(t, &usage);
	(void)c25_table_replaced(t);
	(void)c25_table_generation(t);
	(void)c25_table_connector_health(t, 1);
	c25_table_connector_set_health(t, 1, C25_HEALTH_DOWN);
	c25_table_count(t, 3, C25_STAT_QUERIES, 1);
	for (int i = 0; i < C25_STAT_COUNT; i++)
		(void)c25_table_stat(t, (enum c25_stat)i);
}

static void
load_policy(void)
{
	struct c25_error err = { "" };
	struct c25_policy *p;

	if (c25_table_policy(t, &p, &err) == 0)
		c25_policy_unref(p);
	else
		fuzz_must(anything_changed, "%s", err.text);
}

static void
attach(void)
{
	struct c25_error err = { "" };

	c25_table_detach(t);
	t = NULL;
	ended = c25_table_attach(fuzz_scratch(), &t, &err) != 0;
	fuzz_must(!ended || truth_changed, "%s", err.text);
}

/* conn25d makes a new one with what is in there. It is another file, and the
 * name is given back. */
static void
migrate(void)
{
	struct c25_error err = { "" };
	struct c25_table *made;
	int r = c25_table_migrate(fuzz_scratch(), CAPACITY, (gid_t)-1, &made,
		&err);

	if (r == 0) {
		r = c25_table_verify(made, &err);
		fuzz_must(r == 0 || truth_changed || misled, "%s", err.text);
		c25_table_detach(made);
	}
	(void)unlink(w.path);
	fuzz_must(link(w.base, w.path) == 0, "%s", w.path);
	ended = true;
}

/*
 * Who had the lock has died: all that is derived is made from the rest. It is
 * right then, unless something was changed before that went by it, as when an
 * address was given out that only seemed to be free.
 */
static void
rebuild(void)
{
	struct c25_error err = { "" };
	int r;

	atomic_store(lock_word(), DEAD);
	r = c25_table_verify(t, &err);
	fuzz_must(r == 0 || truth_changed || misled, "%s", err.text);
	derived_changed = derived_changed && r != 0;
}

static void
step(struct fuzz *f)
{
	struct c25_assignment a;
	struct c25_error err = { "" };

	uint8_t op = fuzz_u8(f);

	misled = misled || (derived_changed && (op == 0 || op == 5 ||
		op == 6 || op == 7 || op == 9));
	switch (op) {
	case 0:
		reserve(f, false);
		break;
	case 1:
		reserve(f, true);
		break;
	case 2:
		look_up(f);
		break;
	case 3:
		walk();
		break;
	case 4:
		(void)c25_table_extend(t, last.ref, fuzz_now_ms + 5000);
		break;
	case 5:
		memset(&a, 0, sizeof(a));
		result(c25_table_move(t, last.ref, fuzz_u8(f) % 3, &a), &a);
		break;
	case 6:
		(void)c25_table_drop(t, last.ref);
		break;
	case 7:
		(void)c25_table_reclaim(t, fuzz_u8(f));
		break;
	case 8:
		take();
		break;
	case 9:
		put_back(f);
		break;
	case 10:
		counters();
		break;
	case 11:
		if (c25_table_verify(t, &err) != 0)
			fuzz_must(anything_changed, "%s", err.text);
		break;
	case 12:
		load_policy();
		break;
	case 13:
		fuzz_must(c25_table_connector_reg(t, fuzz_u8(f) & 1 ? "c1" :
			"c2") < (int)C25_CONNECTORS_MAX, "registry");
		break;
	case 14:
		fuzz_now_ms += fuzz_u8(f) * 4000u;
		break;
	case 0xf0:
		change(f);
		break;
	case 0xf1:
		rebuild();
		break;
	case 0xf2:
		attach();
		break;
	case 0xf3:
		migrate();
		break;
	default:
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	uint64_t began_ms;

	set_up();
	began_ms = fuzz_now_ms;
	truth_changed = anything_changed = derived_changed = misled = false;
	memset(&last, 0, sizeof(last));
	attach();
	for (unsigned i = 0; i < 300 && f.left > 0 && !ended; i++)
		step(&f);
	if (!ended)
		rebuild();
	c25_table_detach(t);
	t = NULL;
	restore();
	fuzz_now_ms = began_ms;
	return 0;
}
