/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store as its users see it: the queue of changes and the thread that
 * writes them. See store.h; the database itself is in store_db.c.
 */

#include "store_private.h"

#include <errno.h>
#include <pthread.h>
#include <sodium/randombytes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conn25/log.h"
#include "conn25/table.h"
#include "rundir.h"

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define LOOK_MS 1000u			/* is the file still there? */
#define SWEEP_ROWS 4096		/* between two looks for other work */
#define SWEEP_PAUSE 16		/* times what the last sweep took */
#define PAUSE_MS 1000u			/* after a failure, doubled ... */
#define PAUSE_MAX_MS 30000u		/* ... up to this */
#define RENEW_MS 60000u			/* between two on account of damage */

/* Members below the line belong to whoever holds the mutex; the others to the
 * thread that opened, and from start on to the writer. */
struct c25_store {
	char *state_dir;
	int lock_fd;
	struct c25_db db;
	struct c25_db_meta meta;	/* of this run; never changes after
					 * start, but for clean */
	struct c25_mark *mark;		/* may be NULL */
	bool started;
	struct c25_set batch;		/* being written */
	const struct c25_change **sorted;	/* ... in this order */
	size_t batch_left;		/* the last so many aren't written */
	bool foreign;			/* the database was made while we run:
					 * its epoch isn't ours yet */
	bool completing;		/* with this batch it becomes ours */
	bool meta_due;			/* meta is to be written, too */
	uint64_t renewed_ms;		/* when it was found damaged last */
	unsigned pause_ms;		/* after the next failure */
	pthread_t thread;
	/* ---- */
	pthread_mutex_t mutex;
	pthread_cond_t work;		/* for the writer */
	pthread_cond_t done;		/* an attempt is over */
	struct c25_set set;		/* waits */
	uint64_t due_ms;		/* when to start writing; 0: never */
	bool hurry;			/* now: flush */
	bool stop;			/* ... and then end */
	bool busy;			/* an attempt is under way */
	bool at_db;			/* the writer may be at the database */
	bool loading;			/* another thread is */
	bool unsaved;			/* the mark is set */
	bool wants[C25_STORE_KINDS];
	bool complete;			/* all mappings were put again */
	uint64_t attempts;
	bool sweep;			/* a walk is wanted or under way */
	bool sweep_more;		/* ... and then another one */
	uint64_t sweep_begun_ms;
	uint64_t sweep_next_ms;		/* not before */
	struct c25_store_cursor sweep_at;	/* the writer's */
	/* who is asked in the next walk, and in the one under way, which is
	 * the writer's alone */
	bool (*alive_next)(void *ctx, const struct c25_addr *magic);
	void *alive_next_ctx;
	bool (*alive)(void *ctx, const struct c25_addr *magic);
	void *alive_ctx;
	struct c25_store_stats stats;	/* pending: of the batch */
};

static uint64_t
monotonic_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- changes ------------------------------------------------------------ */

static int
change(struct c25_store *s, enum c25_store_kind kind,
	enum c25_change_what what, const struct c25_row *row)
{
	bool remove = what == C25_CHANGE_REMOVE;
	int r;

	(void)pthread_mutex_lock(&s->mutex);
	r = c25_set_put(&s->set, kind, what, row->bytes, row->key_len,
		row->len);
	if (r != 0 && !remove)
		s->wants[kind] = true;
	if (kind == C25_STORE_MAPPINGS && !remove && !s->unsaved) {
		s->unsaved = true;
		if (s->started)
			c25_mark_set(s->mark, true);
	}
	if (s->due_ms == 0) {
		s->due_ms = monotonic_ms() + C25_STORE_DELAY_MS;
		(void)pthread_cond_signal(&s->work);
	}
	(void)pthread_mutex_unlock(&s->mutex);
	return r;
}

int
c25_store_put_assignment(struct c25_store *s,
	const struct c25_store_assignment *a)
{
	struct c25_row row;
	int r = c25_row_assignment(&row, a);

	return r != 0 ? r : change(s, C25_STORE_ASSIGNMENTS, a->anew ?
		C25_CHANGE_PUT_ANEW : C25_CHANGE_PUT, &row);
}

int
c25_store_remove_assignment(struct c25_store *s, const struct c25_addr *magic)
{
	struct c25_row row;
	int r = c25_row_assignment_key(&row, magic);

	return r != 0 ? r : change(s, C25_STORE_ASSIGNMENTS,
		C25_CHANGE_REMOVE, &row);
}

