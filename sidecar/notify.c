/* SPDX-License-Identifier: BSD-3-Clause */
/* Telling the service manager; see notify.h. */

#include "notify.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "conn25/log.h"

static int
send_to(const char *name, const char *state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd, r = 0;

	if (len >= sizeof(sun.sun_path) || (*name != '/' && *name != '@'))
		return -EINVAL;
	memcpy(sun.sun_path, name, len);
	if (*name == '@')	/* in the abstract name space */
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL,
			(const struct sockaddr *)&sun,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) +
			len)) < 0)
		r = -errno;
	(void)close(fd);
	return r;
}

void
c25_notify(const char *state)
{
	static _Atomic bool told;
	const char *name = getenv("NOTIFY_SOCKET");
	int r;

	if (name == NULL || *name == '\0')
		return;
	r = send_to(name, state);
	if (!atomic_exchange(&told, r != 0) && r != 0)
		c25_log(C25_LOG_ERROR, "NOTIFY_SOCKET: %s: can't be told "
			"\"%s\": %s", name, state, strerror(-r));
}
