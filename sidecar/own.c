/* SPDX-License-Identifier: BSD-3-Clause */
/* This host's own addresses; see own.h. */

#include "own.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Returns: an unset one for what is no IP address. */
static struct c25_addr
addr_of(const struct sockaddr *sa)
{
	const void *p = sa;

	if (sa != NULL && sa->sa_family == AF_INET)
		return c25_addr_v4((const uint8_t *)
		    &((const struct sockaddr_in *)p)->sin_addr);
	if (sa != NULL && sa->sa_family == AF_INET6)
		return c25_addr_v6((const uint8_t *)
		    &((const struct sockaddr_in6 *)p)->sin6_addr);
	return (struct c25_addr){ 0 };
}

/* The address of the whole network. Returns: false: it has none. */
static bool
shared_by_all(const struct c25_addr *a, const struct c25_addr *mask,
    struct c25_addr *out)
{
	size_t len = c25_addr_len(a);

	/* networks of two addresses have none: RFC 3021, RFC 6164 */
	if (mask->family != a->family || mask->bytes[len - 1] & 3)
		return false;
	*out = *a;
	for (size_t i = 0; i < len; i++)
		if (a->family == C25_V4)
			out->bytes[i] |= (uint8_t)~mask->bytes[i];
		else
			out->bytes[i] &= mask->bytes[i];
	return true;
}

static int
by_addr(const void *a, const void *b)
{
	return c25_addr_cmp(a, b);
}

int
c25_own_list(struct c25_addr **out, size_t *count)
{
	struct ifaddrs *list, *i;
	struct c25_addr *own;
	size_t n = 0;

	if (getifaddrs(&list) != 0)
		return -errno;
	for (i = list; i != NULL; i = i->ifa_next)
		n += 2;
	if ((own = calloc(n + 1, sizeof(*own))) == NULL) {
		freeifaddrs(list);
		return -ENOMEM;
	}
	n = 0;
	for (i = list; i != NULL; i = i->ifa_next) {
		struct c25_addr mask = addr_of(i->ifa_netmask);

		own[n] = addr_of(i->ifa_addr);
		if (c25_addr_len(&own[n]) == 0)
			continue;
		n++;
		if (shared_by_all(&own[n - 1], &mask, &own[n]))
			n++;
	}
	freeifaddrs(list);
	qsort(own, n, sizeof(*own), by_addr);
	*out = own;
	*count = n;
	return 0;
}
