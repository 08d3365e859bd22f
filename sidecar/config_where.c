/* SPDX-License-Identifier: BSD-3-Clause */
/* Which key of the file a message is about, as in "apps[0].domains[2]": found
 * by its offset, when there is a message. */

#include "config_private.h"

#include <stdio.h>
#include <string.h>

#define PATH_MAX_BYTES 256

/* An object or array that is open at some place. */
struct level {
	bool array, wants_key;
	unsigned index;			/* of an array's element */
	const char *key;		/* in the text, without its quotes */
	size_t key_len;
};

struct scan {
	const char *text;
	size_t len, at;			/* where it is */
	struct level levels[C25_JSONC_DEPTH_MAX + 1];	/* [0]: the file */
	size_t depth;			/* of the innermost */
};

static void
skip_comment(struct scan *s)
{
	const char *p = s->text + s->at, *end = s->text + s->len, *q;

	if (end - p > 1 && p[1] == '/')
		q = memchr(p, '\n', (size_t)(end - p));
	else
		q = memmem(p + 1, (size_t)(end - p - 1), "*/", 2);
	s->at = q != NULL ? (size_t)(q - s->text) + 1 : s->len;
	if (q != NULL && *q == '*')
		s->at++;
}

static void
skip_string(struct scan *s)
{
	struct level *l = &s->levels[s->depth];
	size_t from = ++s->at;

	while (s->at < s->len && s->text[s->at] != '"')
		s->at += s->text[s->at] == '\\' ? 2 : 1;
	if (s->at > s->len)
		s->at = s->len;
	if (l->wants_key) {
		l->wants_key = false;
		l->key = s->text + from;
		l->key_len = s->at - from;
	}
	s->at++;
}

static void
step(struct scan *s)
{
	struct level *l = &s->levels[s->depth];
	char c = s->text[s->at];

	if (c == '/') {
		skip_comment(s);
		return;
	}
	if (c == '"') {
		skip_string(s);
		return;
	}
	if ((c == '{' || c == '[') && s->depth < C25_JSONC_DEPTH_MAX)
		s->levels[++s->depth] = (struct level){ .array = c == '[',
			.wants_key = c == '{' };
	else if ((c == '}' || c == ']') && s->depth > 0)
		s->depth--;
	else if (c == ',' && l->array)
		l->index++;
	else if (c == ',' && s->depth > 0)
		l->wants_key = true;
	s->at++;
}

/* The path of what begins at that offset; of a key, that of the object that it
 * is in. Returns: is it a key? */
static bool
path_of(const char *text, size_t len, size_t at, char path[PATH_MAX_BYTES])
{
	struct scan s = { .text = text, .len = len };
	size_t n = 0;

	while (s.at < at && s.at < len)
		step(&s);
	path[0] = '\0';
	for (size_t i = 1; i <= s.depth && n < PATH_MAX_BYTES; i++) {
		const struct level *l = &s.levels[i];

		if (l->array)
			n += (size_t)snprintf(path + n, PATH_MAX_BYTES - n,
				"[%u]", l->index);
		else if (!l->wants_key)
			n += (size_t)snprintf(path + n, PATH_MAX_BYTES - n,
				"%s%.*s", n > 0 ? "." : "", (int)l->key_len,
				l->key);
	}
	return s.levels[s.depth].wants_key;
}

/* The end of that key, with the indexes behind it, in the path; 0: it isn't
 * there. */
static size_t
find_key(const char *path, const char *key, size_t len)
{
	size_t end = 0;

	for (const char *p = path; (p = strchr(p, key[0])) != NULL; p++)
		if ((p == path || p[-1] == '.') &&
		    strncmp(p, key, len) == 0 &&
		    (p[len] == '\0' || strchr(".[", p[len]) != NULL))
			end = (size_t)(p - path) + len;
	return end == 0 ? 0 : end + strcspn(path + end, ".");
}

/* Names its subject, which has the name that it is about? */
static bool
is_named(const char *path, const char *text)
{
	size_t n = strlen(path);

	return n > 5 && strcmp(path + n - 5, ".name") == 0 &&
		(strncmp(text, "app \"", 5) == 0 ||
		strncmp(text, "peer \"", 6) == 0 ||
		strncmp(text, "connector \"", 11) == 0);
}

/* Begin with so much of the path, and `then`, instead of so many bytes; what
 * there is no room for at the end is lost. */
static void
replace(struct c25_config_error *e, size_t word, const char *path,
	size_t end, const char *then)
{
	char old[sizeof(e->text)];
	size_t n, left;

	memcpy(old, e->text + word, sizeof(old) - word);
	n = (size_t)snprintf(e->text, sizeof(e->text), "%.*s%s", (int)end,
		path, then);
	left = strlen(old);
	if (left >= sizeof(e->text) - n)
		left = sizeof(e->text) - n - 1;
	memcpy(e->text + n, old, left);
	e->text[n + left] = '\0';
}

void
c25_config_error_place(struct c25_config_error *e, const char *text,
	size_t len)
{
	char path[PATH_MAX_BYTES];
	bool is_key = path_of(text, len, e->at, path);
	size_t word = strcspn(e->text, ": "), end = 0;

	if (path[0] == '\0' || is_named(path, e->text) ||
	    strncmp(e->text, "syntax: ", 8) == 0 ||
	    strncmp(e->text, path, strlen(path)) == 0)
		return;
	if (!is_key && word > 0)
		end = find_key(path, e->text, word);
	if (end > 0)
		replace(e, word, path, end, "");
	else
		replace(e, 0, path, strlen(path), is_key ? "." : ": ");
}
