/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * limits.h - how much a listener lets others ask of it, as "limits" of the
 * configuration has it. What is done about them is told in http.h.
 */
#ifndef CONN25_LIMITS_H
#define CONN25_LIMITS_H

#include <stdint.h>

struct c25_limits {
	uint32_t connections;		/* open at a time */
	uint32_t connections_per_address;
	uint32_t requests_per_second;	/* from one address; 0: any number */
	uint32_t request_seconds;	/* for a whole request, from its first
					 * byte or the accept; and for its
					 * answer, with what its size takes */
};

/* The rate is more than one core answers: it bounds what a peer may ask, and
 * leaves those alone who ask what they can while nobody else does. */
#define C25_LIMITS_DEFAULT ((struct c25_limits){ .connections = 4096, \
	.connections_per_address = 64, .requests_per_second = 100000, \
	.request_seconds = 10 })

#define C25_LIMIT_CONNECTIONS_MAX 16000u
#define C25_LIMIT_REQUESTS_MAX 10000000u
#define C25_LIMIT_REQUEST_SECONDS_MAX 300u

#endif
