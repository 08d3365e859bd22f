/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lock of a table, for threads and processes, robust against the death of
 * its holder at any instruction and against any bytes in the mapping. See
 * layout.h for why it is not a robust mutex of glibc.
 *
 * Uncontended it costs one compare and swap each way. Who has to wait sleeps
 * in the kernel (a futex) and looks from time to time whether the holder still
 * lives: its file lock goes with it. A dead holder's number stays in the word,
 * and is given to no new handle, until somebody takes the lock from it: that
 * one, and nobody else, puts the table right.
 */

#include "table/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPINS 200
#define LOOK_MS 20		/* between two looks at the holder */
#define WAIT_MS 3000u		/* longer than any rebuild of a small table */
#define WAIT_SLOTS_PER_MS 100u	/* ... and a rebuild's slots, at the least: on
				 * a busy machine it makes 500 in that time */
#define STUCK_MS 10000u		/* then nobody waits */

static uint64_t
monotonic_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int
file_lock(int fd, int command, uint32_t handle, short *type)
{
	struct flock l = { .l_type = *type, .l_whence = SEEK_SET,
	    .l_start = C25_LOCK_BYTES + handle, .l_len = 1 };
	int r;

	do
		r = fcntl(fd, command, &l);
	while (r != 0 && errno == EINTR);
	*type = l.l_type;
	return r == 0 ? 0 : -errno;
}

/* Does the lock say that the handle of this number has it? */
static bool
is_holder(struct c25_table *t, uint32_t handle)
{
	return (atomic_load(&t->h->p.lock) & ~C25_LOCK_WAITERS) == handle;
}

int
c25_lock_open(struct c25_table *t)
{
	int r = -EAGAIN;

	for (uint32_t i = 1; i <= C25_HANDLES_MAX; i++) {
		short type = F_WRLCK;

		r = file_lock(t->fd, F_OFD_SETLK, i, &type);
		if (r == 0 && is_holder(t, i)) {
			/* of one who died with the lock: whoever takes the
			 * lock next is to see that */
			type = F_UNLCK;
			(void)file_lock(t->fd, F_OFD_SETLK, i, &type);
			continue;
		}
		if (r == 0) {
			t->handle = i;
			return 0;
		}
		if (r != -EAGAIN && r != -EACCES)
			return r;
	}
	return -EMFILE;
}

static void
sleep_on(_Atomic uint32_t *word, uint32_t value)
{
	struct timespec ts = { .tv_nsec = LOOK_MS * 1000000l };

	(void)syscall(SYS_futex, word, FUTEX_WAIT, value, &ts, NULL, 0);
}

/* One attempt to get the word from `seen`. */
static bool
grab(struct c25_table *t, uint32_t *seen, uint32_t with)
{
	return atomic_compare_exchange_strong(&t->h->p.lock, seen,
	    t->handle | with);
}

/*
 * Take the lock from a holder that doesn't live any more, if so it is. While
 * that is found out its number is kept from everybody: a handle that got it
 * could take the lock itself, and would be taken for the dead one.
 */
static bool
take_from_dead(struct c25_table *t, uint32_t seen)
{
	uint32_t handle = seen & ~C25_LOCK_WAITERS;
	bool numbered = handle >= 1 && handle <= C25_HANDLES_MAX;
	short type = F_WRLCK;
	bool taken;

	/* one thread of ours at a time, as a lock of a file is the handle's;
	 * what can't be told is believed to live */
	if (handle == t->handle || atomic_exchange(&t->burying, true))
		return false;
	if (numbered && file_lock(t->fd, F_OFD_SETLK, handle, &type) != 0) {
		taken = false;
	} else {
		c25_step();
		taken = grab(t, &seen, C25_LOCK_WAITERS);
		type = F_UNLCK;
		if (numbered)
			(void)file_lock(t->fd, F_OFD_SETLK, handle, &type);
	}
	atomic_store(&t->burying, false);
	return taken;
}

/*
 * Wait for the lock until then. Returns: 0; -EOWNERDEAD, and it is ours: put
 * right what the holder left half done; -ETIMEDOUT.
 */
static int
wait_for_it(struct c25_table *t, uint64_t end_ms)
{
	_Atomic uint32_t *word = &t->h->p.lock;
	uint32_t seen;

	for (;;) {
		seen = atomic_load(word);
		/* who comes after a sleep can't know whether others sleep */
		if (seen == 0) {
			if (grab(t, &seen, C25_LOCK_WAITERS))
				return 0;
			continue;
		}
		if (!(seen & C25_LOCK_WAITERS) &&
		    !atomic_compare_exchange_strong(word, &seen,
		    seen | C25_LOCK_WAITERS))
			continue;
		seen |= C25_LOCK_WAITERS;
		if (take_from_dead(t, seen))
			return -EOWNERDEAD;
		if (monotonic_ms() >= end_ms)
			return -ETIMEDOUT;
		sleep_on(word, seen);
	}
}

/* Put right what a dead holder left half done, if it was one. */
static int
recovered(struct c25_table *t, int r)
{
	if (r != -EOWNERDEAD)
		return r;
	/* another version's table is only read */
	if (!t->foreign)
		c25_rebuild(t);
	return 0;
}

uint32_t
c25_lock_patience_ms(const struct c25_table *t)
{
	return WAIT_MS + t->l.capacity / WAIT_SLOTS_PER_MS;
}

/*
 * A damaged table may say for ever that somebody holds the lock, and its
 * holder may be stopped: the resolver must go on. Who has waited in vain
 * tells the other threads, which then don't wait for a while.
 */
int
c25_lock(struct c25_table *t)
{
	uint32_t patience_ms = c25_lock_patience_ms(t), seen;
	uint64_t now_ms;
	bool stuck;
	int r;

	for (int i = 0; i < SPINS; i++) {
		seen = 0;
		if (atomic_load_explicit(&t->h->p.lock,
		    memory_order_relaxed) == 0 && grab(t, &seen, 0))
			return 0;
	}
	now_ms = monotonic_ms();
	stuck = now_ms < atomic_load(&t->stuck_until_ms);
	r = wait_for_it(t, stuck ? now_ms : now_ms + patience_ms);
	if (r == -ETIMEDOUT && !stuck)
		atomic_store(&t->stuck_until_ms, now_ms + patience_ms +
		    STUCK_MS);
	return recovered(t, r) == 0 ? 0 : -EUCLEAN;
}

int
c25_lock_at_once(struct c25_table *t)
{
	return recovered(t, wait_for_it(t, 0)) == 0 ? 0 : -EBUSY;
}

void
c25_unlock(struct c25_table *t)
{
	if (atomic_exchange(&t->h->p.lock, 0) & C25_LOCK_WAITERS)
		(void)syscall(SYS_futex, &t->h->p.lock, FUTEX_WAKE, 1, NULL,
		    NULL, 0);
}