int
c25_store_put_mapping(struct c25_store *s, const struct c25_store_mapping *m)
{
	struct c25_row row;
	int r = c25_row_mapping(&row, m, s->meta.boot);

	return r != 0 ? r : change(s, C25_STORE_MAPPINGS, C25_CHANGE_PUT,
		&row);
}

int
c25_store_remove_mapping(struct c25_store *s, const char *peer,
	const struct c25_addr *transit)
{
	struct c25_row row;
	int r = c25_row_mapping_key(&row, peer, transit);

	return r != 0 ? r : change(s, C25_STORE_MAPPINGS, C25_CHANGE_REMOVE,
		&row);
}

bool
c25_store_wants(struct c25_store *s, enum c25_store_kind kind)
{
	bool wants;

	(void)pthread_mutex_lock(&s->mutex);
	wants = s->wants[kind];
	s->wants[kind] = false;
	if (wants && kind == C25_STORE_MAPPINGS)
		s->complete = false;
	(void)pthread_mutex_unlock(&s->mutex);
	return wants;
}

void
c25_store_mappings_complete(struct c25_store *s)
{
	(void)pthread_mutex_lock(&s->mutex);
	if (!s->wants[C25_STORE_MAPPINGS]) {
		s->complete = true;
		if (s->due_ms == 0)
			s->due_ms = monotonic_ms() + C25_STORE_DELAY_MS;
		(void)pthread_cond_signal(&s->work);
	}
	(void)pthread_mutex_unlock(&s->mutex);
}

void
c25_store_stats(struct c25_store *s, struct c25_store_stats *out)
{
	(void)pthread_mutex_lock(&s->mutex);
	*out = s->stats;
	out->pending += s->set.count;
	(void)pthread_mutex_unlock(&s->mutex);
}

int
c25_store_flush(struct c25_store *s)
{
	uint64_t enough;
	int r = 0;

	if (!s->started)
		return -EIO;
	(void)pthread_mutex_lock(&s->mutex);
	/* One that is under way may have failed already. */
	enough = s->attempts + (s->busy ? 2 : 1);
	while (s->set.count > 0 || s->busy || s->stats.pending > 0 ||
			s->complete) {
		if (s->attempts >= enough && s->stats.failing) {
			r = -EIO;
			break;
		}
		s->hurry = true;
		(void)pthread_cond_signal(&s->work);
		(void)pthread_cond_wait(&s->done, &s->mutex);
	}
	(void)pthread_mutex_unlock(&s->mutex);
	return r;
}

void
c25_store_sweep_assignments(struct c25_store *s,
	bool (*alive)(void *ctx, const struct c25_addr *magic), void *ctx)
{
	(void)pthread_mutex_lock(&s->mutex);
	s->alive_next = alive;
	s->alive_next_ctx = ctx;
	s->sweep_more = true;
	if (s->sweep_next_ms <= monotonic_ms())
		(void)pthread_cond_signal(&s->work);
	(void)pthread_mutex_unlock(&s->mutex);
}

/* Is there a piece of a walk to be done? The mutex is held. */
static bool
sweep_due(struct c25_store *s)
{
	uint64_t now;

	if (s->sweep || !s->sweep_more)
		return s->sweep;
	now = monotonic_ms();
	if (now < s->sweep_next_ms)
		return false;
	s->sweep = true;
	s->sweep_more = false;
	s->alive = s->alive_next;
	s->alive_ctx = s->alive_next_ctx;
	s->sweep_begun_ms = now;
	memset(&s->sweep_at, 0, sizeof(s->sweep_at));
	return true;
}

/* One key of the database. */
static void
sweep_one(void *ctx, const struct c25_addr *magic)
{
	struct c25_store *s = ctx;

	if (s->alive(s->alive_ctx, magic))
		return;
	(void)!c25_store_remove_assignment(s, magic);
	/* Was it given out, and put, just now? Then that put is undone. */
	if (!s->alive(s->alive_ctx, magic))
		return;
	(void)pthread_mutex_lock(&s->mutex);
	s->wants[C25_STORE_ASSIGNMENTS] = true;
	(void)pthread_mutex_unlock(&s->mutex);
}

