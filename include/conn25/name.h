/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * name.h - domain names in the one form we compare: canonical wire form,
 * which is uncompressed, lower case and at most 255 bytes with the root label.
 *
 * Example:
 *	struct c25_name n;
 *	char text[C25_NAME_TEXT_MAX];
 *
 *	if (c25_name_from_text(&n, "App.Example.COM", 15) == 0)
 *		puts(c25_name_to_text(n.wire, n.len, text));   app.example.com
 *
 * Rules: pure; nothing here allocates, locks or logs.
 * Ref: RFC 1035 3.1 (labels), RFC 4034 6.2 (canonical form), RFC 9499.
 */
#ifndef CONN25_NAME_H
#define CONN25_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct c25_addr;

#define C25_NAME_MAX 255	/* bytes on the wire, RFC 1035 2.3.4 */
#define C25_LABEL_MAX 63
#define C25_LABELS_MAX 127	/* labels besides the root */
#define C25_NAME_TEXT_MAX 1024	/* every byte as \DDD, dots, NUL */

struct c25_name {
	uint16_t len;			/* bytes used, root label included */
	uint8_t wire[C25_NAME_MAX];	/* canonical wire form */
};

/*
 * Parse presentation format; a trailing dot may be there or not; escapes
 * \X and \DDD are understood; "." is the root. Letters become lower case.
 * Returns: 0; -EINVAL (empty label, bad escape); -ENAMETOOLONG.
 */
int c25_name_from_text(struct c25_name *out, const char *text, size_t len)
	__attribute__((warn_unused_result));

/*
 * Check and lower an uncompressed wire name of which at most `len` bytes may
 * be read. Returns: 0; -EINVAL (pointer, overrun, no root); -ENAMETOOLONG.
 */
int c25_name_from_wire(struct c25_name *out, const uint8_t *wire, size_t len)
	__attribute__((warn_unused_result));

/*
 * Presentation format without trailing dot ("." for the root). Bytes that
 * are not printable, and . \ " ( ) ; @ $ within labels, are escaped. A wire
 * that isn't a name gives "?". Returns: buf.
 */
const char *c25_name_to_text(const uint8_t *wire, size_t len,
	char buf[static C25_NAME_TEXT_MAX]);

/* Is `wire`, `len` a well-formed canonical (lower-case) name? */
bool c25_name_valid(const uint8_t *wire, size_t len);

/* Is a canonical name that long the same as these bytes, in any case? */
bool c25_name_same(const uint8_t *canonical, const uint8_t *wire, size_t len);

bool c25_name_eq(const struct c25_name *a, const struct c25_name *b);

/* Is `name` equal to, or below, `zone`? Both canonical. */
bool c25_name_below(const struct c25_name *name, const struct c25_name *zone);

/*
 * The address that a PTR name under in-addr.arpa or ip6.arpa stands for.
 * Returns: true and *out, false when it is not a full reverse name.
 */
bool c25_name_to_reverse(const struct c25_name *name, struct c25_addr *out);

/* SipHash-2-4 of bytes under a key. Ref: libsodium crypto_shorthash. */
uint64_t c25_hash(const uint8_t key[static 16], const void *data, size_t len);

#endif
