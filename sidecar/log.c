/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log of the daemon and the tools: one line a message, on stderr written
 * with one write(2), so that lines of several processes in one file stay
 * whole; or by syslog(3).
 */

#include "conn25/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define REWIND "\r\033[K"		/* to an empty line; ECMA-48 EL */

static const char *log_ident = "conn25";
/* Relaxed everywhere: which lines of other threads it applies to first is of
 * no matter. */
static _Atomic int log_verbosity = C25_LOG_INFO;
static _Atomic int log_to = C25_LOG_STDERR;
static bool log_journal;
/* A line that is to be written over is on the terminal. Relaxed: who shows it
 * and who logs is mostly one thread, and else it is a matter of looks. */
static _Atomic bool log_fleeting;

/* Does stderr lead to systemd's journal? Ref: systemd.exec(5),
 * JOURNAL_STREAM. */
static bool
is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char here[64];
	struct stat st;

	if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
		return false;
	(void)snprintf(here, sizeof(here), "%llu:%llu",
		(unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	return strcmp(here, stream) == 0;
}

void
c25_log_open(const char *ident, int verbosity)
{
	log_ident = ident;
	log_journal = is_journal();
	openlog(ident, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	c25_log_verbosity(verbosity);
}

void
c25_log_to(enum c25_log_to to)
{
	atomic_store_explicit(&log_to, to, memory_order_relaxed);
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

/* As syslog and the journal weigh it. */
static int
priority(enum c25_log_level level)
{
	return level == C25_LOG_ERROR ? LOG_ERR :
		level == C25_LOG_INFO ? LOG_INFO : LOG_DEBUG;
}

/* What a line on stderr begins with: the journal knows the time, and wants to
 * know the weight. Ref: sd-daemon(3). */
static int
head(char *line, size_t size, enum c25_log_level level)
{
	struct timespec now;

	if (log_journal)
		return snprintf(line, size, "<%d>", priority(level));
	(void)clock_gettime(CLOCK_REALTIME, &now);
	return snprintf(line, size, "[%lld.%03ld] %s: ",
		(long long)now.tv_sec, now.tv_nsec / 1000000, log_ident);
}

/* To stderr; a log that can't be written has nobody left to tell. */
static void
put(const char *line, size_t len)
{
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

/* Is there somebody who looks at it as it comes? */
static bool
is_terminal(void)
{
	return atomic_load_explicit(&log_to, memory_order_relaxed) ==
		C25_LOG_STDERR && getenv("NOTIFY_SOCKET") == NULL &&
		isatty(STDERR_FILENO) == 1;
}

void
c25_log_fleeting(const char *text)
{
	char line[LINE_MAX_BYTES];
	int n;

	if (text != NULL && is_terminal()) {
		n = snprintf(line, sizeof(line), REWIND "%s: %s", log_ident,
			text);
		atomic_store_explicit(&log_fleeting, true,
			memory_order_relaxed);
		if (n > 0 && (size_t)n < sizeof(line))
			put(line, (size_t)n);
	} else if (atomic_exchange_explicit(&log_fleeting, false,
			memory_order_relaxed)) {
		put(REWIND, strlen(REWIND));
	}
}

void
c25_log(enum c25_log_level level, const char *format, ...)
{
	bool to_syslog = atomic_load_explicit(&log_to,
		memory_order_relaxed) == C25_LOG_SYSLOG;
	char line[LINE_MAX_BYTES];
	va_list ap;
	size_t len;
	int n = 0;

	if ((int)level > c25_log_get_verbosity())
		return;
	if (!to_syslog)
		n = head(line, sizeof(line), level);
	if (n < 0 || (size_t)n >= sizeof(line))
		return;
	va_start(ap, format);
	(void)vsnprintf(line + n, sizeof(line) - (size_t)n, format, ap);
	va_end(ap);
	scrub(line);
	if (to_syslog) {
		syslog(priority(level), "%s", line);
		return;
	}
	c25_log_fleeting(NULL);
	len = strnlen(line, sizeof(line) - 1);
	line[len++] = '\n';
	put(line, len);
}
