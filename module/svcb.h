/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * svcb.h - SVCB and HTTPS record data without what would lead a client past
 * us: address hints and other target names.
 *
 * Example:
 *	uint8_t out[65535];
 *	size_t out_len;
 *
 *	switch (c25_svcb_mend(rdata, len, qname, qname_len, out, &out_len)) {
 *	case C25_SVCB_SAME:	... use rdata as it is ...
 *	case C25_SVCB_CHANGED:	... use out, out_len ...
 *	case C25_SVCB_DROP:	... leave the record out ...
 *	}
 *
 * Rules: pure; no allocation, no Unbound. The bytes come from the network.
 */
#ifndef CONN25_MODULE_SVCB_H
#define CONN25_MODULE_SVCB_H

#include <stddef.h>
#include <stdint.h>

enum c25_svcb {
	C25_SVCB_SAME,		/* nothing had to go */
	C25_SVCB_CHANGED,	/* hints were taken out */
	C25_SVCB_DROP,		/* AliasMode, another target, or malformed */
};

/*
 * Take ipv4hint and ipv6hint out of record data (without the length that
 * Unbound puts before it), and their keys out of `mandatory`; `mandatory`
 * itself goes when nothing is left in it. A record is dropped when it is in
 * AliasMode, when its TargetName is neither "." nor `qname` (an uncompressed
 * wire name in any case), or when it is malformed.
 * Owns: `out` has room for `len` bytes and does not overlap `rdata`.
 * Returns: see enum c25_svcb; *out_len is set with C25_SVCB_CHANGED.
 * Ref: RFC 9460 2.2 (wire form), 2.4.2 (AliasMode), 7.3 (hints), 8
 * (mandatory).
 */
enum c25_svcb c25_svcb_mend(const uint8_t *rdata, size_t len,
	const uint8_t *qname, size_t qname_len, uint8_t *out,
	size_t *out_len);

#endif