/* A piece of the walk, with the mutex not held. */
static void
sweep_piece(struct c25_store *s)
{
	struct c25_error err = { "" };

	if (s->db.sqlite == NULL || c25_rows_keys(&s->db, &s->sweep_at,
			SWEEP_ROWS, sweep_one, s, &err) != 0)
		s->sweep_at.done = true;	/* another time */
	if (!s->sweep_at.done)
		return;
	(void)pthread_mutex_lock(&s->mutex);
	s->sweep = false;
	s->sweep_next_ms = monotonic_ms();
	s->sweep_next_ms += (s->sweep_next_ms - s->sweep_begun_ms) *
		SWEEP_PAUSE;
	(void)pthread_mutex_unlock(&s->mutex);
}

/* ---- writing ------------------------------------------------------------ */

/*
 * Make the database anew and ask for everything again; also before start.
 * `damage` is what is wrong with the one that is there; NULL: ours has gone.
 */
static int
renew(struct c25_store *s, const char *damage, struct c25_error *err)
{
	int fd, r;

	r = c25_statedir_make(s->state_dir, err);
	if (r == 0 && !c25_statedir_locked(s->state_dir, s->lock_fd)) {
		r = c25_statedir_lock(s->state_dir, &fd, err);
		if (r == 0) {
			(void)close(s->lock_fd);
			s->lock_fd = fd;
		}
	}
	if (r == 0)
		r = c25_db_renew(&s->db, damage != NULL ? damage :
			"it was put there while conn25d runs", err);
	if (r != 0)
		return r;
	if (damage == NULL)
		c25_log(C25_LOG_ERROR, "%s: was removed or replaced while "
			"conn25d runs: made anew", s->db.path);
	s->foreign = s->started;
	s->completing = false;
	s->meta_due = true;
	if (!s->started)
		memcpy(s->meta.epoch, s->db.meta.epoch,
			sizeof(s->meta.epoch));
	(void)pthread_mutex_lock(&s->mutex);
	s->wants[C25_STORE_ASSIGNMENTS] = s->wants[C25_STORE_MAPPINGS] = true;
	s->complete = false;
	(void)pthread_mutex_unlock(&s->mutex);
	return 0;
}

/* The next transaction of the batch; meta with its last. */
static int
transaction(struct c25_store *s, struct c25_error *err)
{
	struct c25_db_meta meta = s->meta;
	size_t n = s->batch_left < C25_STORE_BATCH ? s->batch_left :
		C25_STORE_BATCH;
	int r = c25_db_begin(&s->db, err);

	if (r == 0 && n > 0)
		r = c25_rows_write(&s->db, s->sorted + s->batch.count -
			s->batch_left, n, err);
	if (r == 0 && s->meta_due && n == s->batch_left) {
		if (s->foreign && !s->completing)
			memcpy(meta.epoch, s->db.meta.epoch,
				sizeof(meta.epoch));
		r = c25_db_meta_write(&s->db, &meta, err);
	}
	if (r == 0)
		r = c25_db_commit(&s->db, err);
	if (r != 0) {
		c25_db_rollback(&s->db);
		return r;
	}
	s->batch_left -= n;
	if (s->batch_left == 0) {
		s->foreign = s->foreign && !s->completing;
		s->completing = s->meta_due = false;
	}
	(void)pthread_mutex_lock(&s->mutex);
	s->stats.pending = s->batch_left;
	s->stats.written += n;
	(void)pthread_mutex_unlock(&s->mutex);
	return 0;
}

static int
write_batch(struct c25_store *s, struct c25_error *err)
{
	int r = 0;

	if (s->batch_left > 0 && s->sorted == NULL &&
			(s->sorted = c25_set_sorted(&s->batch)) == NULL)
		return c25_fail(err, -ENOMEM, "%s: can't be written: out of "
			"memory", s->db.path);
	while (r == 0 && (s->batch_left > 0 || s->meta_due))
		r = transaction(s, err);
	return r;
}

/* Everything that is due. Returns: 0; -errno with err set. */
static int
attempt(struct c25_store *s, struct c25_error *err)
{
	struct c25_error why = { "" };
	uint64_t now;
	int r = 0;

	if (s->db.sqlite == NULL || c25_db_gone(&s->db)) {
		r = renew(s, NULL, err);
		if (r != 0)
			return r;
	}
	r = write_batch(s, &why);
	if (r != -EUCLEAN)
		return r == 0 ? 0 : c25_fail(err, r, "%s", why.text);
	now = monotonic_ms();
	if (s->renewed_ms != 0 && now - s->renewed_ms < RENEW_MS)
		return c25_fail(err, -EIO, "%s: damaged again: %s: check the "
			"disk", s->db.path, why.text);
	s->renewed_ms = now;
	r = renew(s, why.text, err);
	if (r == 0)
		r = write_batch(s, err);
	return r;
}

