/* SPDX-License-Identifier: BSD-3-Clause */
/* Signatures of requests and of what is answered; see guard.h. */
#include "guard.h"

#include <errno.h>
#include <sodium/randombytes.h>
#include <stdlib.h>
#include <string.h>

#include "cause.h"
#include "conn25/log.h"
#include "httpsig.h"
#include "replay.h"

#define LOG_EVERY_S 60		/* a peer's refusals */

struct guarded {
	struct c25_replay replay;
	int64_t logged_s;		/* when one was, 0: never */
	uint64_t unlogged;		/* refused since */
};

struct c25_guard {
	const struct c25_config *cfg;
	const struct c25_key *key;
	struct guarded *peers;		/* by config index */
	size_t peer_count;
	int64_t start_s;
	uint64_t generation;		/* of the configuration; from 1 */
	uint8_t hash_key[16];
	struct c25_httpsig sig;		/* reused */
};

struct c25_guard *
c25_guard_new(int64_t start_s)
{
	struct c25_guard *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	g->start_s = start_s;
	randombytes_buf(g->hash_key, sizeof(g->hash_key));
	return g;
}

void
c25_guard_free(struct c25_guard *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < g->peer_count; i++)
		c25_replay_free(&g->peers[i].replay);
	free(g->peers);
	c25_httpsig_free(&g->sig);
	free(g);
}

/* What is known of a peer of that name goes over to `to`. */
static void
take_over(struct c25_guard *g, const char *name, struct guarded *to)
{
	for (size_t i = 0; i < g->peer_count; i++)
		if (strcmp(g->cfg->peers[i].name, name) == 0) {
			c25_replay_free(&to->replay);
			*to = g->peers[i];
			memset(&g->peers[i], 0, sizeof(g->peers[i]));
			return;
		}
}

int
c25_guard_configure(struct c25_guard *g, const struct c25_config *cfg)
{
	size_t count = cfg != NULL ? cfg->peer_count : 0;
	struct guarded *fresh = calloc(count + 1, sizeof(*fresh));

	if (fresh == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		c25_replay_init(&fresh[i].replay, g->hash_key,
			g->start_s - 1);
		take_over(g, cfg->peers[i].name, &fresh[i]);
	}
	for (size_t i = 0; i < g->peer_count; i++)
		c25_replay_free(&g->peers[i].replay);
	free(g->peers);
	g->peers = fresh;
	g->peer_count = count;
	g->cfg = cfg;
	g->generation++;
	return 0;
}

void
c25_guard_key(struct c25_guard *g, const struct c25_key *key)
{
	g->key = key;
}

/* ---- requests ------------------------------------------------------------ */

/* An authority as an address and a port, if it has one. Returns: false: it is
 * none. */
static bool
parse_authority(const char *text, struct c25_addr *addr, unsigned *port)
{
	const char *end = text + strlen(text), *stop = end;
	const char *colon = strrchr(text, ':');
	bool brackets = text[0] == '[';

	if (colon != NULL && colon > text &&
	    (!brackets || colon[-1] == ']')) {
		size_t digits = strspn(colon + 1, "0123456789");

		if (digits == 0 || digits > 5 || colon + 1 + digits != end)
			return false;
		*port = (unsigned)strtoul(colon + 1, NULL, 10);
		stop = colon;
	}
	if (brackets) {
		text++;
		if (stop <= text || *--stop != ']')
			return false;
	}
	if (c25_addr_parse(addr, text, (size_t)(stop - text)) != 0 ||
	    (addr->family == C25_V6) != brackets)
		return false;
	*addr = c25_addr_unmap(addr);
	return true;
}

static bool
is_for_us(const struct c25_guard *g, const struct c25_http_request *q,
	const char *authority)
{
	const struct c25_config_strings *more = &g->cfg->listen.authorities;
	struct c25_addr addr;
	unsigned port = q->tls ? 443 : 80;

	if (parse_authority(authority, &addr, &port) &&
	    port == q->local_port && c25_addr_eq(&addr, &q->local))
		return true;
	for (size_t i = 0; i < more->count; i++)
		if (strcmp(more->items[i], authority) == 0)
			return true;
	return false;
}

