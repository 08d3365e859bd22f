/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control.h - conn25d's end of the control socket (conn25/control.h): the
 * request line as a pure function, and the server that reads it within
 * limits and writes the reply as fast as the other end takes it. What the
 * verbs do is in verbs.c.
 *
 * Example:
 *	static void
 *	answer(void *ctx, const struct c25_control_line *line,
 *		struct c25_control_reply *r)
 *	{
 *		if (strcmp(line->verb, "ping") == 0)
 *			c25_buf_lit(&r->text, "pong\n");
 *		else
 *			c25_control_fail(r, "unknown verb %s", line->verb);
 *	}
 *
 *	r = c25_control_open(loop, path, gid, answer, d, &control, &err);
 *
 * Long replies: the handler sets `more`; it is called whenever what was
 * written has gone out, adds a bounded piece and returns whether there is
 * more to come. Nothing is sent before the first text is there, so that a
 * search that finds nothing can still become an error. A handler that waits
 * for something says with `pause_ms` when it wants to be called again.
 *
 * Limits: C25_CONTROL_*. A client that doesn't send its line in time is
 * told so and dropped; one that doesn't read its reply (a pager waits) is
 * left in peace until its place is wanted.
 *
 * Rules: the loop's thread only.
 */
#ifndef CONN25_SIDECAR_CONTROL_H
#define CONN25_SIDECAR_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "conn25/control.h"
#include "conn25/error.h"
#include "loop.h"

#define C25_CONTROL_CONNECTIONS_MAX 32
#define C25_CONTROL_USER_MAX 24		/* ... of one user, so that none keeps
					 * all others out */
#define C25_CONTROL_REQUEST_MS 5000	/* from accept to a whole line */
#define C25_CONTROL_STALL_MS 30000	/* not reading: may be replaced */

/* ---- pure -------------------------------------------------------------- */

/* A request line, taken apart. */
struct c25_control_line {
	char verb[64];
	char argument[C25_CONTROL_LINE_MAX];	/* "" when there is none */
};

/*
 * Take a request line apart; `len` bytes without the newline.
 * Returns: 0; -EPROTO (not our greeting); -EINVAL (no verb, bytes that are
 * not printable ASCII); err says what.
 */
int c25_control_parse(struct c25_control_line *out, const char *line,
	size_t len, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * Find "runDir" in the text of a configuration without judging the rest:
 * the tool must find its daemon also while the file is broken.
 * Returns: 0 and the directory in `out`; -ENOENT (no such key); -EINVAL (it
 * is no string); -ENAMETOOLONG.
 */
int c25_control_run_dir(const char *text, size_t len, char *out, size_t size)
	__attribute__((warn_unused_result));

/* ---- the server -------------------------------------------------------- */

/* The answer to one request; starts with all zero. */
struct c25_control_reply {
	struct c25_buf text;		/* what is to be sent next */
	bool failed;			/* text is the reason */
	bool json;			/* it is to be JSON; for the handler */
	/* See "Long replies" above; NULL: text is all. */
	bool (*more)(struct c25_control_reply *r);
	uint64_t pause_ms;		/* set by more, which added nothing */
	/* Called once when the reply has been sent or given up; may be NULL. */
	void (*done)(struct c25_control_reply *r);
	void *state;			/* of more and done */
};

/*
 * Make the reply an error: a sentence without newline. Replaces the text;
 * later lines may be added to r->text, each after a newline.
 */
void c25_control_fail(struct c25_control_reply *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

struct c25_control;

/*
 * Listen on the Unix socket `path` (c25_rundir_listen()).
 * Owns: the server, until c25_control_close().
 * Returns: 0; -ENOMEM; -errno of the socket, with err set.
 */
int c25_control_open(struct c25_loop *loop, const char *path, gid_t gid,
	void (*answer)(void *ctx, const struct c25_control_line *line,
		struct c25_control_reply *r),
	void *ctx, struct c25_control **out, struct c25_error *err)
	__attribute__((warn_unused_result));

/* Drop every connection, close the socket and remove it. NULL is fine. */
void c25_control_close(struct c25_control *c);

#endif
