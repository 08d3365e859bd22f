/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * serve.h - the connector role: who may ask, and what becomes of each entry
 * of POST /v0/connector/transit-ip. Pure but for c25_serve_own_refresh() and
 * the clock; http.c brings the bytes, guard.h knows signatures, mapping.h
 * keeps the result.
 *
 * Example (conn25d):
 *	struct c25_serve *s;
 *
 *	c25_serve_new(&s, &err);
 *	c25_serve_configure(s, cfg, &err);	again at each reload
 *	c25_http_listen(loop, &(struct c25_http_listen){
 *		.name = "listen.transitIP",
 *		.addr = cfg->listen.transit_ip.addr,
 *		.port = cfg->listen.transit_ip.port,
 *		.routes = c25_serve_routes, .route_count = C25_SERVE_ROUTES,
 *		.ctx = s }, &listener, &err);
 *	every second:	c25_serve_tick(s, c25_now_ms());
 *
 * Checks of a request, in this order (the first that fails answers):
 *   404  another path			\ by http.c: they don't depend on
 *   405  another method than POST	/ who asks and tell nothing
 *   503  no connector role configured (no peers): nobody would be let in,
 *        and an administrator should read why
 *   403  source address (unmapped) is no peer's
 *   401  the peer has a publicKey, and the request isn't signed with it: see
 *        guard.h, also for the order of these
 *   413  Content-Length over 1 MiB
 *   ---- from here on the body has been read ----
 *   413  more than that came
 *   401  the body isn't the one that was signed
 *   503  it is a long one, and too many such are under way (with Retry-After)
 *   413  an entry of it has more than C25_WIRE_VALUES_MAX values in it
 *   400  not JSON, wrong types, a text that is no address
 * then 200, and per entry the first of (DESIGN 8):
 *   2    the transit address was accepted earlier in this request
 *   6    the peer may not use the app; also for unknown apps
 *   5    app unknown (can't happen with a checked configuration: a peer's
 *        apps are all known)
 *   1    an address is unset
 *   4    families differ (an IPv4-mapped address counts as IPv6)
 *   3    the peer has no address of that family
 *   1    destination not allowed: outside the app's `destinations`,
 *        forbidden (c25_addr_is_forbidden()), one of this host's own addresses
 *        (own.h), one that a translator or tunnel makes either of
 *        (c25_addr_inner()), or transit or destination IPv4-mapped
 *   1    the app has verifyDestinations, and the destination isn't known to
 *        be an address of a domain of the app: verify.h. A request that needs
 *        lookups waits for them and is then decided as a whole, all of the
 *        above included, by the configuration of that time.
 *   1    the peer's limit of mappings is reached, or no memory
 *
 * A long request (64 KiB) takes several turns; until it is answered, later ones
 * of the same peer wait for it, so that the newest mapping wins. What was
 * decided before its connection broke stays. If the configuration changes
 * meanwhile, all of it is decided again.
 *
 * Refused mappings are logged, with why: one line for each peer, app, code and
 * reason in ten minutes, with how many there were since (cause.h).
 *
 * Rules: the loop's thread; the configuration given stays valid and
 * unchanged until the next configure or free.
 */
#ifndef CONN25_SERVE_H
#define CONN25_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "config.h"
#include "conn25/error.h"
#include "conn25/histogram.h"
#include "http.h"
#include "keys.h"
#include "mapping.h"
#include "verify.h"
#include "wire.h"

struct c25_serve;

/*
 * Owns: the server state with its mapping store.
 * Returns: 0; -ENOMEM.
 */
int c25_serve_new(struct c25_serve **out, struct c25_error *err)
	__attribute__((warn_unused_result));
void c25_serve_free(struct c25_serve *s);		/* NULL is fine */

/*
 * Take peers and apps from a configuration; mappings that it no longer
 * allows (peer gone, app gone or not the peer's, destination) are dropped.
 * Also refreshes the own addresses. `cfg` NULL: no connector role.
 * What was accepted before an app was given verifyDestinations stays until it
 * is sent again or expires.
 * Returns: 0; -ENOMEM, and everything is as before.
 */
int c25_serve_configure(struct c25_serve *s, const struct c25_config *cfg,
	struct c25_error *err) __attribute__((warn_unused_result));