/* The batch is written, or it failed; the mutex is held. */
static void
finish(struct c25_store *s, int r, const struct c25_error *err)
{
	s->attempts++;
	if (r == 0) {
		if (s->stats.failing)
			c25_log(C25_LOG_INFO, "%s: can be written again",
				s->db.path);
		s->stats.failing = false;
		s->pause_ms = PAUSE_MS;
		if (s->set.kinds[C25_STORE_MAPPINGS] == 0 &&
				!s->wants[C25_STORE_MAPPINGS]) {
			s->unsaved = false;
			c25_mark_set(s->mark, false);
		}
		return;
	}
	if (!s->stats.failing)
		c25_log(C25_LOG_ERROR, "%s; conn25d goes on and tries again "
			"until it works", err->text);
	s->stats.failing = true;
	s->stats.failed++;
	s->due_ms = monotonic_ms() + s->pause_ms;
	s->pause_ms = s->pause_ms * 2 < PAUSE_MAX_MS ? s->pause_ms * 2 :
		PAUSE_MAX_MS;
}

/* Take what waits as the next batch; the mutex is held. */
static void
take(struct c25_store *s)
{
	struct c25_set fresh = { 0 };

	memcpy(fresh.key, s->set.key, sizeof(fresh.key));
	fresh.serial = s->set.serial;
	s->batch = s->set;
	s->set = fresh;
	s->batch_left = s->stats.pending = s->batch.count;
	s->due_ms = 0;
	s->completing = s->foreign && (s->complete || s->completing);
	s->meta_due = s->meta_due || s->completing;
	s->complete = false;
}

static void
attempt_locked(struct c25_store *s)
{
	struct c25_error err = { "" };
	int r;

	if (s->batch_left == 0)
		take(s);
	s->hurry = false;
	s->busy = true;
	(void)pthread_mutex_unlock(&s->mutex);
	r = attempt(s, &err);
	if (s->batch_left == 0) {
		c25_set_clear(&s->batch);
		free(s->sorted);
		s->sorted = NULL;
	}
	(void)pthread_mutex_lock(&s->mutex);
	s->busy = false;
	finish(s, r, &err);
	(void)pthread_cond_broadcast(&s->done);
}

/* Wait for work, or until it is time to look at the file; the mutex is held.
 * Returns: whether there is work. */
static bool
wait_for_work(struct c25_store *s)
{
	uint64_t now = monotonic_ms(), look = now + LOOK_MS, until;
	struct timespec ts;

	while (!s->stop && !s->hurry && (s->due_ms == 0 || now < s->due_ms) &&
			now < look && !sweep_due(s)) {
		until = s->due_ms != 0 && s->due_ms < look ? s->due_ms : look;
		ts = (struct timespec){ .tv_sec = (time_t)(until / 1000),
			.tv_nsec = (long)(until % 1000) * 1000000 };
		(void)pthread_cond_timedwait(&s->work, &s->mutex, &ts);
		now = monotonic_ms();
	}
	return s->stop || s->hurry || (s->due_ms != 0 && now >= s->due_ms);
}

/* The last things: everything is written, or it can't be. */
static void
end(struct c25_store *s)
{
	struct c25_error err = { "" };
	size_t left;

	(void)pthread_mutex_lock(&s->mutex);
	left = s->set.count + s->batch_left;
	(void)pthread_mutex_unlock(&s->mutex);
	if (left > 0) {
		c25_log(C25_LOG_ERROR, "%s: %zu changes can't be written and "
			"are lost", s->db.path, left);
		return;
	}
	s->meta.clean = true;
	s->meta_due = true;
	if (s->db.sqlite != NULL && write_batch(s, &err) != 0)
		c25_log(C25_LOG_ERROR, "%s", err.text);
}

