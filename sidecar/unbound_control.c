/* SPDX-License-Identifier: BSD-3-Clause */
/* The client of unbound_control.h. */

#include "unbound_control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define VERSION "UBCT1 "
#define PIECE_BYTES 65536	/* read in a round of the loop */

void
c25_unbound_stop(struct c25_unbound_ask *ask)
{
	c25_watch_close(ask->watch);
	ask->watch = NULL;
	c25_timer_stop(&ask->timer);
}

void
c25_unbound_end(struct c25_unbound_ask *ask)
{
	c25_unbound_stop(ask);
	c25_buf_free(&ask->line);
}

static void
done(struct c25_unbound_ask *ask, int result)
{
	c25_unbound_stop(ask);
	ask->on_done(ask->ctx, result);
}

static void
on_timeout(void *ctx)
{
	done(ctx, -ETIMEDOUT);
}

/* Lines that are whole go out; the rest waits. */
static int
take(struct c25_unbound_ask *ask, const char *data, size_t len)
{
	int r;

	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t n = end != NULL ? (size_t)(end - data) : len;

		if (ask->line.len + n > C25_UNBOUND_LINE_MAX)
			return -EMSGSIZE;
		c25_buf_add(&ask->line, data, n);
		if (ask->line.failed)
			return -ENOMEM;
		if (end == NULL)
			return 0;
		r = ask->on_line(ask->ctx, ask->line.len > 0 ?
			ask->line.data : "", ask->line.len);
		if (r != 0)
			return r;
		c25_buf_clear(&ask->line);
		data += n + 1;
		len -= n + 1;
	}
	return 0;
}

static void
on_readable(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	struct c25_unbound_ask *ask = ctx;
	char data[PIECE_BYTES];
	ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
	int r;

	(void)w;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		done(ask, -errno);
		return;
	}
	if (n == 0) {
		done(ask, ask->line.len > 0 ? -EPROTO : 0);
		return;
	}
	ask->received += (size_t)n;
	r = ask->received > C25_UNBOUND_REPLY_MAX ? -EMSGSIZE :
		take(ask, data, (size_t)n);
	if (r != 0)
		done(ask, r);
}

void
c25_unbound_init(struct c25_unbound_ask *ask, struct c25_loop *loop,
	int (*on_line)(void *ctx, const char *line, size_t len),
	void (*on_done)(void *ctx, int result), void *ctx)
{
	*ask = (struct c25_unbound_ask){ .loop = loop, .on_line = on_line,
		.on_done = on_done, .ctx = ctx };
	c25_timer_init(&ask->timer, loop, on_timeout, ask);
}

/* A new socket has room for a command: it is taken as a whole, or fails. */
static int
say(int fd, const struct sockaddr_un *to, const char *command, size_t len)
{
	char line[sizeof(VERSION) + C25_UNBOUND_COMMAND_MAX + 1];
	size_t n = sizeof(VERSION) - 1;
	ssize_t sent;

	memcpy(line, VERSION, n);
	memcpy(line + n, command, len);
	n += len;
	line[n++] = '\n';
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
		return -errno;
	sent = send(fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0)
		return -errno;
	return (size_t)sent == n ? 0 : -EIO;
}

int
c25_unbound_ask(struct c25_unbound_ask *ask, const char *path,
	const char *command, size_t len)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd, r;

	if (ask->watch != NULL)
		return -EBUSY;
	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	if (len > C25_UNBOUND_COMMAND_MAX)
		return -EMSGSIZE;
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = say(fd, &to, command, len);
	if (r == 0)
		r = c25_loop_watch(ask->loop, fd, C25_READ, on_readable, ask,
			&ask->watch);
	if (r != 0) {
		(void)close(fd);
		return r;
	}
	c25_buf_clear(&ask->line);
	ask->received = 0;
	c25_timer_set(&ask->timer, C25_UNBOUND_TIMEOUT_MS);
	return 0;
}
