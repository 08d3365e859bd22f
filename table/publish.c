/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Policy generations beside the table, and the connector registry. conn25d
 * writes policy.N, then commits generation and pools by one store.
 */

#include "table/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOAD_RETRIES 5

uint64_t
c25_table_generation(const struct c25_table *t)
{
	return atomic_load(&t->h->p.current) >> 1;
}

uint64_t
c25_table_next_generation(const struct c25_table *t)
{
	return c25_table_generation(t) + 1;
}

static void
policy_path(const struct c25_table *t, uint64_t generation, char out[256])
{
	char name[48];

	(void)snprintf(name, sizeof(name), C25_POLICY_FILE_FORMAT,
	    (unsigned long long)generation);
	(void)snprintf(out, 256, "%s/%s", t->dir, name);
}

static int
write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
write_policy(const struct c25_table *t, uint64_t generation,
    const uint8_t *blob, size_t len, struct c25_error *err)
{
	char path[256], tmp[264];
	struct stat st;
	int fd, r = 0;

	policy_path(t, generation, path);
	(void)snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	(void)unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd < 0)
		return c25_fail(err, -errno, "%s: can't make it: %s", tmp,
		    strerror(errno));
	r = write_all(fd, blob, len);
	if (r == 0 && (fstat(t->fd, &st) != 0 ||
	    (st.st_gid != getegid() &&
	    fchown(fd, (uid_t)-1, st.st_gid) != 0) ||
	    fchmod(fd, 0640) != 0))
		r = -errno;
	(void)close(fd);
	c25_step();
	if (r == 0 && rename(tmp, path) != 0)
		r = -errno;
	if (r != 0) {
		(void)unlink(tmp);
		if (r == -EPERM)
			return c25_fail(err, r, "%s: can't be given to the "
			    "table's group, which conn25d isn't in: if "
			    "\"group\" is another one now, chgrp -R %s to "
			    "that", path, t->dir);
		return c25_fail(err, r, "%s: can't write it: %s", path,
		    strerror(-r));
	}
	return 0;
}

/* Remove the files of all generations but one. */
static void
remove_old(const struct c25_table *t, uint64_t keep)
{
	DIR *d = opendir(t->dir);
	struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		char *end;

		if (strncmp(e->d_name, "policy.", 7) != 0 ||
		    e->d_name[7] < '0' || e->d_name[7] > '9')
			continue;
		if (strtoull(e->d_name + 7, &end, 10) != keep || *end != '\0')
			(void)unlinkat(dirfd(d), e->d_name, 0);
	}
	(void)closedir(d);
}

/*
 * Under the lock: write the other pool set, get blocks for its bitmaps,
 * commit, rebuild if the pools changed. A crash before the commit changes
 * nothing, one after it is repaired by the rebuild of the next holder.
 */
static int
switch_over(struct c25_table *t, const struct c25_policy *p,
    struct c25_error *err)
{
	uint64_t current = atomic_load(&t->h->p.current);
	unsigned set = (unsigned)(~current & 1);
	int r, bytes = c25_pool_prepare(t, set, p, err);
	bool same;

	if (bytes < 0)
		return bytes;
	if ((r = c25_pool_room(t, bytes, err)) != 0)
		return r;
	same = c25_pool_same_sets(t);
	c25_step();
	atomic_store(&t->h->p.current, c25_policy_generation(p) << 1 | set);
	c25_step();
	if (!same)
		c25_rebuild_pools(t);
	return 0;
}

/* Which of a policy's former pools are assignments still in? Returns: an array
 * for c25_policy_follow(), of the caller; NULL: no memory. */
static bool *
formers_used(struct c25_table *t, const struct c25_policy *p)
{
	struct c25_assignment a;
	struct c25_spec_range r;
	uint32_t cursor = 0;
	size_t count = 0;
	bool *used;

	while (c25_policy_former_at(p, count, &r))
		count++;
	if ((used = calloc(count + 1, sizeof(*used))) == NULL)
		return NULL;
	while (count > 0 && c25_table_next(t, &cursor, &a)) {
		if (c25_policy_in_magic(p, &a.magic) &&
		    c25_policy_in_transit(p, &a.transit))
			continue;
		for (size_t i = 0; c25_policy_former_at(p, i, &r); i++)
			used[i] |= c25_range_contains(&r.range, &a.magic) ||
			    c25_range_contains(&r.range, &a.transit);
	}
	return used;
}

