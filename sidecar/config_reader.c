/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading a cJSON tree by tables of keys: objects, arrays, types, and where
 * in the file we are. What the keys mean is in config_read.c.
 */

#include "config_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PATH_BYTES_MAX 1024
#define NAME_MAX_BYTES 63	/* that look like a key */
#define KEYS_MAX 24		/* keys that one object can have */

/* ---- where we are, and what is wrong there ------------------------------ */

/* Offset of the value being read. */
size_t
c25_reader_here(struct c25_config_reader *r)
{
	return c25_jsonc_find(&r->finder, r->path, r->depth, false);
}

static size_t
here_key(struct c25_config_reader *r)
{
	return c25_jsonc_find(&r->finder, r->path, r->depth, true);
}

bool
c25_reader_down(struct c25_config_reader *r)
{
	/* the scanner has seen to the depth */
	if (r->depth == C25_JSONC_DEPTH_MAX)
		return false;
	r->path[r->depth++] = 0;
	return true;
}

void
c25_reader_up(struct c25_config_reader *r)
{
	r->depth--;
}

void *
c25_reader_alloc(struct c25_config_reader *r, size_t n, size_t size)
{
	void *p = c25_config_alloc(r->cfg, n, size);

	if (p == NULL && n > 0)
		r->no_memory = true;
	return p;
}

const char *
c25_reader_copy(struct c25_config_reader *r, const char *text)
{
	size_t n = strlen(text) + 1;
	char *p = c25_reader_alloc(r, n, 1);

	return p != NULL ? memcpy(p, text, n) : "";
}

void
c25_reader_ref(struct c25_config_reader *r, struct c25_config_refs *refs,
	const struct c25_config_ref *ref)
{
	if (refs->count == refs->room) {
		size_t room = refs->room > 0 ? refs->room * 2 : 64;
		void *p = reallocarray(refs->items, room, sizeof(*ref));

		if (p == NULL) {
			r->no_memory = true;
			return;
		}
		refs->items = p;
		refs->room = room;
	}
	refs->items[refs->count] = *ref;
	refs->items[refs->count++].at = c25_reader_here(r);
}

/* ---- types -------------------------------------------------------------- */

static const char *
kind_of(const cJSON *json)
{
	return cJSON_IsObject(json) ? "an object {...}" :
		cJSON_IsArray(json) ? "an array [...]" :
		cJSON_IsString(json) ? "a text" :
		cJSON_IsNumber(json) ? "a number" :
		cJSON_IsBool(json) ? "true or false" : "null";
}

/* Complain of a wrong type. Returns: ok. */
bool
c25_reader_expect(struct c25_config_reader *r, const cJSON *json, bool ok,
	const char *what)
{
	if (!ok)
		c25_reader_error(r, "%s: must be %s, not %s", r->key, what,
			kind_of(json));
	return ok;
}

/* The text, or NULL after complaining. */
const char *
c25_reader_text(struct c25_config_reader *r, const cJSON *json)
{
	if (!c25_reader_expect(r, json, cJSON_IsString(json),
	    "a text in quotes"))
		return NULL;
	return json->valuestring;
}

/* The text if it isn't empty and at most `max` bytes long, copied. */
const char *
c25_reader_short(struct c25_config_reader *r, const cJSON *json, size_t max)
{
	const char *text = c25_reader_text(r, json);
	struct c25_why why = { "" };

	if (text == NULL)
		return NULL;
	if (c25_config_text_name(text, max, false, &why) != 0) {
		c25_reader_error(r, "%s: %s", r->key, why.text);
		return NULL;
	}
	return c25_reader_copy(r, text);
}

/* A whole number within limits, or `otherwise` after complaining. */
long
c25_reader_number(struct c25_config_reader *r, const cJSON *json, long min,
	long max, long otherwise)
{
	double v;

	if (!c25_reader_expect(r, json, cJSON_IsNumber(json), "a number"))
		return otherwise;
	v = json->valuedouble;
	if (!(v >= (double)min && v <= (double)max) ||
	    v != (double)(long)v) {
		c25_reader_error(r, "%s: must be a whole number from %ld to "
			"%ld, not %.15g", r->key, min, max, v);
		return otherwise;
	}
	return (long)v;
}

/* ---- objects and arrays ------------------------------------------------- */

/* How many letters have to be changed, put in or left out, in either case of
 * them; of names that aren't long. Ref: Wagner and Fischer, 1974. */
static size_t
distance(const char *a, const char *b)
{
	size_t n = strlen(b), row[NAME_MAX_BYTES + 1];

	if (n > NAME_MAX_BYTES || strlen(a) > NAME_MAX_BYTES)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t corner = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t d = corner + (strncasecmp(a + i, b + j, 1) != 0);

			corner = row[j + 1];
			if (corner + 1 < d)
				d = corner + 1;
			if (row[j] + 1 < d)
				d = row[j] + 1;
			row[j + 1] = d;
		}
	}
	return row[n];
}

