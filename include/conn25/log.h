/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log.h - the daemon's and the tools' log: one line a message, `subject: what:
 * why`, on stderr (systemd's journal gets the priority before it) or to
 * syslog. The module does not use it: it logs through Unbound.
 *
 * Levels as in unbound: 0 errors and warnings, 1 operational (default),
 * 2 detail, 3 each query or request. 4 and 5 may be set, as there, and log no
 * more than 3.
 * Any thread may log, once c25_log_open() was called; the level is
 * process-wide.
 */
#ifndef CONN25_LOG_H
#define CONN25_LOG_H

enum c25_log_level {
	C25_LOG_ERROR = 0,	/* and warnings */
	C25_LOG_INFO = 1,
	C25_LOG_DETAIL = 2,
	C25_LOG_QUERY = 3,
};

#define C25_LOG_VERBOSITY_MAX 5

enum c25_log_to { C25_LOG_STDERR, C25_LOG_SYSLOG };

/* From here on; stderr in the beginning. */
void c25_log_to(enum c25_log_to to);

/* `ident` is printed before each message; a pointer that stays valid. */
void c25_log_open(const char *ident, int verbosity);
void c25_log_verbosity(int verbosity);
int c25_log_get_verbosity(void);
void c25_log(enum c25_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Show how far long work is, in a line on the terminal that the next call, or
 * the next message, is written over; NULL takes it away. Nothing is shown if
 * the log goes anywhere else: to a pipe, a file, syslog, or under a service
 * manager ($NOTIFY_SOCKET).
 */
void c25_log_fleeting(const char *text);

#endif
