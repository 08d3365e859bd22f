/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * unbound_control.h - says one command to Unbound, as unbound-control does,
 * over its Unix socket. conn25d may not run programs (sandbox.h), and the
 * protocol is no more than a line there and lines back.
 *
 * Example:
 *	struct c25_unbound_ask ask = { 0 };
 *
 *	c25_unbound_init(&ask, loop, on_line, on_done, ctx);
 *	r = c25_unbound_ask(&ask, "/run/unbound.ctl", "list_forwards", 13);
 *	...	on_line() for each line, then on_done()
 *
 * Rules
 *   one        command at a time; the next from on_done() on.
 *   limits     C25_UNBOUND_TIMEOUT_MS for all of it, C25_UNBOUND_LINE_MAX
 *              for a line and C25_UNBOUND_REPLY_MAX for a reply: whoever
 *              listens there can keep neither us nor our memory.
 *   threads    the loop's only; nothing blocks.
 * Ref: Unbound's daemon/remote.c; without certificates, which is how it is on
 * Unix sockets.
 */
#ifndef CONN25_UNBOUND_CONTROL_H
#define CONN25_UNBOUND_CONTROL_H

#include <stddef.h>

#include "buf.h"
#include "loop.h"

#define C25_UNBOUND_TIMEOUT_MS 60000
#define C25_UNBOUND_LINE_MAX 16384		/* bytes */
#define C25_UNBOUND_REPLY_MAX (512u << 20)	/* bytes */
#define C25_UNBOUND_COMMAND_MAX 1000		/* bytes; Unbound reads 1023 */

/* Private members. */
struct c25_unbound_ask {
	struct c25_loop *loop;
	struct c25_watch *watch;	/* NULL: nothing is being asked */
	struct c25_timer timer;
	struct c25_buf line;		/* what came of the next line */
	size_t received;
	int (*on_line)(void *ctx, const char *line, size_t len);
	void (*on_done)(void *ctx, int result);
	void *ctx;
};

/*
 * on_line() is given each line without its newline, and ends the command by
 * returning -errno. on_done() is called once for each c25_unbound_ask() that
 * returned 0, when the command is over, with 0; -errno of on_line() or the
 * socket; -ETIMEDOUT; -EMSGSIZE; -EPROTO (half a line).
 */
void c25_unbound_init(struct c25_unbound_ask *ask, struct c25_loop *loop,
	int (*on_line)(void *ctx, const char *line, size_t len),
	void (*on_done)(void *ctx, int result), void *ctx);

/*
 * Say `command`, which has no newline.
 * Returns: 0; -ENOENT, -ECONNREFUSED (no Unbound); -EACCES; -EAGAIN (it has
 * too many visitors); -ENAMETOOLONG; -EMSGSIZE; -EBUSY; -ENOMEM; other
 * -errno.
 */
int c25_unbound_ask(struct c25_unbound_ask *ask, const char *path,
	const char *command, size_t len) __attribute__((warn_unused_result));

/* Forget what is being asked; on_done() isn't called. */
void c25_unbound_stop(struct c25_unbound_ask *ask);

/* ... and give back the memory. */
void c25_unbound_end(struct c25_unbound_ask *ask);

#endif
