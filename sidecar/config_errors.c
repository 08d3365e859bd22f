/* SPDX-License-Identifier: BSD-3-Clause */
/* Collects what is wrong with a configuration, and words it as lines. */

#include "config_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Warnings never take the place of errors. */
#define WARNINGS_MAX (C25_CONFIG_ERRORS_MAX / 2)

void
c25_config_error_add(struct c25_config_errors *errs, size_t at, bool warning,
	const char *format, ...)
{
	size_t max = warning ? WARNINGS_MAX : C25_CONFIG_ERRORS_MAX;
	struct c25_config_error *e;
	va_list ap;

	if (!warning)
		errs->errors++;
	if (errs->items == NULL)
		errs->items = calloc(C25_CONFIG_ERRORS_MAX, sizeof(*e));
	if (errs->items == NULL || errs->count >= max) {
		errs->more++;
		return;
	}
	e = &errs->items[errs->count++];
	e->at = at;
	e->warning = warning;
	va_start(ap, format);
	(void)vsnprintf(e->text, sizeof(e->text), format, ap);
	va_end(ap);
	/* whatever of the file is quoted in it: it goes to a terminal */
	for (char *p = e->text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
}

void
c25_config_errors_settle(struct c25_config_errors *errs, const char *text,
	size_t len)
{
	for (size_t i = 0; i < errs->count; i++) {
		struct c25_config_error e = errs->items[i];
		size_t at = e.at;
		size_t j = i;

		if (at == C25_AT_FILE) {
			e.at = 0;
		} else {
			c25_jsonc_position(text, len, at, &e.line, &e.column);
			c25_config_error_place(&e, text, len);
		}
		for (; j > 0 && errs->items[j - 1].at > e.at; j--)
			errs->items[j] = errs->items[j - 1];
		errs->items[j] = e;
	}
}

size_t
c25_config_error_count(const struct c25_config_errors *errs)
{
	return errs->count + (errs->more > 0);
}

const char *
c25_config_error_line(const struct c25_config_errors *errs, size_t i,
	char buf[static C25_CONFIG_LINE_MAX])
{
	const char *file = errs->file != NULL ? errs->file : "configuration";
	const struct c25_config_error *e;
	const char *kind;

	buf[0] = '\0';
	if (i == 0 && errs->items == NULL && errs->more > 0)
		(void)snprintf(buf, C25_CONFIG_LINE_MAX, "%.400s: error: "
			"not enough memory to say what is wrong with it",
			file);
	else if (i == errs->count && errs->more > 0)
		(void)snprintf(buf, C25_CONFIG_LINE_MAX, "%.400s: %s: and "
			"%zu more, not shown: correct the first ones", file,
			errs->errors > 0 ? "error" : "warning", errs->more);
	if (i >= errs->count)
		return buf;
	e = &errs->items[i];
	kind = e->warning ? "warning" : "error";
	if (e->line == 0)
		(void)snprintf(buf, C25_CONFIG_LINE_MAX, "%.400s: %s: %s",
			file, kind, e->text);
	else
		(void)snprintf(buf, C25_CONFIG_LINE_MAX, "%.400s:%u:%u: "
			"%s: %s", file, e->line, e->column, kind, e->text);
	return buf;
}

void
c25_config_errors_free(struct c25_config_errors *errs)
{
	free((char *)errs->file);
	free(errs->items);
	memset(errs, 0, sizeof(*errs));
}

const char *
c25_config_shown(char buf[static C25_SHOWN_MAX], const char *text)
{
	size_t n = 0;

	while (n < C25_SHOWN_MAX - 4 && text[n] != '\0') {
		unsigned char c = (unsigned char)text[n];

		buf[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	if (text[n] != '\0') {
		/* not in the middle of a character */
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
		memcpy(buf + n, "...", 3);
		n += 3;
	}
	buf[n] = '\0';
	return buf;
}
