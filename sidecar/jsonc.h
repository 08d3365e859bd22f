/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * jsonc.h - JSON as people write it by hand: with // and block comments and
 * trailing commas. And where in the text a value came from.
 *
 * One strict pass over the text (RFC 8259) finds the first mistake, says in
 * plain words what it is and blanks what isn't JSON, byte for byte, so that
 * offsets stay what they are. cJSON then builds the tree. cJSON alone would
 * do neither: it gives a place without a reason, and takes text that isn't
 * JSON (01, control characters, a NUL that ends a string early).
 *
 * Example:
 *	struct c25_jsonc_error err;
 *	cJSON *tree;
 *
 *	if (c25_jsonc_parse(text, len, &tree, &err) != 0) {
 *		c25_jsonc_position(original, len, err.at, &line, &column);
 *		fprintf(stderr, "%u:%u: %s\n", line, column, err.text);
 *	}
 *
 * Rules: pure; no function keeps what it is given. After a good parse every
 * string of the tree is valid UTF-8 without NUL.
 */
#ifndef CONN25_JSONC_H
#define CONN25_JSONC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#define C25_JSONC_DEPTH_MAX 32	/* objects and arrays within each other */

struct c25_jsonc_error {
	size_t at;		/* byte offset of the mistake, up to len */
	char text[200];		/* what it is and what to do */
};

/*
 * Parse `len` bytes, which needn't end in NUL. `text` is written to: comments
 * and trailing commas become spaces.
 * Owns: *out is the caller's, cJSON_Delete() frees it; NULL on failure.
 * Returns: 0; -EINVAL with err set; -ENOMEM.
 */
int c25_jsonc_parse(char *text, size_t len, cJSON **out,
	struct c25_jsonc_error *err)
	__attribute__((warn_unused_result));

/*
 * The same for plain JSON, RFC 8259, as it comes from the network: comments,
 * trailing commas and a byte order mark are mistakes, nothing is written.
 */
int c25_json_parse(const char *text, size_t len, cJSON **out,
	struct c25_jsonc_error *err)
	__attribute__((warn_unused_result));

/*
 * Is it plain JSON? As c25_json_parse(), but nothing is built.
 * Returns: 0; -EINVAL with err set.
 */
int c25_json_check(const char *text, size_t len, struct c25_jsonc_error *err)
	__attribute__((warn_unused_result));

/* Line and column, from 1; the column in characters, a tab being one. */
void c25_jsonc_position(const char *text, size_t len, size_t at,
	unsigned *line, unsigned *column);

/*
 * Finds the places of values in a text that c25_jsonc_parse() has accepted
 * (and blanked). Start with text and len set and the rest zero. It remembers
 * the last place: finding many, in the order of the text, reads it once.
 */
struct c25_jsonc_finder {
	const char *text;
	size_t len;
	size_t depth;			/* levels that are known */
	struct {
		uint32_t index;		/* n-th member or element */
		size_t at;		/* where it begins */
	} level[C25_JSONC_DEPTH_MAX];
};

/*
 * Byte offset of the value that a path of indexes leads to, each the number
 * of a member or element of the object or array before it, which is also the
 * order of cJSON's children. No path (depth 0) is the whole. With `key`
 * the offset of its key is meant, if it has one.
 * Returns: the offset; `len` when the path leads nowhere.
 */
size_t c25_jsonc_find(struct c25_jsonc_finder *f, const uint32_t *path,
	size_t depth, bool key);

/*
 * Goes through the elements of an array, or the members of an object, in a
 * text that was accepted; without a tree, so that one may stop at any of them
 * and go on later. Rules: the text stays what it is.
 */
struct c25_jsonc_walk {
	struct c25_jsonc_finder in;
	size_t next;			/* the next one, or the bracket that
					 * closes */
	bool object;
	size_t key;			/* of the present one: its quote */
	size_t value;			/* ... where it begins */
	size_t end;			/* ... and ends */
};

/* Begin with the array or object whose bracket is at `at`. */
void c25_jsonc_walk_start(struct c25_jsonc_walk *w, const char *text,
	size_t len, size_t at);

/* Go to the next one. Returns: false: there is none. */
bool c25_jsonc_walk_next(struct c25_jsonc_walk *w);

#endif
