/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * svcb.c - see svcb.h. Pure: bytes in, bytes out, no Unbound header, so that
 * unit tests link it alone.
 */
#include <stdbool.h>
#include <string.h>

#include "conn25/name.h"
#include "module/svcb.h"

enum svcb_key {
	SVCB_MANDATORY = 0,
	SVCB_IPV4HINT = 4,
	SVCB_IPV6HINT = 6,
};

/* What is left to read, and what was written. */
struct svcb_io {
	const uint8_t *in;
	size_t left;
	uint8_t *out;
	size_t written;
	bool changed;
};

static unsigned svcb_u16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void svcb_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void svcb_copy(struct svcb_io *io, const void *p, size_t len)
{
	memcpy(io->out + io->written, p, len);
	io->written += len;
}

static bool svcb_is_hint(unsigned key)
{
	return key == SVCB_IPV4HINT || key == SVCB_IPV6HINT;
}

/* The TargetName is "." or the queried name. Reads it off io->in. */
static bool svcb_target_ok(struct svcb_io *io, const uint8_t *qname,
	size_t qname_len)
{
	struct c25_name target, queried;

	if (c25_name_from_wire(&target, io->in, io->left) != 0 ||
	    c25_name_from_wire(&queried, qname, qname_len) != 0)
		return false;
	if (target.len != 1 && !c25_name_eq(&target, &queried))
		return false;
	svcb_copy(io, io->in, target.len);
	io->in += target.len;
	io->left -= target.len;
	return true;
}

/* Copy `mandatory` without the keys of hints. Returns: false: malformed. */
static bool svcb_mandatory(struct svcb_io *io, const uint8_t *value,
	size_t len)
{
	size_t start = io->written, i;

	if (len == 0 || len % 2 != 0)
		return false;
	io->written += 4;
	for (i = 0; i < len; i += 2) {
		if (svcb_is_hint(svcb_u16(value + i)))
			io->changed = true;
		else
			svcb_copy(io, value + i, 2);
	}
	if (io->written == start + 4) {
		io->written = start;
		return true;
	}
	svcb_put16(io->out + start, SVCB_MANDATORY);
	svcb_put16(io->out + start + 2,
		(unsigned)(io->written - start - 4));
	return true;
}

/* One SvcParam. Keys come in strictly ascending order. */
static bool svcb_param(struct svcb_io *io, long *last_key)
{
	unsigned key;
	size_t len;

	if (io->left < 4)
		return false;
	key = svcb_u16(io->in);
	len = svcb_u16(io->in + 2);
	if (len > io->left - 4 || (long)key <= *last_key)
		return false;
	*last_key = (long)key;
	if (key == SVCB_MANDATORY) {
		if (!svcb_mandatory(io, io->in + 4, len))
			return false;
	} else if (svcb_is_hint(key)) {
		io->changed = true;
	} else {
		svcb_copy(io, io->in, 4 + len);
	}
	io->in += 4 + len;
	io->left -= 4 + len;
	return true;
}

enum c25_svcb c25_svcb_mend(const uint8_t *rdata, size_t len,
	const uint8_t *qname, size_t qname_len, uint8_t *out, size_t *out_len)
{
	struct svcb_io io = { .in = rdata, .left = len, .out = out };
	long last_key = -1;

	if (len < 3 || svcb_u16(rdata) == 0)
		return C25_SVCB_DROP;
	svcb_copy(&io, rdata, 2);
	io.in += 2;
	io.left -= 2;
	if (!svcb_target_ok(&io, qname, qname_len))
		return C25_SVCB_DROP;
	while (io.left > 0)
		if (!svcb_param(&io, &last_key))
			return C25_SVCB_DROP;
	if (!io.changed)
		return C25_SVCB_SAME;
	*out_len = io.written;
	return C25_SVCB_CHANGED;
}
