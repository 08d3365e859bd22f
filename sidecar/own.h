/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * own.h - this host's own addresses, which no mapping may lead to.
 *
 * These are the ones of its interfaces, and what the kernel takes for its own
 * beside them: each IPv4 network's broadcast address, and the IPv6 address
 * that any router of a network has (RFC 4291 2.6.1). Not what routes of type
 * local add.
 */
#ifndef CONN25_OWN_H
#define CONN25_OWN_H

#include <stddef.h>

#include "conn25/addr.h"

/*
 * Owns: *out, sorted by c25_addr_cmp(), for free().
 * Returns: 0; -ENOMEM; -errno of getifaddrs(3).
 */
int c25_own_list(struct c25_addr **out, size_t *count)
	__attribute__((warn_unused_result));

#endif
