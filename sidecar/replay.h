/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * replay.h - remembers which nonces one peer has used, as long as they could
 * be used once more, in bounded memory.
 *
 * Example:
 *	struct c25_replay r;
 *
 *	c25_replay_init(&r, key, start_s - 1);
 *	if (c25_replay_add(&r, nonce, created, now_s) != 0)
 *		... it was there before ...
 *	c25_replay_free(&r);
 *
 * There are two sets, a young and an old one. When the young one is full it
 * becomes the old one, and what was old is forgotten: everything created up
 * to then counts as used. That is waited for until it is out of the window
 * (C25_HTTPSIG_WINDOW_S) anyway, unless the sets are full. So a peer that
 * sends more than C25_REPLAY_MAX requests within a second is refused until
 * the next one, but nothing is taken twice.
 *
 * Rules: nonces are kept as a keyed hash of 64 bits: the chance that one is
 * taken for another is nil, and what it would cost is one refusal. `floor_s`
 * stands for what was before: nothing created up to then is taken.
 */
#ifndef CONN25_REPLAY_H
#define CONN25_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#define C25_REPLAY_MAX 32768u	/* in a set; 256 KiB at half load, twice */

struct c25_replay_set {
	uint64_t *slots;	/* 0: free */
	size_t size;		/* a power of two, or 0 */
	size_t count;
	int64_t newest;		/* created, of all in it */
};

struct c25_replay {
	uint8_t key[16];
	struct c25_replay_set young, old;
	int64_t floor_s;
};

void c25_replay_init(struct c25_replay *r, const uint8_t key[static 16],
	int64_t floor_s);
void c25_replay_free(struct c25_replay *r);

/*
 * Note a nonce, whose `created` is within the window around now_s.
 * Returns: 0; -EEXIST (it was there); -ESTALE (it may have been: it is of
 * floor_s or before); -ENOMEM.
 */
int c25_replay_add(struct c25_replay *r, const char *nonce,
	int64_t created, int64_t now_s) __attribute__((warn_unused_result));

#endif