static int
check_head(struct c25_guard *g, uint32_t peer,
	const struct c25_http_request *q, int64_t now_s,
	struct c25_error *err)
{
	const struct c25_config_keys *keys =
		&g->cfg->peers[peer].public_keys;
	struct c25_httpsig *sig = &g->sig;
	char authority[C25_HTTPSIG_AUTHORITY_MAX];
	struct c25_httpsig_message m = { .method = q->method,
		.path = q->path, .authority = authority, .head = q->head };
	int r;

	if ((r = c25_httpsig_parse(sig, q->head, err)) != 0 ||
	    (r = c25_httpsig_covers(sig, C25_COVER_REQUEST, err)) != 0)
		return r;
	if (sig->nonce[0] == '\0')
		return c25_fail(err, -EINVAL, "Signature-Input has no nonce");
	r = c25_httpsig_fresh(sig, now_s, err);
	if (r != 0)
		return r;
	if (c25_httpsig_authority(q->head, q->tls, authority) != 0)
		return c25_fail(err, -EINVAL, "there is not one Host");
	if (!is_for_us(g, q, authority))
		return c25_fail(err, -EINVAL, "it is for another host: if "
			"that is a name of this one, add it to "
			"listen.authorities here");
	r = c25_httpsig_verify(sig, &m, keys->items, keys->count, err);
	if (r != 0)
		return r;
	r = c25_replay_add(&g->peers[peer].replay, sig->nonce, sig->created,
		now_s);
	if (r == -EEXIST)
		return c25_fail(err, r, "its nonce was used before");
	if (r == -ESTALE)
		return c25_fail(err, r, "it was created before this host "
			"could know whether its nonce was used");
	return r != 0 ? c25_fail(err, r, "out of memory") : 0;
}

/* Word it, and tell the administrator now and then. */
static int
refuse(struct c25_guard *g, uint32_t peer, int64_t now_s,
	struct c25_error *err)
{
	struct guarded *p = &g->peers[peer];
	struct c25_error what = *err;
	char since[C25_CAUSE_SINCE_MAX];

	p->unlogged++;
	if (p->logged_s == 0 || now_s - p->logged_s >= LOG_EVERY_S ||
	    now_s < p->logged_s) {
		c25_log(C25_LOG_ERROR, "peer %s: signature refused: %s%s",
			g->cfg->peers[peer].name, what.text,
			c25_cause_since(p->unlogged, since));
		p->logged_s = now_s;
		p->unlogged = 0;
	}
	return c25_fail(err, -EPERM, "signature refused: %s", what.text);
}

int
c25_guard_head(struct c25_guard *g, uint32_t peer,
	const struct c25_http_request *q, int64_t now_s,
	struct c25_error *err)
{
	if (g->cfg->peers[peer].public_keys.count != 0 &&
	    check_head(g, peer, q, now_s, err) != 0)
		return refuse(g, peer, now_s, err);
	*q->mark = g->generation;
	return 0;
}

int
c25_guard_body(struct c25_guard *g, uint32_t peer,
	const struct c25_http_request *q, int64_t now_s,
	struct c25_error *err)
{
	if (g->cfg->peers[peer].public_keys.count == 0)
		return 0;
	/* the keys may have changed since */
	if (q->mark == NULL || *q->mark != g->generation)
		return c25_fail(err, -EPERM, "signature refused: the "
			"configuration has changed meanwhile: sign again");
	/* it took long: the body is the one that was checked at first */
	if (q->again)
		return 0;
	if (c25_httpsig_digest_check(q->head, q->body, q->body_len, err) != 0)
		return refuse(g, peer, now_s, err);
	return 0;
}

/* ---- answers ------------------------------------------------------------- */

void
c25_guard_sign(struct c25_guard *g, const struct c25_http_request *q,
	struct c25_http_reply *p, const char *epoch, int64_t now_s)
{
	char asked[C25_HTTPSIG_FIELD_MAX + 1], signature[128];
	struct c25_httpsig_message m = { .status = p->status,
		.request_signature = asked };

	if (g->key == NULL || p->body.failed ||
	    c25_httpsig_field_value(q->head, "signature", asked,
	    sizeof(asked)) < 0)
		return;
	c25_httpsig_write(&p->headers, g->key, &m, epoch, p->body.len != 0 ?
		p->body.data : "", p->body.len, now_s, signature);
}
