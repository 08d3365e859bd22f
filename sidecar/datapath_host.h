/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * datapath_host.h - what a host lacks for the datapath of a configuration:
 * routes, forwarding, and rp_filter where it drops. Reads the kernel, changes
 * nothing, needs no privileges.
 *
 * Example (conn25-checkconf):
 *	c25_datapath_host(cfg, print_warning, NULL);
 *
 * Rules: nothing is said without "nftables": true. What is said has the form
 * "datapath: subject: what: what to do".
 */
#ifndef CONN25_DATAPATH_HOST_H
#define CONN25_DATAPATH_HOST_H

#include <stdbool.h>

#include "config.h"

void c25_datapath_host(const struct c25_config *cfg,
	void (*warn)(void *ctx, const char *text), void *ctx);

/* Is the datapath on, and its overlay no interface of this host? */
bool c25_datapath_lacks_overlay(const struct c25_config *cfg);

#endif
