/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server of control.h: connections that read one line and write one
 * reply. It knows the protocol and the limits, not the verbs.
 */

#include "control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn25/log.h"
#include "conn25/table.h"
#include "rundir.h"

#define ACCEPT_AGAIN_MS 1000	/* after running out of file descriptors */
#define PIECE_BYTES 65536	/* asked of `more` before it is sent */
/* Bytes after the request that are read before closing: what is left unread
 * would reset the connection. */
#define LEFTOVER_BYTES 65536

struct ctl_conn {
	struct c25_control *control;
	struct c25_watch *watch;
	struct c25_timer timer;		/* for the request, or a pause */
	unsigned slot;			/* in c25_control.conns */
	uid_t uid;			/* whose it is */
	bool replying;			/* the request is there */
	bool begun;			/* "ok" or "error" is written */
	uint64_t progress_ms;		/* when it last took bytes */
	size_t in_len;
	size_t out_sent;
	struct c25_buf out;		/* being sent */
	struct c25_control_reply reply;
	char in[C25_CONTROL_LINE_MAX];
};

struct c25_control {
	struct c25_loop *loop;
	struct c25_watch *listener;
	struct c25_timer accept_again;
	void (*answer)(void *ctx, const struct c25_control_line *line,
		struct c25_control_reply *r);
	void *ctx;
	char *path;
	struct ctl_conn *conns[C25_CONTROL_CONNECTIONS_MAX];
	unsigned count;			/* first ones of conns */
};

void
c25_control_fail(struct c25_control_reply *r, const char *format, ...)
{
	char text[C25_CONTROL_LINE_MAX];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	c25_buf_clear(&r->text);
	c25_buf_str(&r->text, text);
	r->failed = true;
}

static void
conn_close(struct ctl_conn *c)
{
	struct c25_control *k = c->control;

	k->conns[c->slot] = k->conns[--k->count];
	k->conns[c->slot]->slot = c->slot;
	k->conns[k->count] = NULL;
	c25_timer_stop(&c->timer);
	c25_watch_close(c->watch);
	if (c->reply.done != NULL)
		c->reply.done(&c->reply);
	c25_buf_free(&c->reply.text);
	c25_buf_free(&c->out);
	free(c);
}

/* Move what the handler wrote behind the reply's first word. */
static void
reply_begin(struct ctl_conn *c)
{
	c->begun = true;
	if (c->reply.failed)
		c25_buf_lit(&c->out, "error ");
	else
		c25_buf_lit(&c->out, "ok\n");
	c25_buf_add(&c->out, c->reply.text.data, c->reply.text.len);
	if (c->reply.failed)
		c25_buf_lit(&c->out, "\n");
	c25_buf_clear(&c->reply.text);
}

/*
 * Fill the empty `out` with what is to be sent next. One call of `more` that
 * found nothing is enough for this round: others want their turn.
 * Returns: false when the reply is complete.
 */
static bool
reply_fill(struct ctl_conn *c)
{
	struct c25_control_reply *r = &c->reply;

	c25_buf_clear(&c->out);
	c->out_sent = 0;
	if (r->more != NULL && !r->failed && r->text.len < PIECE_BYTES &&
			!r->more(r))
		r->more = NULL;
	if (c->begun && r->failed)
		return false;	/* said already, or too late to say */
	if (r->text.failed) {
		r->more = NULL;
		r->text.failed = false;
		if (!c->begun)
			c25_control_fail(r, "out of memory");
	}
	if (!c->begun) {
		if (r->text.len == 0 && r->more != NULL)
			return true;
		reply_begin(c);
		return true;
	}
	if (r->text.len == 0)
		return r->more != NULL;
	c25_buf_add(&c->out, r->text.data, r->text.len);
	c25_buf_clear(&r->text);
	return true;
}

