/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making a table, and taking over what is in an older one. The new file is
 * written under another name and renamed, so that nobody ever sees half of it.
 */

#include "table/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium/randombytes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Everything in a fresh file but the magic number, which comes last. */
static int
init_contents(struct c25_table *t, struct c25_error *err)
{
	struct c25_prefix_d *p = &t->h->p;
	_Atomic uint32_t *heads = c25_bucket(t, C25_BY_KEY, 0);
	size_t n = (size_t)t->l.buckets[0] + t->l.buckets[1] +
	    t->l.buckets[2];
	int r;

	p->fingerprint = C25_TABLE_FINGERPRINT;
	p->len_bytes = t->l.len_bytes;
	p->slots_bytes = t->l.slots;
	p->registry_bytes = t->l.registry;
	p->capacity = t->l.capacity;
	p->slot_format = C25_SLOT_FORMAT;
	randombytes_buf(p->hash_key, sizeof(p->hash_key));
	memcpy(t->hash_key, p->hash_key, sizeof(t->hash_key));
	if ((r = c25_boot_id(p->boot_id)) != 0)
		return c25_fail(err, r, "boot id: can't read it");
	atomic_store(&t->h->free_first, C25_NIL);
	for (size_t i = 0; i < n; i++)
		atomic_store_explicit(&heads[i], C25_NIL,
		    memory_order_relaxed);
	c25_wheel_start(t);
	atomic_store(&t->h->closed, 1);
	p->magic = C25_TABLE_MAGIC;
	return 0;
}

/* Files that an earlier conn25d was making when it died. */
static void
remove_unfinished(const char *run_dir)
{
	DIR *d = opendir(run_dir);
	struct dirent *e;
	size_t n = strlen(C25_TABLE_FILE ".");

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, C25_TABLE_FILE ".", n) == 0 &&
		    strspn(e->d_name + n, "0123456789") ==
		    strlen(e->d_name + n))
			(void)unlinkat(dirfd(d), e->d_name, 0);
	(void)closedir(d);
}

/*
 * A new file with all its parts, under the name `tmp`, open and mapped.
 * Returns: 0; -errno with err; the handle is the caller's in any case.
 */
static int
make_file(struct c25_table *t, uint32_t capacity, gid_t gid, char tmp[280],
    struct c25_error *err)
{
	int r;

	if (capacity < C25_ASSIGNMENTS_MIN || capacity > C25_ASSIGNMENTS_MAX)
		return c25_fail(err, -EINVAL, "table: %u assignments: give "
		    "%u to %u", capacity, C25_ASSIGNMENTS_MIN,
		    C25_ASSIGNMENTS_MAX);
	c25_layout_compute(capacity, &t->l);
	remove_unfinished(t->dir);
	(void)snprintf(tmp, 280, "%s.%ld", t->path, (long)getpid());
	t->fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (t->fd < 0) {
		r = c25_fail(err, -errno, "%s: can't make it: %s", tmp,
		    strerror(errno));
		tmp[0] = '\0';
		return r;
	}
	/* the blocks now, so that a full file system is an error here and
	 * not a SIGBUS in the resolver; the arena's when a pool needs them */
	if (ftruncate(t->fd, (off_t)t->l.len_bytes) != 0 ||
	    (fallocate(t->fd, 0, 0, (off_t)t->l.arena) != 0 &&
	    errno != EOPNOTSUPP))
		return c25_fail(err, -errno, "%s: no room for %u assignments "
		    "(%llu bytes): %s: enlarge that file system (a tmpfs: "
		    "size= of its mount), or lower table.maxAssignments",
		    t->dir, capacity, (unsigned long long)t->l.arena,
		    strerror(errno));
	if ((r = c25_table_map(t, err)) != 0 ||
	    (r = init_contents(t, err)) != 0)
		return r;
	if ((gid != (gid_t)-1 && fchown(t->fd, (uid_t)-1, gid) != 0) ||
	    fchmod(t->fd, 0660) != 0)
		return c25_fail(err, -errno, "%s: can't set its group: %s",
		    tmp, strerror(errno));
	return 0;
}

/* Give a file its name. Returns: 0; -errno with err. */
static int
put_in_place(const char *file, const char *name, struct c25_error *err)
{
	if (rename(file, name) != 0)
		return c25_fail(err, -errno, "%s: can't rename it: %s", file,
		    strerror(errno));
	return 0;
}

/*
 * Tell those who map the table that it is being replaced. They are to see that
 * nobody does so any more if we die before: the lock is ours until the other
 * file is in its place, or the table is wanted back.
 * Returns: 0; -EUCLEAN (the lock can't be had).
 */