/* Load what is to be published, with the pools of before that living
 * assignments may still be in. Returns: 0, *p and its blob; -errno. */
static int
load_following(struct c25_table *t, const uint8_t *blob, size_t len_bytes,
    struct c25_policy **p, struct c25_error *err)
{
	struct c25_policy *before = NULL, *alone = NULL;
	uint8_t *copy = malloc(len_bytes);
	bool *used;
	int r;

	if (copy == NULL)
		return c25_fail(err, -ENOMEM, "policy: out of memory");
	memcpy(copy, blob, len_bytes);
	if ((r = c25_policy_load(copy, len_bytes, &alone, err)) != 0) {
		free(copy);
		return r;
	}
	/* without one of before, or with one that can't be read, what lives in
	 * other pools gets new addresses; our own is as good as it was */
	if (t->policy != NULL) {
		before = c25_policy_ref(t->policy);
	} else if (c25_table_policy(t, &before, NULL) != 0) {
		*p = alone;
		return 0;
	}
	used = formers_used(t, before);
	r = used == NULL ? -ENOMEM : c25_policy_follow(alone, before, used,
	    &copy, &len_bytes);
	free(used);
	c25_policy_unref(before);
	if (r == 0 && copy == NULL) {
		*p = alone;
		return 0;
	}
	c25_policy_unref(alone);
	if (r != 0)
		return c25_fail(err, r, "policy: out of memory");
	if ((r = c25_policy_load(copy, len_bytes, p, err)) != 0)
		free(copy);
	return r;
}

int
c25_table_publish(struct c25_table *t, const uint8_t *blob,
    size_t len_bytes, struct c25_error *err)
{
	struct c25_policy *p = NULL;
	uint64_t generation;
	char path[256];
	int r;

	if ((r = load_following(t, blob, len_bytes, &p, err)) != 0)
		return r;
	blob = c25_policy_blob(p, &len_bytes);
	generation = c25_policy_generation(p);
	if (generation >= UINT64_MAX >> 1) {
		r = c25_fail(err, -EUCLEAN, "%s: damaged: generation %llu: "
		    "move it away and restart conn25d", t->path,
		    (unsigned long long)generation);
		goto out;
	}
	if (generation <= c25_table_generation(t)) {
		r = c25_fail(err, -EINVAL, "policy: generation %llu is not "
		    "newer", (unsigned long long)generation);
		goto out;
	}
	if ((r = write_policy(t, generation, blob, len_bytes, err)) != 0)
		goto out;
	if ((r = c25_lock(t)) != 0) {
		(void)c25_fail(err, r, "%s: damaged beyond repair: move it "
		    "away and restart conn25d", t->path);
	} else {
		r = switch_over(t, p, err);
		c25_unlock(t);
	}
	c25_step();
	if (r == 0) {
		remove_old(t, generation);
		c25_policy_unref(t->policy);
		t->policy = c25_policy_ref(p);
	} else {
		policy_path(t, generation, path);
		(void)unlink(path);
	}
out:
	c25_policy_unref(p);
	return r;
}

bool
c25_table_admits(struct c25_table *t, const struct c25_assignment *a)
{
	if (t->policy == NULL)
		return false;
	if (c25_policy_allows_magic(t->policy, &a->magic) &&
	    c25_policy_allows_transit(t->policy, &a->transit))
		return true;
	/* the addresses that it had are lost until the next mending, and so is
	 * its slot where it can't be unlinked by them (c25_slot_free()) */
	c25_doubt(t, C25_DOUBT_DAMAGED | C25_DOUBT_SHORT(C25_TABLE_FOREIGN));
	(void)c25_table_drop(t, a->ref);
	return false;
}

/* Read a whole file. Returns: 0; -errno. */
static int
read_file(const char *path, uint8_t **out, size_t *len)
{
	struct stat st;
	uint8_t *data = NULL;
	size_t have = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    st.st_size <= 0 || st.st_size > (off_t)UINT32_MAX)
		r = -EUCLEAN;
	else if ((data = malloc((size_t)st.st_size)) == NULL)
		r = -ENOMEM;
	while (r == 0 && have < (size_t)st.st_size) {
		ssize_t n = read(fd, data + have, (size_t)st.st_size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			r = -EUCLEAN;
		else
			have += (size_t)n;
	}
	(void)close(fd);
	if (r != 0) {
		free(data);
		return r;
	}
	*out = data;
	*len = have;
	return 0;
}

