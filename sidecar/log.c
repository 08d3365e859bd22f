/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log of the daemon and the tools: one line a message on stderr, written
 * with one write(2), so that lines of several processes in one file stay
 * whole.
 */

#include "conn25/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static const char *log_ident = "conn25";
/* Relaxed everywhere: which lines of other threads it applies to first is of
 * no matter. */
static _Atomic int log_verbosity = C25_LOG_INFO;

void
c25_log_open(const char *ident, int verbosity)
{
	log_ident = ident;
	c25_log_verbosity(verbosity);
}

void
c25_log_verbosity(int verbosity)
{
	atomic_store_explicit(&log_verbosity, verbosity,
		memory_order_relaxed);
}

int
c25_log_get_verbosity(void)
{
	return atomic_load_explicit(&log_verbosity, memory_order_relaxed);
}

/* What comes from outside may be in a message: keep it to its line. */
static void
scrub(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

void
c25_log(enum c25_log_level level, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	struct timespec now;
	va_list ap;
	size_t len;
	int n;

	if ((int)level > c25_log_get_verbosity())
		return;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	n = snprintf(line, sizeof(line), "[%lld.%03ld] %s: ",
		(long long)now.tv_sec, now.tv_nsec / 1000000, log_ident);
	if (n < 0 || (size_t)n >= sizeof(line))
		return;
	va_start(ap, format);
	(void)vsnprintf(line + n, sizeof(line) - (size_t)n, format, ap);
	va_end(ap);
	scrub(line);
	len = strnlen(line, sizeof(line) - 1);
	line[len++] = '\n';
	/* A log that can't be written has nobody left to tell. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}