static int
retire_begin(struct c25_table *old)
{
	int r = c25_lock(old);

	if (r != 0)
		return r;
	c25_step();
	atomic_store(&old->h->p.retired, C25_NOTHING_NEW);
	c25_step();
	return 0;
}

/* What is promised in it from here on is promised no more. */
static void
freeze(struct c25_table *old)
{
	atomic_store(&old->h->p.retired, C25_FROZEN);
	c25_step();
}

/* A new file is in its place; or not, and it is as before. */
static void
retire_end(struct c25_table *old, bool replaced)
{
	c25_step();
	if (!replaced)
		atomic_store(&old->h->p.retired, C25_IN_USE);
	c25_unlock(old);
}

int
c25_table_create(const char *run_dir, uint32_t capacity, gid_t gid,
    struct c25_table **out, struct c25_error *err)
{
	struct c25_table *t = NULL, *old = NULL;
	char tmp[280] = "";
	int r;

	*out = NULL;
	if ((r = c25_table_handle(run_dir, &t, err)) != 0)
		return r;
	if ((r = make_file(t, capacity, gid, tmp, err)) == 0) {
		bool told = c25_table_open(run_dir, true, &old, NULL) == 0 &&
		    retire_begin(old) == 0;

		if (told)
			freeze(old);
		r = put_in_place(tmp, t->path, err);
		if (told)
			retire_end(old, r == 0);
		c25_table_detach(old);
	}
	if (r == 0) {
		*out = t;
		return 0;
	}
	if (tmp[0] != '\0')
		(void)unlink(tmp);
	c25_table_detach(t);
	return r;
}

/* What the connectors' numbers mean, and the generation to go on from. */
static void
copy_registry(struct c25_table *t, const struct c25_table *old)
{
	for (uint16_t reg = 0; reg < C25_CONNECTORS_MAX; reg++) {
		const struct c25_connector_d *from = c25_connector(old, reg);
		struct c25_connector_d *to = c25_connector(t, reg);

		if (atomic_load(&from->used) == 0)
			continue;
		memcpy(to->name, from->name, sizeof(to->name) - 1);
		atomic_store(&to->used, 1);
	}
	atomic_store(&t->h->p.current,
	    atomic_load(&old->h->p.current) & ~(uint64_t)1);
}

static int
too_small(const struct c25_table *t, int r, struct c25_error *err)
{
	return c25_fail(err, r, "%s: the assignments that are there don't fit "
	    "into a table for %u: raise table.maxAssignments", t->path,
	    t->l.capacity);
}

/*
 * Copy all living assignments. Those of another version's table get the
 * longest lease: its module goes on renewing them in there. copies[i] becomes
 * the slot of what slot i had, or C25_NIL.
 * Returns: 0; -ENOSPC, -EUCLEAN with err.
 */
static int
copy_assignments(struct c25_table *t, struct c25_table *old,
    uint32_t *copies, struct c25_error *err)
{
	uint64_t longest = c25_now_ms() + C25_LEASE_MAX_S * 1000ull;
	struct c25_assignment a;

	for (uint32_t i = 0; i < old->l.capacity; i++) {
		int r;

		copies[i] = C25_NIL;
		if (c25_slot_assignment(old, i, &a) != 0)
			continue;
		if (old->foreign && a.lease_end_ms < longest)
			a.lease_end_ms = longest;
		r = c25_slot_import(t, &a, &copies[i]);
		if (r != 0)
			return too_small(t, r, err);
	}
	return 0;
}

/* Those that have ended keep their addresses for their quarantine. */
static int
copy_ended(struct c25_table *t, const struct c25_table *old,
    struct c25_error *err)
{
	uint64_t now_ms = c25_now_ms();

	for (uint32_t i = 0; i < old->l.capacity; i++) {
		const struct c25_slot_d *s = c25_slot(old, i);
		union c25_content_d c;
		uint64_t lease;
		int r;

		if (c25_slot_read(s, &c) == 1 || !c25_slot_is_gone(s, &c))
			continue;
		lease = atomic_load(&s->lease_end_ms);
		if (c25_wheel_end_of(lease) > now_ms &&
		    (r = c25_slot_import_ended(t, &c, lease)) != 0)
			return too_small(t, r, err);
	}
	return 0;
}

/* What was renewed while the rest was being copied; after freeze(). */
static void
copy_renewals(struct c25_table *t, struct c25_table *old,
    const uint32_t *copies)
{
	for (uint32_t i = 0; i < old->l.capacity; i++)
		if (copies[i] != C25_NIL)
			c25_slot_outlast(c25_slot(t, copies[i]), atomic_load(
			    &c25_slot(old, i)->lease_end_ms) &
			    ~C25_LEASE_GONE);
}