/* The key that was meant, if one is near enough; NULL: none. */
static const char *
meant(const char *name, const struct c25_reader_key *keys, size_t n)
{
	size_t len = strlen(name), best = len > 4 ? 3 : len > 2 ? 2 : 1;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(name, keys[i].name);

		if (d < best) {
			best = d;
			found = keys[i].name;
		}
	}
	return found;
}

static void
unknown_key(struct c25_config_reader *r, const char *name,
	const struct c25_reader_key *keys, size_t n)
{
	char shown[C25_SHOWN_MAX], known[200] = "";
	const char *near = meant(name, keys, n);
	size_t used = 0;

	(void)c25_config_shown(shown, name);
	if (near != NULL) {
		c25_config_error_add(r->errs, here_key(r), false,
			"%s: unknown key: did you mean \"%s\"?", shown, near);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		used += (size_t)snprintf(known + used, sizeof(known) - used,
			"%s%s", i == 0 ? "" : i + 1 == n ? " and " : ", ",
			keys[i].name);
		if (used >= sizeof(known))
			used = sizeof(known) - 1;
	}
	c25_config_error_add(r->errs, here_key(r), false,
		"%s: unknown key: known here %s %s", shown,
		n == 1 ? "is" : "are", known);
}

static void
missing_keys(struct c25_config_reader *r,
	const struct c25_reader_key *keys, size_t n, const bool *seen)
{
	for (size_t i = 0; i < n; i++)
		if (keys[i].required && !seen[i])
			c25_reader_error(r, "%s: \"%s\" is missing here: "
				"add it", r->key, keys[i].name);
}

void
c25_reader_object(struct c25_config_reader *r, const cJSON *json,
	const struct c25_reader_key *keys, size_t n, void *to)
{
	const char *outer = r->key;
	bool seen[KEYS_MAX] = { false };
	const cJSON *child;
	uint32_t index = 0;

	if (!c25_reader_expect(r, json, cJSON_IsObject(json),
	    "an object {...}") || !c25_reader_down(r))
		return;
	cJSON_ArrayForEach(child, json) {
		size_t i = 0;

		r->path[r->depth - 1] = index++;
		while (i < n && strcmp(keys[i].name, child->string) != 0)
			i++;
		if (i == n) {
			unknown_key(r, child->string, keys, n);
			continue;
		}
		if (seen[i]) {
			c25_config_error_add(r->errs, here_key(r), false,
				"%s: the same key twice: remove one of them",
				keys[i].name);
			continue;
		}
		seen[i] = true;
		r->key = keys[i].name;
		keys[i].read(r, child, (char *)to + keys[i].offset);
		r->key = outer;
	}
	c25_reader_up(r);
	missing_keys(r, keys, n, seen);
}

/* Room for the elements of an array; NULL after complaining or if empty. */
void *
c25_reader_room(struct c25_config_reader *r, const cJSON *json, size_t size,
	size_t *count)
{
	void *p;

	*count = 0;
	if (!c25_reader_expect(r, json, cJSON_IsArray(json), "an array [...]"))
		return NULL;
	*count = (size_t)cJSON_GetArraySize(json);
	p = c25_reader_alloc(r, *count, size);
	if (p == NULL)
		*count = 0;
	return p;
}

/* Read the elements of an array, for which `items` has room. */
void
c25_reader_each(struct c25_config_reader *r, const cJSON *json, void *items,
	size_t size, c25_reader_fn *read)
{
	const cJSON *child;
	char *to = items;

	if (items == NULL || !c25_reader_down(r))
		return;
	cJSON_ArrayForEach(child, json) {
		read(r, child, to);
		to += size;
		r->path[r->depth - 1]++;
	}
	c25_reader_up(r);
}

/* ---- simple values ------------------------------------------------------ */

void
c25_reader_bool(struct c25_config_reader *r, const cJSON *json, void *to)
{
	if (c25_reader_expect(r, json, cJSON_IsBool(json), "true or false"))
		*(bool *)to = cJSON_IsTrue(json);
}

void
c25_reader_path(struct c25_config_reader *r, const cJSON *json, void *to)
{
	const char *text = c25_reader_short(r, json, PATH_BYTES_MAX);

	if (text == NULL)
		return;
	*(const char **)to = text;
	if (text[0] != '/')
		c25_config_error_add(r->errs, c25_reader_here(r), true,
			"%s: is relative to where conn25d happens to be "
			"started: begin it with '/'", r->key);
}
