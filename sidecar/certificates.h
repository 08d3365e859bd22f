/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * certificates.h - the TLS files that a configuration names, all of them or
 * none: what listen.transitIP shows and whom connectors' urls lead to.
 *
 * Example:
 *	struct c25_certificates *c;
 *
 *	r = c25_certificates_load(cfg, geteuid(), &c, &err);
 *	... c->server, c->trust[i] ...	either may be NULL
 *	c25_certificates_free(c);
 *
 * Rules: one thread. Whoever keeps one of them longer takes a reference.
 */
#ifndef CONN25_CERTIFICATES_H
#define CONN25_CERTIFICATES_H

#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "conn25/error.h"
#include "tls.h"

struct c25_certificates {
	struct c25_tls_server *server;	/* NULL: transitIP is not https */
	struct c25_tls_trust **trust;	/* by the connectors' order; NULL: the
					 * system's CAs, or not https */
	size_t count;
	uint64_t told_ms;		/* when they were loaded, or the
					 * warning was due last */
};

#define C25_CERTIFICATES_EVERY_MS (24 * 3600 * UINT64_C(1000))

/*
 * `owner` may own the key file besides root.
 * Owns: *out. Returns: 0; as c25_tls_server_load() and c25_tls_trust_load(),
 * err names the key of the configuration.
 */
int c25_certificates_load(const struct c25_config *cfg, uid_t owner,
	struct c25_certificates **out, struct c25_error *err)
	__attribute__((warn_unused_result));
void c25_certificates_free(struct c25_certificates *c);	/* NULL is fine */

/*
 * Is the listener's certificate over, or soon?
 * Returns: 0 nothing to say; 1 err is a warning.
 */
int c25_certificates_warn(const struct c25_certificates *c,
	const struct c25_config *cfg, struct c25_error *err);

/* The same once a day, from a clock that never goes back (c25_now_ms()), for
 * who calls it often; c may be NULL. */
int c25_certificates_tick(struct c25_certificates *c,
	const struct c25_config *cfg, uint64_t now_ms, struct c25_error *err);

#endif