/* The pools it has now, so that it is of use before a policy is published.
 * Another version's aren't known. */
static int
copy_pools(struct c25_table *t, const struct c25_table *old,
    struct c25_error *err)
{
	int bytes, r;

	if (old->foreign)
		return 0;
	if ((bytes = c25_pool_copy(t, old)) < 0)
		return c25_fail(err, bytes, "%s: damaged: move it away and "
		    "restart conn25d", old->path);
	if ((r = c25_pool_room(t, bytes, err)) != 0)
		return r;
	c25_rebuild_pools(t);
	/* addresses that were in use lately are to come last here too */
	for (unsigned i = 0; i < C25_POOLS_MAX; i++)
		if (old->h->pools[i].cursor < t->h->pools[i].nbits)
			t->h->pools[i].cursor = old->h->pools[i].cursor;
	return 0;
}

/*
 * All that is in the old table, which is retired, but for what is derived.
 * Answers from it go on as long as they can.
 * Returns: 0; -ENOSPC, -EUCLEAN, -ENOMEM with err.
 */
static int
copy_all(struct c25_table *t, struct c25_table *old, struct c25_error *err)
{
	uint32_t *copies = calloc(old->l.capacity, sizeof(*copies));
	int r;

	if (copies == NULL)
		return c25_fail(err, -ENOMEM, "table: out of memory");
	memcpy(t->h->p.hash_key, old->hash_key, sizeof(old->hash_key));
	memcpy(t->hash_key, old->hash_key, sizeof(old->hash_key));
	copy_registry(t, old);
	atomic_store(&t->h->closed, old->foreign ? 0 :
	    atomic_load(&old->h->closed));
	if ((r = copy_assignments(t, old, copies, err)) == 0 &&
	    (r = copy_ended(t, old, err)) == 0 &&
	    (r = copy_pools(t, old, err)) == 0) {
		freeze(old);
		copy_renewals(t, old, copies);
	}
	free(copies);
	return r;
}

int
c25_table_migrate(const char *run_dir, uint32_t capacity, gid_t gid,
    struct c25_table **out, struct c25_error *err)
{
	struct c25_table *t = NULL, *old;
	char tmp[280] = "";
	int r;

	*out = NULL;
	if ((r = c25_table_open(run_dir, true, &old, err)) != 0)
		return r;
	if ((r = c25_table_handle(run_dir, &t, err)) != 0 ||
	    (r = make_file(t, capacity, gid, tmp, err)) != 0)
		goto out;
	/* nothing new gets into the old one from here on */
	if ((r = retire_begin(old)) != 0) {
		r = c25_fail(err, r, "%s: can't be locked: restart Unbound",
		    old->path);
		goto out;
	}
	if ((r = copy_all(t, old, err)) == 0)
		r = put_in_place(tmp, t->path, err);
	retire_end(old, r == 0);
	if (r != 0)
		goto out;
	tmp[0] = '\0';
	*out = t;
	t = NULL;
out:
	if (tmp[0] != '\0')
		(void)unlink(tmp);
	c25_table_detach(t);
	c25_table_detach(old);
	return r;
}

int
c25_table_set_aside(const char *run_dir, char kept[static 280],
    struct c25_error *err)
{
	const uint32_t frozen = C25_FROZEN;
	struct c25_prefix_d prefix = { 0 };
	struct c25_table *t;
	int r;

	kept[0] = '\0';
	if ((r = c25_table_handle(run_dir, &t, err)) != 0)
		return r;
	t->fd = open(t->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (t->fd < 0 || pread(t->fd, &prefix, sizeof(prefix), 0) !=
	    (ssize_t)sizeof(prefix) || prefix.magic != C25_TABLE_MAGIC) {
		r = c25_fail(err, t->fd < 0 ? -errno : -EUCLEAN, "%s: not a "
		    "conn25 table: remove it and restart conn25d", t->path);
		goto out;
	}
	(void)snprintf(kept, 280, "%s.format-%u", t->path,
	    prefix.slot_format);
	if ((r = put_in_place(t->path, kept, err)) != 0)
		goto out;
	/* who maps it sees that; it may see the new file first */
	if (pwrite(t->fd, &frozen, sizeof(frozen), offsetof(struct
	    c25_prefix_d, retired)) != (ssize_t)sizeof(frozen))
		r = c25_fail(err, -EIO, "%s: can't be retired", kept);
out:
	c25_table_detach(t);
	return r;
}