/* Read what the client sent after its line, and close. */
static void
conn_finish(struct ctl_conn *c, int fd)
{
	char waste[4096];
	size_t left = LEFTOVER_BYTES;
	ssize_t n;

	(void)shutdown(fd, SHUT_WR);
	do {
		n = recv(fd, waste, sizeof(waste), MSG_DONTWAIT);
		left -= n > 0 ? (size_t)n : 0;
	} while (n > 0 && left > sizeof(waste));
	conn_close(c);
}

static void
conn_write(struct ctl_conn *c, int fd)
{
	ssize_t n;

	if (c->out_sent == c->out.len && !reply_fill(c)) {
		conn_finish(c, fd);
		return;
	}
	if (c->out.failed) {
		conn_close(c);
		return;
	}
	if (c->out_sent == c->out.len) {
		if (c->reply.pause_ms > 0) {
			c25_watch_events(c->watch, 0);
			c25_timer_set(&c->timer, c->reply.pause_ms);
			c->reply.pause_ms = 0;
		}
		return;
	}
	n = send(fd, c->out.data + c->out_sent, c->out.len - c->out_sent,
		MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n >= 0) {
		c->out_sent += (size_t)n;
		c->progress_ms = c25_now_ms();
	} else if (errno != EAGAIN && errno != EINTR) {
		conn_close(c);
	}
}

/* From now on only write; the loop reports when there is room. */
static void
conn_reply(struct ctl_conn *c)
{
	c->replying = true;
	c->progress_ms = c25_now_ms();
	c25_timer_stop(&c->timer);
	c25_watch_events(c->watch, C25_WRITE);
}

static void
conn_request(struct ctl_conn *c, size_t len)
{
	struct c25_control *k = c->control;
	struct c25_control_line line;
	struct c25_error err;

	if (c25_control_parse(&line, c->in, len, &err) == 0)
		k->answer(k->ctx, &line, &c->reply);
	else
		c25_control_fail(&c->reply, "%s", err.text);
	conn_reply(c);
}

static void
conn_read(struct ctl_conn *c, int fd)
{
	const char *end;
	ssize_t n;

	n = recv(fd, c->in + c->in_len, sizeof(c->in) - c->in_len,
		MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(c);
		return;
	}
	c->in_len += (size_t)n;
	end = memchr(c->in, '\n', c->in_len);
	if (end != NULL) {
		conn_request(c, (size_t)(end - c->in));
	} else if (c->in_len == sizeof(c->in)) {
		c25_control_fail(&c->reply, "request is longer than %d bytes",
			C25_CONTROL_LINE_MAX);
		conn_reply(c);
	}
}

static void
conn_ready(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	struct ctl_conn *c = ctx;

	(void)w;
	if (!c->replying && (events & C25_READ))
		conn_read(c, fd);
	else if (events & C25_HANGUP)
		conn_close(c);
	else if (c->replying && (events & C25_WRITE))
		conn_write(c, fd);
}

static void
conn_timer(void *ctx)
{
	struct ctl_conn *c = ctx;

	if (c->replying) {
		c25_watch_events(c->watch, C25_WRITE);
		return;
	}
	c25_control_fail(&c->reply, "no request came within %d seconds",
		C25_CONTROL_REQUEST_MS / 1000);
	conn_reply(c);
}

/* Whose connection it is; (uid_t)-1 if that can't be told. */
static uid_t
uid_of(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 ?
		who.uid : (uid_t)-1;
}

/*
 * Make room for one more of that user: the connection that has not read for
 * longest must go, if it is longer than we promise; of the user, if they have
 * all that one can have. Returns: whether there is room.
 */
