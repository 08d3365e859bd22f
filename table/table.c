/* SPDX-License-Identifier: BSD-3-Clause */
/* The table's file: its layout, and attaching to it. */

#include "table/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

void
c25_layout_compute(uint32_t capacity, struct c25_layout *l)
{
	uint64_t off = 0;

	l->capacity = capacity;
	for (l->buckets[C25_BY_KEY] = 16; l->buckets[C25_BY_KEY] < capacity;)
		l->buckets[C25_BY_KEY] *= 2;
	l->buckets[C25_BY_MAGIC] = l->buckets[C25_BY_KEY] / 4;
	l->buckets[C25_BY_TRANSIT] = l->buckets[C25_BY_KEY] / 4;
#define PART(field, bytes) \
	(l->field = off, \
	    off += ((uint64_t)(bytes) + PAGE - 1) / PAGE * PAGE)
	off = (sizeof(struct c25_header_d) + PAGE - 1) / PAGE * PAGE;
	PART(stats, C25_WORKERS_MAX * sizeof(struct c25_stats_d));
	PART(registry, C25_CONNECTORS_MAX * sizeof(struct c25_connector_d));
	PART(poolsets, 2 * sizeof(struct c25_poolset_d));
	PART(ring, C25_RING_SIZE * sizeof(uint64_t));
	PART(wheel, C25_WHEEL_TICKS * sizeof(uint32_t));
	PART(heads, ((uint64_t)l->buckets[0] + l->buckets[1] +
	    l->buckets[2]) * sizeof(uint32_t));
	PART(slots, (uint64_t)capacity * sizeof(struct c25_slot_d));
	PART(arena, C25_ARENA_BYTES);
#undef PART
	l->len_bytes = off;
}

