/* SPDX-License-Identifier: BSD-3-Clause */
/* http_private.h - what http.c and http_socket.c share. */
#ifndef CONN25_HTTP_PRIVATE_H
#define CONN25_HTTP_PRIVATE_H

#include <sys/socket.h>

#include "http.h"

/* The address in it, unmapped. */
struct c25_addr c25_http_addr_of(const struct sockaddr_storage *sa);

/*
 * A listening socket. Returns: the fd and *port, or -errno with err naming
 * the address and the remedy.
 */
int c25_http_open(const struct c25_http_listen *how, uint16_t *port,
	struct c25_error *err);

#endif