static void *
writer(void *ctx)
{
	struct c25_store *s = ctx;
	bool gone, work;

	(void)pthread_mutex_lock(&s->mutex);
	for (;;) {
		s->at_db = false;
		(void)pthread_cond_broadcast(&s->done);
		work = wait_for_work(s);
		while (s->loading)
			(void)pthread_cond_wait(&s->work, &s->mutex);
		s->at_db = true;
		if (!work && !s->stats.failing) {
			(void)pthread_mutex_unlock(&s->mutex);
			gone = c25_db_gone(&s->db);
			(void)pthread_mutex_lock(&s->mutex);
			work = gone;
		}
		if (work)
			attempt_locked(s);
		if (sweep_due(s) && !s->stop) {
			(void)pthread_mutex_unlock(&s->mutex);
			sweep_piece(s);
			(void)pthread_mutex_lock(&s->mutex);
		}
		if (s->stop && (s->stats.failing || s->set.count == 0))
			break;
	}
	(void)pthread_mutex_unlock(&s->mutex);
	end(s);
	return NULL;
}

/* ---- open, start, close -------------------------------------------------- */

static void
read_boot_id(const char *given, char *out, size_t size)
{
	FILE *f;

	if (given != NULL) {
		(void)snprintf(out, size, "%s", given);
		return;
	}
	f = fopen(BOOT_ID_FILE, "re");
	if (f == NULL || fgets(out, (int)size, f) == NULL)
		out[0] = '\0';		/* every start counts as a boot */
	if (f != NULL)
		(void)fclose(f);
	out[strcspn(out, "\n")] = '\0';
}

/* What to make of what an earlier conn25d left. */
static void
take_over(struct c25_store *s, bool fresh, const char *boot_id)
{
	bool same = boot_id[0] != '\0' &&
		strcmp(boot_id, s->db.meta.boot_id) == 0;
	const char *lost = NULL;

	s->meta = s->db.meta;
	if (!fresh && !same && !s->meta.clean)
		lost = "the machine went down while conn25d ran";
	if (!fresh && same && c25_mark_found(s->mark, s->meta.epoch))
		lost = "conn25d was killed before all was written";
	if (lost != NULL) {
		c25_log(C25_LOG_INFO, "%s: the last mappings may be missing, "
			"as %s: peers will be made to send theirs again",
			s->db.path, lost);
		c25_db_epoch(s->meta.epoch);
	}
	if (!same) {
		s->meta.boot++;
		s->meta.restored_ms = (int64_t)c25_now_ms();
		(void)snprintf(s->meta.boot_id, sizeof(s->meta.boot_id),
			"%s", boot_id);
	}
	s->meta.clean = false;
}

static struct c25_store *
new_store(const char *state_dir)
{
	struct c25_store *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;

	if (s == NULL || (s->state_dir = strdup(state_dir)) == NULL) {
		free(s);
		return NULL;
	}
	s->lock_fd = -1;
	s->pause_ms = PAUSE_MS;
	s->db.dir = s->state_dir;
	(void)snprintf(s->db.path, sizeof(s->db.path), "%s/%s", state_dir,
		C25_STORE_FILE);
	randombytes_buf(s->set.key, sizeof(s->set.key));
	(void)pthread_mutex_init(&s->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->work, &attr);
	(void)pthread_cond_init(&s->done, &attr);
	(void)pthread_condattr_destroy(&attr);
	return s;
}

int
c25_store_open(const struct c25_store_options *options,
	struct c25_store **out, struct c25_error *err)
{
	struct c25_error unheard = { "" };
	struct c25_store *s = NULL;
	char boot_id[sizeof(s->meta.boot_id)];
	bool fresh;
	int r;

	*out = NULL;
	if (err == NULL)
		err = &unheard;
	if (strlen(options->state_dir) > sizeof(s->db.path) - 64)
		return c25_fail(err, -ENAMETOOLONG, "stateDir %s: too long",
			options->state_dir);
	s = new_store(options->state_dir);
	if (s == NULL)
		return c25_fail(err, -ENOMEM, "out of memory");
	r = c25_statedir_make(s->state_dir, err);
	if (r == 0)
		r = c25_statedir_lock(s->state_dir, &s->lock_fd, err);
	if (r == 0 && options->run_dir != NULL)
		r = c25_mark_open(options->run_dir, &s->mark, err);
	if (r == 0)
		r = c25_db_open(&s->db, &fresh, err);
	if (r == 0 && c25_rows_serial(&s->db, &s->set.serial, &unheard) != 0)
		s->set.serial = 0;	/* loading will say so */
	if (r != 0) {
		c25_store_close(s);
		return r;
	}
	read_boot_id(options->boot_id, boot_id, sizeof(boot_id));
	take_over(s, fresh, boot_id);
	*out = s;
	return 0;
}