/*
 * Take back a mapping from before a restart, if the present configuration
 * would accept it from that peer now. c25_mappings_restored() when all are
 * back.
 * Returns: 0; -EPERM (not allowed any more); -EEXIST, -ENOSPC, -ENOMEM as
 * c25_mappings_restore().
 */
int c25_serve_restore(struct c25_serve *s, const char *peer,
	const struct c25_addr *transit, const struct c25_addr *destination,
	const char *app, uint64_t sent_ms) __attribute__((warn_unused_result));

/* Each second or so: expire mappings, end waits for lookups, refresh own
 * addresses (each 30 s). */
void c25_serve_tick(struct c25_serve *s, uint64_t now_ms);

/* Read the host's addresses (getifaddrs); keeps the old ones on failure. */
void c25_serve_own_refresh(struct c25_serve *s);
/* For tests: these instead, for good. */
void c25_serve_own_set(struct c25_serve *s, const struct c25_addr *addrs,
	size_t count);

/*
 * May this source ask at all? Pure.
 * Returns: 200, 403 or 503; *why is a sentence (not for 200), *peer the
 * index in the configuration.
 */
int c25_serve_admit(struct c25_serve *s, const struct c25_addr *source,
	uint32_t *peer, const char **why);

/* Is it the address of a peer? For c25_http_listen(), `serve` is ours. */
bool c25_serve_knows(void *serve, const struct c25_addr *source);

/*
 * Decide about parsed entries and put what is accepted into the store:
 * codes[i] for entries[i].
 */
void c25_serve_entries(struct c25_serve *s, uint32_t peer,
	const struct c25_wire_entry *entries, size_t count, uint64_t now_ms,
	uint8_t *codes);

/* What answers are signed with, if requests are; NULL: nothing. It stays
 * valid until the next. */
void c25_serve_key(struct c25_serve *s, const struct c25_key *key);

/*
 * The whole of it for a request without signature: admit, parse, decide,
 * write.
 * Returns: the HTTP status, `out` the body (JSON for 200, else a sentence).
 */
int c25_serve_request(struct c25_serve *s, const struct c25_addr *source,
	const char *body, size_t len, uint64_t now_ms, struct c25_buf *out);

/* What verifies destinations: give it a resolver; its statistics. */
struct c25_verify *c25_serve_verify(struct c25_serve *s);

/* The mappings, for list_mappings, statistics and the datapath. */
struct c25_mappings *c25_serve_mappings(struct c25_serve *s);

/* Call `fn` when a request has been decided, before it is answered; NULL:
 * nobody. For the datapath. */
void c25_serve_before_reply(struct c25_serve *s, void (*fn)(void *ctx),
	void *ctx);

/*
 * Response header Conn25-Epoch: random, made by c25_serve_new(), unless the
 * mappings are those of an earlier conn25d: then it goes on with its epoch.
 * Renewed when mappings were dropped before their time, by a reload or by an
 * administrator: clients then send all that they have again, within a second
 * or so, and see what is refused now. A restart may bring the epoch of before
 * back, which is another one for them as well.
 */
#define C25_SERVE_EPOCH_MAX 33		/* with its NUL */
const char *c25_serve_epoch(const struct c25_serve *s);
void c25_serve_epoch_renew(struct c25_serve *s);
void c25_serve_epoch_set(struct c25_serve *s, const char *epoch);

struct c25_serve_stats {
	uint64_t requests;		/* serve.requests: all POSTs to the
					 * path, refused ones too */
	uint64_t denied;		/* ... answered 4xx or 5xx */
	uint64_t mappings_ok;		/* serve.mappings.ok: code 0 */
	uint64_t mappings_refused;	/* serve.mappings.refused: the rest */
	uint64_t codes[C25_WIRE_CODES];	/* entries by code */
	struct c25_histogram time;	/* serve.histogram: of requests that
					 * were let in, from the whole body to
					 * the answer */
};
const struct c25_serve_stats *c25_serve_stats(const struct c25_serve *s);

/* For c25_http_listen(), with the struct c25_serve as ctx. */
#define C25_SERVE_ROUTES 1
extern const struct c25_http_route c25_serve_routes[C25_SERVE_ROUTES];

#endif