/* Of a table's file, mapped or not; 0: none was published, or no table. */
static uint64_t
generation_in(const struct c25_table *t)
{
	struct c25_prefix_d p;

	if (t->h != NULL)
		return c25_table_generation(t);
	return pread(t->fd, &p, sizeof(p), 0) == (ssize_t)sizeof(p) &&
	    p.magic == C25_TABLE_MAGIC ? atomic_load(&p.current) >> 1 : 0;
}

int
c25_table_policy_alone(const char *run_dir, uint64_t known,
    struct c25_policy **out, struct c25_error *err)
{
	struct c25_table *t;
	int r;

	*out = NULL;
	if ((r = c25_table_handle(run_dir, &t, err)) != 0)
		return r;
	t->fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (t->fd < 0)
		r = c25_fail(err, -errno, "%s: %s", t->path, strerror(errno));
	else if (known != 0 && generation_in(t) == known)
		r = -EALREADY;
	else
		r = c25_table_policy(t, out, err);
	c25_table_detach(t);
	return r;
}

int
c25_table_policy(struct c25_table *t, struct c25_policy **out,
    struct c25_error *err)
{
	char path[256];
	uint8_t *blob = NULL;
	size_t len = 0;
	int r = -ENOENT;

	*out = NULL;
	for (int i = 0; i < LOAD_RETRIES; i++) {
		uint64_t generation = generation_in(t);

		if (generation == 0)
			return c25_fail(err, -ENOENT, "%s: holds no policy "
			    "yet: is conn25d running?", t->path);
		if (t->policy != NULL &&
		    c25_policy_generation(t->policy) == generation) {
			*out = c25_policy_ref(t->policy);
			return 0;
		}
		policy_path(t, generation, path);
		r = read_file(path, &blob, &len);
		if (r == -ENOENT)
			continue;	/* a newer one took its place */
		if (r != 0)
			return c25_fail(err, r, "%s: can't read it: %s",
			    path, strerror(-r));
		if ((r = c25_policy_load(blob, len, out, err)) != 0) {
			free(blob);
			return r;
		}
		if (c25_policy_generation(*out) == generation)
			return 0;
		c25_policy_unref(*out);
		*out = NULL;
		r = -EUCLEAN;
	}
	return c25_fail(err, r, "%s: can't be read: reload conn25d", path);
}

int
c25_table_connector_reg(struct c25_table *t, const char *name)
{
	size_t len = strlen(name);
	int r, empty = -ENOSPC;

	if (len == 0 || len > C25_CONNECTOR_NAME_MAX)
		return -EINVAL;
	if ((r = c25_lock(t)) != 0)
		return r;
	for (int i = 0; i < C25_CONNECTORS_MAX; i++) {
		struct c25_connector_d *c = c25_connector(t, (uint16_t)i);

		if (atomic_load(&c->used) == 0) {
			if (empty < 0)
				empty = i;
		} else if (strncmp(c->name, name, sizeof(c->name)) == 0) {
			empty = i;
			goto out;
		}
	}
	if (empty >= 0) {
		struct c25_connector_d *c = c25_connector(t, (uint16_t)empty);

		memset(c->name, 0, sizeof(c->name));
		c25_step();
		memcpy(c->name, name, len);
		c25_step();
		atomic_store(&c->health, C25_HEALTH_GOOD);
		atomic_store(&c->used, 1);
	}
out:
	c25_unlock(t);
	return empty;
}

void
c25_table_connector_set_health(struct c25_table *t, uint16_t reg,
    enum c25_health health)
{
	struct c25_connector_d *c = c25_connector(t, reg);

	if (c != NULL)
		atomic_store(&c->health, (uint32_t)health);
}

enum c25_health
c25_table_connector_health(const struct c25_table *t, uint16_t reg)
{
	struct c25_connector_d *c = c25_connector(t, reg);
	uint32_t health = c == NULL ? 0 : atomic_load(&c->health);

	return health <= C25_HEALTH_RETURNING ? (enum c25_health)health :
	    C25_HEALTH_GOOD;
}
