/* SPDX-License-Identifier: BSD-3-Clause */
/* The table's file: layout, creating, attaching, the mutex. */

#include "table/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium/randombytes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u
#define LOCK_WAIT_S 3		/* longer than any rebuild */
#define LOCK_STUCK_S 10u	/* then nobody waits */
/* ThreadSanitizer of gcc 12 doesn't know pthread_mutex_clocklock(). */
#ifdef __SANITIZE_THREAD__
#define LOCK_CLOCK CLOCK_REALTIME
#else
#define LOCK_CLOCK CLOCK_MONOTONIC
#endif
#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

void
c25_layout_compute(uint32_t capacity, struct c25_layout *l)
{
	uint64_t off = 0;

	l->capacity = capacity;
	for (l->buckets = 16; l->buckets < capacity;)
		l->buckets *= 2;
#define PART(field, bytes) \
	(l->field = off, \
	    off += ((uint64_t)(bytes) + PAGE - 1) / PAGE * PAGE)
	off = (sizeof(struct c25_header_d) + PAGE - 1) / PAGE * PAGE;
	PART(stats, C25_WORKERS_MAX * sizeof(struct c25_stats_d));
	PART(registry, C25_CONNECTORS_MAX * sizeof(struct c25_connector_d));
	PART(poolsets, 2 * sizeof(struct c25_poolset_d));
	PART(ring, C25_RING_SIZE * sizeof(uint64_t));
	PART(heads, (uint64_t)C25_INDEXES * l->buckets * sizeof(uint32_t));
	PART(slots, (uint64_t)capacity * sizeof(struct c25_slot_d));
	PART(arena, C25_ARENA_BYTES);
#undef PART
	l->len_bytes = off;
}

/* The kernel's random name for this boot, as 16 bytes. */
static int
read_boot_id(uint8_t id[static 16])
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

static uint64_t
monotonic_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/*
 * The mutex of a damaged table may say for ever that somebody has it, and its
 * holder may be stopped: the resolver must go on. Who has waited in vain tells
 * the other threads, which then don't wait for a while.
 * Returns: as pthread_mutex_lock(); EBUSY, ETIMEDOUT.
 */
static int
lock_or_give_up(struct c25_table *t)
{
	struct timespec end;
	int r = pthread_mutex_trylock(&t->h->mutex);

	if (r == EBUSY && monotonic_ms() >= atomic_load(&t->stuck_until_ms)) {
		(void)clock_gettime(LOCK_CLOCK, &end);
		end.tv_sec += LOCK_WAIT_S;
#ifdef __SANITIZE_THREAD__
		r = pthread_mutex_timedlock(&t->h->mutex, &end);
#else
		r = pthread_mutex_clocklock(&t->h->mutex, LOCK_CLOCK, &end);
#endif
		if (r == ETIMEDOUT)
			atomic_store(&t->stuck_until_ms, monotonic_ms() +
			    LOCK_STUCK_S * 1000);
	}
	return r;
}

int
c25_lock(struct c25_table *t)
{
	int r = lock_or_give_up(t);

	if (r == EOWNERDEAD) {
		/* its holder died: what it left half done is put right */
		c25_rebuild(t);
		(void)pthread_mutex_consistent(&t->h->mutex);
		r = 0;
	}
	return r == 0 ? 0 : -EUCLEAN;
}

void
c25_unlock(struct c25_table *t)
{
	(void)pthread_mutex_unlock(&t->h->mutex);
}

static int
init_mutex(pthread_mutex_t *m)
{
	pthread_mutexattr_t a;
	int r;

	if ((r = pthread_mutexattr_init(&a)) != 0)
		return -r;
	if ((r = pthread_mutexattr_setpshared(&a,
	    PTHREAD_PROCESS_SHARED)) == 0 &&
	    (r = pthread_mutexattr_setrobust(&a,
	    PTHREAD_MUTEX_ROBUST)) == 0)
		r = pthread_mutex_init(m, &a);
	(void)pthread_mutexattr_destroy(&a);
	return -r;
}

