/* SPDX-License-Identifier: BSD-3-Clause */
/* Listening sockets of the HTTP server, and what is wrong with them. */
#include "http_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 4096	/* or what net.core.somaxconn says */

struct c25_addr
c25_http_addr_of(const struct sockaddr_storage *sa)
{
	struct c25_addr a = { 0 };

	if (sa->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		a = c25_addr_v4((const uint8_t *)&in->sin_addr);
	} else if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const void *)sa;

		a = c25_addr_v6(in->sin6_addr.s6_addr);
		a = c25_addr_unmap(&a);
	}
	return a;
}

static socklen_t
sockaddr_of(struct sockaddr_storage *sa, const struct c25_addr *a,
	uint16_t port)
{
	memset(sa, 0, sizeof(*sa));
	if (a->family == C25_V4) {
		struct sockaddr_in *in = (void *)sa;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, a->bytes, 4);
		return sizeof(*in);
	} else {
		struct sockaddr_in6 *in = (void *)sa;

		in->sin6_family = AF_INET6;
		in->sin6_port = htons(port);
		memcpy(&in->sin6_addr, a->bytes, 16);
		return sizeof(*in);
	}
}

static int
listen_error(const struct c25_http_listen *how, int r, struct c25_error *err)
{
	char text[C25_ADDR_TEXT_MAX];
	const char *addr = c25_addr_format(&how->addr, text);
	const char *remedy = "check the address";

	switch (r) {
	case -EADDRINUSE:
		remedy = "another program uses it: stop that one or choose "
			"another port";
		break;
	case -EADDRNOTAVAIL:
		remedy = "this host doesn't have that address: correct it, "
			"or bring its interface up first";
		break;
	case -EACCES:
	case -EPERM:
		remedy = "not permitted: choose a port above 1023";
		break;
	}
	return c25_fail(err, r, how->addr.family == C25_V6 ?
		"%s: can't listen on [%s]:%u: %s: %s" :
		"%s: can't listen on %s:%u: %s: %s",
		how->name, addr, how->port, strerror(-r), remedy);
}

static int
open_socket(const struct c25_http_listen *how, uint16_t *port)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_of(&sa, &how->addr, how->port);
	int one = 1, r;
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK |
		SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, len) != 0 ||
	    listen(fd, BACKLOG) != 0)
		goto fail;
	len = sizeof(sa);
	if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
		goto fail;
	*port = ntohs(sa.ss_family == AF_INET ?
		((struct sockaddr_in *)&sa)->sin_port :
		((struct sockaddr_in6 *)&sa)->sin6_port);
	return fd;
fail:
	r = -errno;
	close(fd);
	return r;
}

int
c25_http_open(const struct c25_http_listen *how, uint16_t *port,
	struct c25_error *err)
{
	int fd = open_socket(how, port);

	return fd >= 0 ? fd : listen_error(how, fd, err);
}