int
c25_boot_id(uint8_t id[static 16])
{
	char text[64] = "";
	FILE *f = fopen(BOOT_ID_FILE, "re");
	size_t o = 0;

	if (f == NULL)
		return -errno;
	if (fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	(void)fclose(f);
	memset(id, 0, 16);
	for (size_t i = 0; text[i] != '\0' && o < 32; i++) {
		const char *hex = "0123456789abcdef";
		const char *p = strchr(hex, text[i]);

		if (p == NULL)
			continue;
		id[o / 2] |= (uint8_t)((p - hex) << (o % 2 ? 0 : 4));
		o++;
	}
	return o == 32 ? 0 : -EIO;
}

/* A handle for a directory, nothing mapped yet. */
int
c25_table_handle(const char *run_dir, struct c25_table **out,
    struct c25_error *err)
{
	struct c25_table *t;

	*out = NULL;
	if (strlen(run_dir) >= sizeof(t->dir))
		return c25_fail(err, -ENAMETOOLONG,
		    "runDir: path longer than %zu bytes", sizeof(t->dir) - 1);
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return c25_fail(err, -ENOMEM, "table: out of memory");
	t->fd = -1;
	t->base = MAP_FAILED;
	(void)snprintf(t->dir, sizeof(t->dir), "%s", run_dir);
	(void)snprintf(t->path, sizeof(t->path), "%s/%s", run_dir,
	    C25_TABLE_FILE);
	*out = t;
	return 0;
}

int
c25_table_map(struct c25_table *t, struct c25_error *err)
{
	struct stat st;
	int r;

	if (fstat(t->fd, &st) != 0)
		return c25_fail(err, -errno, "%s: %s", t->path,
		    strerror(errno));
	t->dev = st.st_dev;
	t->ino = st.st_ino;
	t->base = mmap(NULL, t->l.len_bytes, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_NORESERVE, t->fd, 0);
	if (t->base == MAP_FAILED)
		return c25_fail(err, -errno, "%s: can't map it: %s", t->path,
		    strerror(errno));
	(void)madvise(t->base, t->l.len_bytes, MADV_DONTDUMP);
	t->h = (struct c25_header_d *)(void *)t->base;
	if ((r = c25_lock_open(t)) != 0)
		return c25_fail(err, r, "%s: can't be locked: %s%s", t->path,
		    strerror(-r), r == -EMFILE ? ": too many processes have "
		    "it open" : "");
	return 0;
}

/* The layout of a table that another version made, as far as its slots and
 * its registry go. Returns: false: it can't be that. */
static bool
foreign_layout(struct c25_table *t, const struct c25_prefix_d *p)
{
	uint64_t slots = (uint64_t)p->capacity * sizeof(struct c25_slot_d);
	uint64_t registry = C25_CONNECTORS_MAX *
	    sizeof(struct c25_connector_d);

	if (p->slot_format != C25_SLOT_FORMAT ||
	    p->slots_bytes % 64 != 0 || p->registry_bytes % 64 != 0 ||
	    p->slots_bytes > p->len_bytes ||
	    p->registry_bytes > p->len_bytes ||
	    slots > p->len_bytes - p->slots_bytes ||
	    registry > p->len_bytes - p->registry_bytes)
		return false;
	memset(&t->l, 0, sizeof(t->l));
	t->l.capacity = p->capacity;
	t->l.slots = p->slots_bytes;
	t->l.registry = p->registry_bytes;
	t->l.len_bytes = p->len_bytes;
	t->foreign = true;
	return true;
}

/* Check the fixed part of the header, from a private copy. */
static int
check_prefix(struct c25_table *t, const struct c25_prefix_d *p, off_t size,
    bool foreign_too, struct c25_error *err)
{
	uint8_t boot[16];
	int r;

	if (p->magic != C25_TABLE_MAGIC)
		return c25_fail(err, -EUCLEAN, "%s: not a conn25 table: "
		    "remove it and restart conn25d", t->path);
	if (p->capacity < C25_ASSIGNMENTS_MIN ||
	    p->capacity > C25_ASSIGNMENTS_MAX)
		return c25_fail(err, -EUCLEAN, "%s: damaged: says it has "
		    "room for %u assignments: move it away and restart "
		    "conn25d", t->path, p->capacity);
	if (p->fingerprint == C25_TABLE_FINGERPRINT)
		c25_layout_compute(p->capacity, &t->l);
	else if (foreign_too && !foreign_layout(t, p))
		return c25_fail(err, -EPROTO, "%s: its assignments are of a "
		    "form (%u) that this version of conn25 doesn't know, "
		    "which has %u", t->path, p->slot_format, C25_SLOT_FORMAT);
	else if (!foreign_too)
		return c25_fail(err, -EPROTO, "%s: made by another version "
		    "of conn25 (layout %016llx, this one has %016llx): "
		    "restart conn25d, which takes over what is in it, and "
		    "Unbound with the module of the same version", t->path,
		    (unsigned long long)p->fingerprint,
		    (unsigned long long)C25_TABLE_FINGERPRINT);
	if (p->len_bytes != t->l.len_bytes ||
	    size != (off_t)t->l.len_bytes)
		return c25_fail(err, -EUCLEAN, "%s: damaged: %lld bytes "
		    "long, should be %llu: move it away and restart conn25d",
		    t->path, (long long)size,
		    (unsigned long long)t->l.len_bytes);
	if ((r = c25_boot_id(boot)) != 0)
		return c25_fail(err, r, "%s: can't read it", BOOT_ID_FILE);
	if (memcmp(boot, p->boot_id, sizeof(boot)) != 0)
		return c25_fail(err, -ESTALE, "%s: from before the last "
		    "reboot: conn25d makes it anew when it starts", t->path);
	memcpy(t->hash_key, p->hash_key, sizeof(t->hash_key));
	return 0;
}

int
c25_table_open(const char *run_dir, bool foreign_too, struct c25_table **out,
    struct c25_error *err)
{
	struct c25_prefix_d prefix;
	struct c25_table *t;
	struct stat st;
	ssize_t n;
	int r;

	*out = NULL;
	if ((r = c25_table_handle(run_dir, &t, err)) != 0)
		return r;
	t->fd = open(t->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (t->fd < 0 && errno != ELOOP) {
		r = c25_fail(err, -errno, "%s: %s%s", t->path,
		    strerror(errno), errno == ENOENT ?
		    ": is conn25d running?" : errno == EACCES ?
		    ": put the user of this process into conn25's group" :
		    "");
		goto out;
	}
	if (t->fd < 0 || fstat(t->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		r = c25_fail(err, -EUCLEAN, "%s: not a regular file: remove "
		    "it and restart conn25d", t->path);
		goto out;
	}
	memset(&prefix, 0, sizeof(prefix));
	n = pread(t->fd, &prefix, sizeof(prefix), 0);
	if (n != (ssize_t)sizeof(prefix)) {
		r = c25_fail(err, -EUCLEAN, "%s: too short to be a table: "
		    "move it away and restart conn25d", t->path);
		goto out;
	}
	if ((r = check_prefix(t, &prefix, st.st_size, foreign_too, err)) != 0
	    || (r = c25_table_map(t, err)) != 0)
		goto out;
	if (!t->foreign)
		t->ring_tail = atomic_load(&t->h->ring_head);
	*out = t;
	return 0;
out:
	c25_table_detach(t);
	return r;
}

/* Is it the file that has the name? */
static bool
in_place(const struct c25_table *t)
{
	struct stat st;

	return stat(t->path, &st) == 0 && st.st_dev == t->dev &&
	    st.st_ino == t->ino;
}

/* Who retires a table has its lock until the successor is in its place. If
 * nobody has it there will be none: it goes on being used.
 * Returns: is it in use? */
static bool
bring_back(struct c25_table *t)
{
	bool back;

	if (c25_lock_at_once(t) != 0)
		return false;
	back = in_place(t);
	if (back)
		atomic_store(&t->h->p.retired, C25_IN_USE);
	c25_unlock(t);
	return back;
}

int
c25_table_attach_retired(const char *run_dir, struct c25_table **out,
    struct c25_error *err)
{
	int r = c25_table_open(run_dir, false, out, err);

	if (r == 0 && c25_table_retired(*out))
		(void)bring_back(*out);
	return r;
}

int
c25_table_attach(const char *run_dir, struct c25_table **out,
    struct c25_error *err)
{
	int r = c25_table_attach_retired(run_dir, out, err);

	if (r == 0 && c25_table_retired(*out)) {
		r = c25_fail(err, -EAGAIN, "%s: about to be replaced by "
		    "conn25d", (*out)->path);
		c25_table_detach(*out);
		*out = NULL;
	}
	return r;
}

void
c25_table_detach(struct c25_table *t)
{
	if (t == NULL)
		return;
	if (t->base != MAP_FAILED)
		(void)munmap(t->base, t->l.len_bytes);
	if (t->fd >= 0)
		(void)close(t->fd);
	c25_policy_unref(t->policy);
	free(t);
}

bool
c25_table_closed(const struct c25_table *t)
{
	return atomic_load(&t->h->closed) != 0;
}

void
c25_table_begin(struct c25_table *t)
{
	atomic_store(&t->h->closed, 0);
}

bool
c25_table_retired(const struct c25_table *t)
{
	return atomic_load(&t->h->p.retired) != 0;
}

/*
 * Was the file made shorter than its mapping? Then the next access to it would
 * be a SIGBUS: put memory of our own in its place, which is as a table that
 * was retired and has nothing in it.
 */
static bool
let_go_of_cut(const struct c25_table *t)
{
	struct stat st;

	if (t->fd < 0 || fstat(t->fd, &st) != 0 ||
	    st.st_size >= (off_t)t->l.len_bytes)
		return false;
	if (mmap(t->base, t->l.len_bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
	    0) != MAP_FAILED)
		atomic_store(&t->h->p.retired, C25_FROZEN);
	return true;
}

bool
c25_table_replaced(const struct c25_table *t)
{
	return let_go_of_cut(t) || atomic_load(&t->h->p.retired) != 0 ||
	    !in_place(t);
}

uint32_t
c25_table_capacity(const struct c25_table *t)
{
	return t->l.capacity;
}

const uint8_t *
c25_table_hash_key(const struct c25_table *t)
{
	return t->hash_key;
}

size_t
c25_table_size(const struct c25_table *t)
{
	return (size_t)t->l.arena;
}