/* A handle for a directory, nothing mapped yet. */
static int
new_handle(const char *run_dir, struct c25_table **out,
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

/* Map t->fd, of which the layout is known, and remember what it is. */
static int
map_file(struct c25_table *t, struct c25_error *err)
{
	struct stat st;

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
	return 0;
}

/* Everything in a fresh file but the magic number, which comes last. */
static int
init_contents(struct c25_table *t, struct c25_error *err)
{
	struct c25_header_d *h = t->h;
	_Atomic uint32_t *heads = c25_bucket(t, C25_BY_KEY, 0);
	int r;

	h->fingerprint = C25_TABLE_FINGERPRINT;
	h->len_bytes = t->l.len_bytes;
	h->capacity = t->l.capacity;
	randombytes_buf(h->hash_key, sizeof(h->hash_key));
	memcpy(t->hash_key, h->hash_key, sizeof(t->hash_key));
	if ((r = read_boot_id(h->boot_id)) != 0)
		return c25_fail(err, r, "%s: can't read it", BOOT_ID_FILE);
	atomic_store(&h->free_first, C25_NIL);
	for (size_t i = 0; i < (size_t)C25_INDEXES * t->l.buckets; i++)
		atomic_store_explicit(&heads[i], C25_NIL,
		    memory_order_relaxed);
	if ((r = init_mutex(&h->mutex)) != 0)
		return c25_fail(err, r, "table: no robust mutex: %s",
		    strerror(-r));
	h->magic = C25_TABLE_MAGIC;
	return 0;
}

/* Tell those who still map the file at `path` that it is being replaced. */
static void
retire(const char *run_dir)
{
	struct c25_table *old;

	if (c25_table_attach(run_dir, &old, NULL) != 0)
		return;
	atomic_store(&old->h->retired, 1);
	c25_table_detach(old);
}

int
c25_table_create(const char *run_dir, uint32_t capacity, gid_t gid,
    struct c25_table **out, struct c25_error *err)
{
	struct c25_table *t = NULL;
	char tmp[280] = "";
	int r;

	*out = NULL;
	if (capacity < C25_ASSIGNMENTS_MIN || capacity > C25_ASSIGNMENTS_MAX)
		return c25_fail(err, -EINVAL, "table: %u assignments: give "
		    "%u to %u", capacity, C25_ASSIGNMENTS_MIN,
		    C25_ASSIGNMENTS_MAX);
	if ((r = new_handle(run_dir, &t, err)) != 0)
		return r;
	c25_layout_compute(capacity, &t->l);
	(void)snprintf(tmp, sizeof(tmp), "%s.%ld", t->path, (long)getpid());
	(void)unlink(tmp);
	t->fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (t->fd < 0) {
		r = c25_fail(err, -errno, "%s: can't make it: %s", tmp,
		    strerror(errno));
		tmp[0] = '\0';
		goto out;
	}
	/* the blocks now, so that a full file system is an error here and
	 * not a SIGBUS in the resolver; the arena's when a pool needs them */
	if (ftruncate(t->fd, (off_t)t->l.len_bytes) != 0 ||
	    (fallocate(t->fd, 0, 0, (off_t)t->l.arena) != 0 &&
	    errno != EOPNOTSUPP)) {
		r = c25_fail(err, -errno, "%s: no room for %u assignments "
		    "(%llu bytes): %s", run_dir, capacity,
		    (unsigned long long)t->l.arena, strerror(errno));
		goto out;
	}
	if ((r = map_file(t, err)) != 0 || (r = init_contents(t, err)) != 0)
		goto out;
	if ((gid != (gid_t)-1 && fchown(t->fd, (uid_t)-1, gid) != 0) ||
	    fchmod(t->fd, 0660) != 0) {
		r = c25_fail(err, -errno, "%s: can't set its group: %s", tmp,
		    strerror(errno));
		goto out;
	}
	retire(run_dir);
	if (rename(tmp, t->path) != 0) {
		r = c25_fail(err, -errno, "%s: can't rename it: %s", tmp,
		    strerror(errno));
		goto out;
	}
	*out = t;
	return 0;
out:
	if (tmp[0] != '\0')
		(void)unlink(tmp);
	c25_table_detach(t);
	return r;
}

/* Check the fixed part of the header, from a private copy. */
static int
check_header(struct c25_table *t, const struct c25_header_d *h, off_t size,
    struct c25_error *err)
{
	uint8_t boot[16];
	int r;

	if (h->magic != C25_TABLE_MAGIC)
		return c25_fail(err, -EUCLEAN, "%s: not a conn25 table: "
		    "remove it and restart conn25d", t->path);
	if (h->fingerprint != C25_TABLE_FINGERPRINT)
		return c25_fail(err, -EPROTO, "%s: made by another version "
		    "of conn25 (layout %016llx, this one has %016llx): run "
		    "module and conn25d of one version, or move the file "
		    "away and restart conn25d", t->path,
		    (unsigned long long)h->fingerprint,
		    (unsigned long long)C25_TABLE_FINGERPRINT);
	if (h->capacity < C25_ASSIGNMENTS_MIN ||
	    h->capacity > C25_ASSIGNMENTS_MAX)
		return c25_fail(err, -EUCLEAN, "%s: damaged: says it has "
		    "room for %u assignments: move it away and restart "
		    "conn25d", t->path, h->capacity);
	c25_layout_compute(h->capacity, &t->l);
	if (h->len_bytes != t->l.len_bytes ||
	    size != (off_t)t->l.len_bytes)
		return c25_fail(err, -EUCLEAN, "%s: damaged: %lld bytes "
		    "long, should be %llu: move it away and restart conn25d",
		    t->path, (long long)size,
		    (unsigned long long)t->l.len_bytes);
	if ((r = read_boot_id(boot)) != 0)
		return c25_fail(err, r, "%s: can't read it", BOOT_ID_FILE);
	if (memcmp(boot, h->boot_id, sizeof(boot)) != 0)
		return c25_fail(err, -ESTALE, "%s: from before the last "
		    "reboot: conn25d makes it anew when it starts", t->path);
	memcpy(t->hash_key, h->hash_key, sizeof(t->hash_key));
	return 0;
}

int
c25_table_attach(const char *run_dir, struct c25_table **out,
    struct c25_error *err)
{
	struct c25_header_d head;
	struct c25_table *t;
	struct stat st;
	ssize_t n;
	int r;

	*out = NULL;
	if ((r = new_handle(run_dir, &t, err)) != 0)
		return r;
	t->fd = open(t->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (t->fd < 0) {
		r = c25_fail(err, -errno, "%s: %s%s", t->path,
		    strerror(errno), errno == ENOENT ?
		    ": is conn25d running?" : errno == EACCES ?
		    ": put the user of this process into conn25's group" :
		    "");
		goto out;
	}
	if (fstat(t->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		r = c25_fail(err, -EUCLEAN, "%s: not a regular file: remove "
		    "it and restart conn25d", t->path);
		goto out;
	}
	memset(&head, 0, sizeof(head));
	n = pread(t->fd, &head, offsetof(struct c25_header_d, current), 0);
	if (n != (ssize_t)offsetof(struct c25_header_d, current)) {
		r = c25_fail(err, -EUCLEAN, "%s: too short to be a table: "
		    "move it away and restart conn25d", t->path);
		goto out;
	}
	if ((r = check_header(t, &head, st.st_size, err)) != 0 ||
	    (r = map_file(t, err)) != 0)
		goto out;
	t->ring_tail = atomic_load(&t->h->ring_head);
	*out = t;
	return 0;
out:
	c25_table_detach(t);
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
	free(t);
}

bool
c25_table_replaced(const struct c25_table *t)
{
	struct stat st;

	return atomic_load(&t->h->retired) != 0 ||
	    stat(t->path, &st) != 0 || st.st_dev != t->dev ||
	    st.st_ino != t->ino;
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
