/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz.h - what the fuzz targets (fuzz_*.c) share: taking an input apart, and
 * saying what must hold.
 *
 * Example:
 *	int
 *	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
 *	{
 *		struct fuzz f = { data, size };
 *		bool which = fuzz_u8(&f) & 1;
 *		struct fuzz_copy text = fuzz_rest(&f);
 *
 *		fuzz_must(thing(text.bytes, text.len) >= 0, "negative");
 *		free(text.bytes);
 *		return 0;
 *	}
 *
 * Rules
 *   inputs     any bytes are an input, and the same bytes do the same each
 *              time: no clock, no random numbers, nothing left from before.
 *   memory     what is given to the code under test is a copy of exactly its
 *              length, so that AddressSanitizer sees a read past its end.
 *   files      in the working directory, see fuzz_scratch().
 *
 * A target is picked up by its name; its corpus is corpus/NAME. replay.c runs
 * it over that in `make check`, `make fuzz T=NAME` with libFuzzer.
 */
#ifndef CONN25_TESTS_FUZZ_H
#define CONN25_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold, and what to say if it doesn't. */
#define fuzz_must(what, ...) ((what) ? (void)0 : (fprintf(stderr, \
	"%s:%d: %s: ", __FILE__, __LINE__, #what), \
	fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), abort()))

/* The rest of an input. At its end there are zeros. */
struct fuzz {
	const uint8_t *p;
	size_t left;
};

struct fuzz_copy {
	uint8_t *bytes;			/* malloc'ed, exactly `len` */
	size_t len;
};

static inline uint8_t
fuzz_u8(struct fuzz *f)
{
	if (f->left == 0)
		return 0;
	f->left--;
	return *f->p++;
}

static inline uint16_t
fuzz_u16(struct fuzz *f)
{
	unsigned high = fuzz_u8(f);

	return (uint16_t)(high << 8 | fuzz_u8(f));
}

static inline uint32_t
fuzz_u32(struct fuzz *f)
{
	uint32_t high = fuzz_u16(f);

	return high << 16 | fuzz_u16(f);
}

static inline uint64_t
fuzz_u64(struct fuzz *f)
{
	uint64_t high = fuzz_u32(f);

	return high << 32 | fuzz_u32(f);
}

/* Up to `len` of the next bytes. */
static inline struct fuzz_copy
fuzz_take(struct fuzz *f, size_t len)
{
	struct fuzz_copy c = { .len = len < f->left ? len : f->left };

	c.bytes = malloc(c.len);
	fuzz_must(c.bytes != NULL || c.len == 0, "out of memory");
	if (c.len > 0)
		memcpy(c.bytes, f->p, c.len);
	f->p += c.len;
	f->left -= c.len;
	return c;
}

static inline struct fuzz_copy
fuzz_rest(struct fuzz *f)
{
	return fuzz_take(f, f->left);
}

#endif
