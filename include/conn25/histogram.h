/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * histogram.h - how long something took, counted in the classes that
 * unbound's statistics have: class 0 is up to a microsecond, each one after
 * it up to twice as much, but that a second follows 0.524288 seconds, and the
 * last one is for all that is longer. Ref: Unbound's util/timehist.c.
 *
 * Example:
 *	struct c25_histogram h = { 0 };
 *
 *	c25_histogram_add(&h, c25_now_us() - since_us);
 */
#ifndef CONN25_HISTOGRAM_H
#define CONN25_HISTOGRAM_H

#include <stdint.h>

#define C25_HISTOGRAM_CLASSES 40

struct c25_histogram {
	uint64_t sum_us;		/* of all times */
	uint64_t count[C25_HISTOGRAM_CLASSES];
};

#define C25_HISTOGRAM_SECOND 20	/* the class up to one second */

/* The longest time that class i counts, itself included. */
static inline uint64_t
c25_histogram_upper_us(unsigned i)
{
	return i < C25_HISTOGRAM_SECOND ? UINT64_C(1) << i :
		UINT64_C(1000000) << (i - C25_HISTOGRAM_SECOND);
}

static inline unsigned
c25_histogram_class(uint64_t us)
{
	uint64_t n = us;
	unsigned i = 0;

	if (us > c25_histogram_upper_us(C25_HISTOGRAM_SECOND - 1)) {
		n = (us - 1) / 1000000 + 1;
		i = C25_HISTOGRAM_SECOND;
	}
	if (n > 1)
		i += 64 - (unsigned)__builtin_clzll(n - 1);
	return i < C25_HISTOGRAM_CLASSES ? i : C25_HISTOGRAM_CLASSES - 1;
}

static inline void
c25_histogram_add(struct c25_histogram *h, uint64_t us)
{
	h->sum_us += us;
	h->count[c25_histogram_class(us)]++;
}

#endif