int
c25_store_start(struct c25_store *s, struct c25_error *err)
{
	struct c25_error why = { "" };
	int r;

	s->meta_due = true;
	r = write_batch(s, &why);
	if (r == -EUCLEAN && (r = renew(s, why.text, err)) == 0)
		r = write_batch(s, &why);
	if (r != 0)
		return c25_fail(err, r, "%s", why.text);
	c25_mark_begin(s->mark, s->meta.epoch);
	c25_mark_set(s->mark, s->unsaved);
	s->started = true;
	r = pthread_create(&s->thread, NULL, writer, s);
	if (r != 0) {
		s->started = false;
		return c25_fail(err, -r, "store: no thread: %s",
			strerror(r));
	}
	return 0;
}

void
c25_store_close(struct c25_store *s)
{
	if (s == NULL)
		return;
	if (s->started) {
		(void)pthread_mutex_lock(&s->mutex);
		s->stop = true;
		(void)pthread_cond_signal(&s->work);
		(void)pthread_mutex_unlock(&s->mutex);
		(void)pthread_join(s->thread, NULL);
	}
	c25_db_close(&s->db, true);
	c25_mark_close(s->mark);
	if (s->lock_fd >= 0)
		(void)close(s->lock_fd);
	free(s->sorted);
	c25_set_clear(&s->batch);
	c25_set_clear(&s->set);
	(void)pthread_cond_destroy(&s->work);
	(void)pthread_cond_destroy(&s->done);
	(void)pthread_mutex_destroy(&s->mutex);
	free(s->state_dir);
	free(s);
}

/* ---- loading ------------------------------------------------------------- */

/* After a walk: damage that only shows there is no failure. */
static int
loaded(struct c25_store *s, int r, const struct c25_store_loaded *out,
	struct c25_error *err)
{
	char why[sizeof(err->text)];

	if (r == -EUCLEAN) {
		(void)snprintf(why, sizeof(why), "%s", err->text);
		return renew(s, why, err);
	}
	return r != 0 ? r : out->stopped;
}

/* From start on the database is the writer's: borrow it. */
static int
borrow(struct c25_store *s, struct c25_error *err)
{
	(void)pthread_mutex_lock(&s->mutex);
	while (s->started && s->at_db)
		(void)pthread_cond_wait(&s->done, &s->mutex);
	s->loading = true;
	(void)pthread_mutex_unlock(&s->mutex);
	return s->db.sqlite != NULL ? 0 : c25_fail(err, -EIO,
		"%s: can't be read now", s->db.path);
}

static void
give_back(struct c25_store *s)
{
	(void)pthread_mutex_lock(&s->mutex);
	s->loading = false;
	(void)pthread_cond_signal(&s->work);
	(void)pthread_mutex_unlock(&s->mutex);
}

int
c25_store_load_assignments(struct c25_store *s,
	int (*fn)(void *ctx, const struct c25_store_assignment *a),
	void *ctx, struct c25_store_loaded *out, struct c25_error *err)
{
	struct c25_error e = { "" };
	int r = borrow(s, &e);

	*out = (struct c25_store_loaded){ 0 };
	if (r == 0)
		r = loaded(s, c25_rows_assignments(&s->db, fn, ctx, out, &e),
			out, &e);
	give_back(s);
	return r == 0 ? 0 : c25_fail(err, r, "%s", e.text);
}

int
c25_store_load_mappings(struct c25_store *s,
	int (*fn)(void *ctx, const struct c25_store_mapping *m),
	void *ctx, struct c25_store_loaded *out, struct c25_error *err)
{
	struct c25_error e = { "" };
	int r = borrow(s, &e);

	*out = (struct c25_store_loaded){ 0 };
	if (r == 0)
		r = loaded(s, c25_rows_mappings(&s->db, &s->meta,
			c25_now_ms(), fn, ctx, out, &e), out, &e);
	give_back(s);
	return r == 0 ? 0 : c25_fail(err, r, "%s", e.text);
}

/* ---- epoch --------------------------------------------------------------- */

const char *
c25_store_epoch(const struct c25_store *s)
{
	return s->meta.epoch;
}

void
c25_store_epoch_renew(struct c25_store *s)
{
	c25_db_epoch(s->meta.epoch);
}