static bool
make_room(struct c25_control *k, uid_t uid)
{
	struct ctl_conn *oldest = NULL;
	unsigned i, same = 0;

	for (i = 0; i < k->count; i++)
		same += k->conns[i]->uid == uid;
	if (k->count < C25_CONTROL_CONNECTIONS_MAX &&
			same < C25_CONTROL_USER_MAX)
		return true;
	for (i = 0; i < k->count; i++)
		if (k->conns[i]->replying && (oldest == NULL ||
				k->conns[i]->progress_ms <
				oldest->progress_ms) &&
				(same < C25_CONTROL_USER_MAX ||
				k->conns[i]->uid == uid))
			oldest = k->conns[i];
	if (oldest == NULL ||
			c25_now_ms() - oldest->progress_ms <
			C25_CONTROL_STALL_MS)
		return false;
	c25_log(C25_LOG_ERROR, "control: dropped a client that did not read "
		"its reply: others were waiting");
	conn_close(oldest);
	return true;
}

static int
conn_add(struct c25_control *k, int fd, uid_t uid)
{
	struct ctl_conn *c;
	int r;

	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	c->control = k;
	c->slot = k->count;
	c->uid = uid;
	r = c25_loop_watch(k->loop, fd, C25_READ, conn_ready, c, &c->watch);
	if (r != 0) {
		free(c);
		return r;
	}
	c25_timer_init(&c->timer, k->loop, conn_timer, c);
	c25_timer_set(&c->timer, C25_CONTROL_REQUEST_MS);
	k->conns[k->count++] = c;
	return 0;
}

static void
accept_again(void *ctx)
{
	struct c25_control *k = ctx;

	c25_watch_events(k->listener, C25_READ);
}

static void
accept_ready(struct c25_watch *w, int listen_fd, unsigned events, void *ctx)
{
	static const char busy[] = "error too many connections to the "
		"control socket: try again later\n";
	struct c25_control *k = ctx;
	uid_t uid;
	int fd, r;

	(void)events;
	fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == EAGAIN || errno == EINTR ||
				errno == ECONNABORTED)
			return;
		c25_log(C25_LOG_ERROR, "control: can't accept: %s: trying "
			"again in a second", strerror(errno));
		c25_watch_events(w, 0);
		c25_timer_set(&k->accept_again, ACCEPT_AGAIN_MS);
		return;
	}
	uid = uid_of(fd);
	if (!make_room(k, uid)) {
		(void)send(fd, busy, sizeof(busy) - 1,
			MSG_DONTWAIT | MSG_NOSIGNAL);
		(void)close(fd);
		return;
	}
	r = conn_add(k, fd, uid);
	if (r != 0) {
		(void)close(fd);
		c25_log(C25_LOG_ERROR, "control: a connection couldn't be "
			"added: %s", strerror(-r));
	}
}

int
c25_control_open(struct c25_loop *loop, const char *path, gid_t gid,
	void (*answer)(void *ctx, const struct c25_control_line *line,
		struct c25_control_reply *r),
	void *ctx, struct c25_control **out, struct c25_error *err)
{
	struct c25_control *k;
	int fd, r;

	k = calloc(1, sizeof(*k));
	if (k == NULL || (k->path = strdup(path)) == NULL) {
		free(k);
		return c25_fail(err, -ENOMEM, "control: out of memory");
	}
	k->loop = loop;
	k->answer = answer;
	k->ctx = ctx;
	c25_timer_init(&k->accept_again, loop, accept_again, k);
	fd = c25_rundir_listen(path, SOCK_STREAM, gid, err);
	if (fd < 0) {
		r = fd;
		goto out;
	}
	r = c25_loop_watch(loop, fd, C25_READ, accept_ready, k, &k->listener);
	if (r != 0) {
		(void)close(fd);
		(void)unlink(path);
		c25_fail(err, r, "%s: can't be watched: %s", path,
			strerror(-r));
		goto out;
	}
	*out = k;
out:
	if (r != 0) {
		free(k->path);
		free(k);
	}
	return r;
}

void
c25_control_close(struct c25_control *k)
{
	if (k == NULL)
		return;
	c25_timer_stop(&k->accept_again);
	c25_watch_close(k->listener);
	(void)unlink(k->path);
	while (k->count > 0)
		conn_close(k->conns[k->count - 1]);
	free(k->path);
	free(k);
}
