/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HTTP client; see http.h. host.h says where to, so that libwebsockets
 * never looks up a name: that would stop the loop. It connects to an address
 * and moves the bytes (as a raw connection), tls.c is between for https, and
 * http2.c where the server chose that; what they mean is read here and in
 * http1.c.
 */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn25/table.h"
#include "host.h"
#include "http1.h"
#include "http2.h"
#include "loop_private.h"
#include "tls.h"

#define ADDRESS_MS 500		/* for each of many addresses, at least */

enum state {
	STATE_OFF,		/* no connection */
	STATE_LOOKUP,		/* no address yet, the timer looks again */
	STATE_CONNECTING,
	STATE_ON,		/* connected; busy or idle */
};

struct c25_http_client {
	enum c25_kind kind;
	struct c25_loop *loop;
	struct c25_http_client *prev, *next;
	char *host;
	struct c25_http_peer peer;	/* .host is ours */
	void (*done)(void *ctx, const struct c25_http_result *r);
	void *ctx;

	struct lws *wsi;		/* NULL: STATE_OFF */
	enum state state;
	struct c25_tls *tls;		/* NULL: plain */
	struct c25_http2 *http2;	/* NULL: HTTP/1.1 */
	struct c25_timer timer;		/* connect, then response */
	struct c25_addr addr;		/* of a name: the one in use */
	size_t tried;			/* addresses, for this connection */
	uint64_t until_ms;		/* that takes no longer */

	/* the request on the way */
	bool busy;
	bool fresh;			/* its connection carried none before */
	bool again;			/* may be sent once more */
	bool resent;			/* has been */
	bool late;			/* it got no answer in time */
	bool cut;			/* a connection was closed that the
					 * other side had promised to keep */
	const char *path;
	const char *body;
	size_t len;
	struct c25_buf request;		/* its bytes; HTTP/2: its fields */
	struct c25_buf frames;		/* of HTTP/2, for tls */
	struct c25_buf out;		/* for the network, after LWS_PRE */
	char failed[C25_HOST_ERROR_MAX];	/* the timer delivers it */

	/* the response */
	struct c25_buf in;		/* head, until it is complete */
	struct c25_buf head_bytes;	/* what `head` points into */
	struct c25_http1 head;
	bool in_body;
	struct c25_chunk chunk;
	struct c25_buf answer;		/* body */
	char epoch[72];
};

static void client_connect(struct c25_http_client *c);

/* What there is of the connection besides the socket. */
static void
connection_free(struct c25_http_client *c)
{
	c25_http2_free(c->http2);
	c->http2 = NULL;
	c25_tls_free(c->tls);
	c->tls = NULL;
}

/* Let go of the connection; safe also inside its callbacks. */
static void
client_drop(struct c25_http_client *c)
{
	if (c->wsi != NULL) {
		lws_set_opaque_user_data(c->wsi, NULL);
		lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK,
			LWS_TO_KILL_ASYNC);
	}
	c->wsi = NULL;
	c->state = STATE_OFF;
	connection_free(c);
}

static void
client_done(struct c25_http_client *c, const char *error)
{
	struct c25_http_result r = {
		.error = error != NULL ? error : "",
		.body = "",
		.fresh = c->fresh,
		.cut = c->cut && error == NULL,
		.late = c->late,
	};

	if (error == NULL) {
		r.status = c->head.status;
		r.head = &c->head;
		if (c->answer.len != 0)
			r.body = c->answer.data;
		r.body_len = c->answer.len;
		memcpy(r.epoch, c->epoch, sizeof(r.epoch));
	}
	if (error == NULL)
		c->cut = false;
	c25_timer_stop(&c->timer);
	c->busy = false;
	c->late = false;
	c->failed[0] = '\0';
	if (error != NULL && c->peer.at != NULL)
		c25_host_failed(c->peer.at);
	c->done(c->ctx, &r);
}

/* The request has failed, not inside c25_http_post(). */
static void
client_fail(struct c25_http_client *c, const char *error)
{
	char text[sizeof(c->failed)];

	snprintf(text, sizeof(text), "%s", error);
	client_drop(c);
	client_done(c, text);
}

/* ---- sending ------------------------------------------------------------ */

static void
response_reset(struct c25_http_client *c)
{
	c25_buf_clear(&c->in);
	c25_buf_clear(&c->answer);
	memset(&c->chunk, 0, sizeof(c->chunk));
	c->in_body = false;
	c->head.status = 0;
	c->epoch[0] = '\0';
}

/* The header lines that are the same in all versions. */
static void
fields_format(struct c25_http_client *c, const char *authority)
{
	struct c25_buf *b = &c->request;

	c25_buf_format(b, "User-Agent: conn25\r\n"
		"Content-Type: application/json\r\n"
		"Content-Length: %zu\r\n", c->len);
	if (c->peer.sign != NULL)
		c->peer.sign(c->ctx, c->path, authority, c->body, c->len, b);
}

/* Bytes to the network (lws keeps what the socket doesn't take). Returns:
 * false: broken. */
static bool
put(struct c25_http_client *c, const char *data, size_t len)
{
	struct c25_buf *b = &c->out;

	c25_buf_clear(b);
	if (!c25_buf_reserve(b, LWS_PRE + len))
		return false;
	b->len = LWS_PRE;
	if (c->tls != NULL)
		c25_tls_out(c->tls, b);
	else
		c25_buf_add(b, data, len);
	if (b->failed)
		return false;
	len = b->len - LWS_PRE;
	return len == 0 || lws_write(c->wsi, (unsigned char *)b->data +
		LWS_PRE, len, LWS_WRITE_RAW) >= (int)len;
}

/* As put(), through tls if there is one. */
static bool
put_plain(struct c25_http_client *c, const struct c25_buf *b)
{
	if (b->failed)
		return false;
	if (c->tls != NULL && b->len != 0 &&
	    c25_tls_write(c->tls, b->data, b->len) != 0)
		return false;
	return put(c, b->data, b->len);
}

/* Write the request; the connection is there. Returns: false: broken. */
static bool
client_send(struct c25_http_client *c)
{
	char authority[300];

	response_reset(c);
	c25_buf_clear(&c->request);
	c25_timer_set(&c->timer, c->peer.response_ms);
	c25_http1_authority(c->host, c->peer.port, c->peer.tls, authority,
		sizeof(authority));
	if (c->http2 != NULL) {
		fields_format(c, authority);
		c25_buf_clear(&c->frames);
		return !c->request.failed && c25_http2_request(c->http2,
			&(struct c25_http2_request){ .path = c->path,
			.authority = authority, .fields = &c->request,
			.body = c->body, .body_len = c->len,
			.head = &c->head, .head_bytes = &c->head_bytes,
			.answer = &c->answer,
			.answer_max = C25_HTTP_BODY_MAX }, &c->frames) == 0 &&
			put_plain(c, &c->frames);
	}
	c25_buf_format(&c->request, "POST %s HTTP/1.1\r\nHost: %s\r\n",
		c->path, authority);
	fields_format(c, authority);
	c25_buf_lit(&c->request, "\r\n");
	c25_buf_add(&c->request, c->body, c->len);
	return put_plain(c, &c->request);
}

/* From inside c25_http_post(): tell later. */
static void
fail_later(struct c25_http_client *c, const char *error)
{
	snprintf(c->failed, sizeof(c->failed), "%s", error);
	client_drop(c);
	c25_timer_set(&c->timer, 0);
}

static bool
client_tls(struct c25_http_client *c)
{
	return c25_tls_new(c->host, &c->tls) == 0 &&
		(c->peer.trust == NULL ||
		c25_tls_believe(c->tls, c->peer.trust) == 0);
}

/* How long one address may take, so that others have their turn. */
static uint64_t
connect_ms(const struct c25_http_client *c)
{
	uint64_t now = c25_now_ms(), ms = c->peer.connect_ms, left;

	if (c->peer.at == NULL)
		return ms;
	left = c->until_ms > now ? c->until_ms - now : 0;
	ms /= c25_host_count(c->peer.at);
	if (ms < ADDRESS_MS)
		ms = ADDRESS_MS;
	return ms < left ? ms : left;
}

static void
client_dial(struct c25_http_client *c)
{
	char text[C25_ADDR_TEXT_MAX];
	struct lws_client_connect_info info = {
		.context = c->loop->lws,
		.vhost = c->loop->vhost,
		.address = c->peer.at == NULL ? c->host :
			c25_addr_format(&c->addr, text),
		.host = c->host,
		.port = c->peer.port,
		.path = "/",
		.method = "RAW",
		.local_protocol_name = "client",
		.opaque_user_data = c,
		.pwsi = &c->wsi,
	};

	c->state = STATE_CONNECTING;
	c->failed[0] = '\0';
	c25_timer_set(&c->timer, connect_ms(c));
	if (c->peer.tls && !client_tls(c)) {
		fail_later(c, "TLS can't be set up");
	} else if (lws_client_connect_via_info(&info) == NULL) {
		c->wsi = NULL;		/* it may have been set: it's freed */
		if (c->failed[0] == '\0')
			fail_later(c, "can't connect");
	}
}

/* From the loop: connect to the name's next address, if there is one yet. */
static void
client_lookup(struct c25_http_client *c)
{
	uint64_t now = c25_now_ms(), left;
	int r = c25_host_next(c->peer.at, now, &c->addr);

	left = c->until_ms > now ? c->until_ms - now : 0;
	if (r == 0 && left > 0)
		client_dial(c);
	else if (r == -EAGAIN && left > 0)
		c25_timer_set(&c->timer, left < C25_HOST_WAIT_MS ? left :
			C25_HOST_WAIT_MS);
	else
		client_fail(c, r == 0 ? "no connection in time" :
			c25_host_error(c->peer.at));
}

static void
on_host(void *ctx)
{
	struct c25_http_client *c = ctx;

	if (c->busy && c->state == STATE_LOOKUP)
		c25_timer_set(&c->timer, 0);
}

static void
client_connect(struct c25_http_client *c)
{
	c->fresh = true;
	c->tried = 0;
	c->failed[0] = '\0';
	if (c->peer.at == NULL) {
		client_dial(c);
		return;
	}
	c->until_ms = c25_now_ms() + c->peer.connect_ms;
	c->state = STATE_LOOKUP;
	c25_timer_set(&c->timer, 0);
}

/* The address was of no use. Returns: false: there is no other to try. */
static bool
client_next(struct c25_http_client *c)
{
	if (c->peer.at == NULL || c25_now_ms() >= c->until_ms ||
	    ++c->tried >= c25_host_count(c->peer.at))
		return false;
	client_drop(c);
	c25_host_failed(c->peer.at);
	c->state = STATE_LOOKUP;
	c->failed[0] = '\0';
	client_lookup(c);
	return true;
}

int
c25_http_post(struct c25_http_client *c, const char *path, const char *body,
	size_t len)
{
	if (c->busy)
		return -EBUSY;
	c->busy = true;
	c->path = path;
	c->body = body;
	c->len = len;
	c->again = false;
	c->resent = false;
	response_reset(c);
	if (c->state == STATE_ON && c->peer.at != NULL) {
		c25_host_refresh(c->peer.at, c25_now_ms());
		if (!c25_host_has(c->peer.at, &c->addr))
			client_drop(c);		/* it has moved */
	}
	if (c->state == STATE_ON) {
		c->fresh = false;
		c->again = true;
		if (client_send(c))
			return 0;
		c->again = false;
		client_drop(c);
	}
	client_connect(c);
	return 0;
}

void
c25_http_abort(struct c25_http_client *c)
{
	if (!c->busy)
		return;
	c25_timer_stop(&c->timer);
	client_drop(c);
	c->busy = false;
}

static void
on_timer(void *ctx)
{
	struct c25_http_client *c = ctx;

	if (!c->busy)
		return;
	if (c->failed[0] != '\0') {
		if (!client_next(c))
			client_fail(c, c->failed);
	} else if (c->state == STATE_LOOKUP) {
		client_lookup(c);
	} else if (c->state == STATE_CONNECTING) {
		if (!client_next(c))
			client_fail(c, "no connection in time");
	} else {
		c->late = true;
		client_fail(c, "no answer in time");
	}
}

/* ---- receiving ---------------------------------------------------------- */

/* The response is there; `more` bytes came after it. */
static void
response_done(struct c25_http_client *c, size_t more)
{
	if (!c->head.keep || more != 0)
		client_drop(c);
	client_done(c, NULL);
}

/* The head is there: what is wanted of its fields. */
static void
take_fields(struct c25_http_client *c)
{
	const char *value;
	int len = c25_http1_get(&c->head, "Conn25-Epoch", &value);

	if (len > 0 && (size_t)len < sizeof(c->epoch)) {
		memcpy(c->epoch, value, (size_t)len);
		c->epoch[len] = '\0';
	}
}

/*
 * Read heads, interim ones too, from c->in. Returns: 0 and in_body set, or
 * more to come; -1: no HTTP.
 */
static int
take_head(struct c25_http_client *c)
{
	for (;;) {
		int n = c25_http1_response(&c->head, c->in.data, c->in.len);

		if (n <= 0)
			return n < 0 ? -1 : 0;
		c25_buf_clear(&c->head_bytes);
		c25_buf_add(&c->head_bytes, c->in.data, (size_t)n);
		if (c->head_bytes.failed)
			return -1;
		c->head.base = c->head_bytes.data;
		c->in.len -= (size_t)n;
		memmove(c->in.data, c->in.data + n, c->in.len);
		if (c->head.status == 101)
			return -1;
		if (c->head.status < 200)
			continue;
		take_fields(c);
		c->in_body = true;
		return 0;
	}
}

/* Returns: NULL, or what is wrong. Calls response_done() when complete. */
static const char *
take_body(struct c25_http_client *c, const char *data, size_t len)
{
	size_t want;
	ssize_t n;

	if (c->head.length == -1) {
		n = c25_chunk_feed(&c->chunk, data, len, &c->answer,
			C25_HTTP_BODY_MAX);
		if (n == -E2BIG)
			return "response too large";
		if (n < 0)
			return "response is not in chunked coding";
		if (c->chunk.state == C25_CHUNK_DONE)
			response_done(c, len - (size_t)n);
		return NULL;
	}
	if (c->head.length > (int64_t)C25_HTTP_BODY_MAX)
		return "response too large";
	want = c->head.length < 0 ? C25_HTTP_BODY_MAX :
		(size_t)c->head.length;
	want -= c->answer.len;
	if (c->head.length < 0 && len > want)
		return "response too large";
	if (len < want)
		want = len;
	c25_buf_add(&c->answer, data, want);
	if (c->answer.failed)
		return "out of memory";
	if (c->head.length >= 0 && c->answer.len == (size_t)c->head.length)
		response_done(c, len - want);
	return NULL;
}

/* The server hasn't touched the request: over a new connection, but once. */
static void
client_resend(struct c25_http_client *c)
{
	c->again = false;
	c->resent = true;
	c->cut = true;
	client_drop(c);
	client_connect(c);
}

static void
on_frames(struct c25_http_client *c, const char *data, size_t len)
{
	enum c25_http2_state state;
	bool broken;
	int r;

	c25_buf_clear(&c->frames);
	r = c25_http2_in(c->http2, data, len, &c->frames);
	broken = !put_plain(c, &c->frames);
	state = c25_http2_state(c->http2);
	if (!c->busy) {
		if (broken || !c25_http2_usable(c->http2)) {
			c->cut = true;
			client_drop(c);
		}
		return;
	}
	c->again = false;
	if (state == C25_HTTP2_ANSWERED) {
		c->head.keep = !broken && c25_http2_usable(c->http2);
		take_fields(c);
		response_done(c, 0);
	} else if (state == C25_HTTP2_REFUSED && !c->resent) {
		client_resend(c);
	} else if (state == C25_HTTP2_REFUSED) {
		client_fail(c, "HTTP/2: the server refuses requests");
	} else if (r == -ENOMEM) {
		client_fail(c, "out of memory");
	} else if (r != 0) {
		client_fail(c, c25_http2_error(c->http2));
	} else if (broken) {
		client_fail(c, "connection broken");
	}
}

static void
on_bytes(struct c25_http_client *c, const char *data, size_t len)
{
	const char *error = NULL;

	if (c->http2 != NULL) {
		on_frames(c, data, len);
		return;
	}
	if (!c->busy) {
		client_drop(c);		/* nobody asked */
		return;
	}
	c->again = false;
	if (c->in_body) {
		error = take_body(c, data, len);
	} else {
		c25_buf_add(&c->in, data, len);
		if (c->in.failed)
			error = "out of memory";
		else if (take_head(c) < 0)
			error = "the answer is not HTTP";
		else if (c->in_body)
			error = take_body(c, c->in.data, c->in.len);
	}
	if (error != NULL)
		client_fail(c, error);
}

/* TCP or TLS is there. */
static void
on_ready(struct c25_http_client *c)
{
	c->state = STATE_ON;
	if (c->tls != NULL && c25_tls_h2(c->tls) &&
	    c25_http2_new(&c->http2) != 0)
		client_fail(c, "out of memory");
	else if (c->busy && !client_send(c))
		client_fail(c, "connection broken");
}

/* A piece of the handshake. Returns: false when it has failed. */
static bool
tls_step(struct c25_http_client *c, const void *data, size_t len)
{
	bool before = c25_tls_ready(c->tls);

	if (c25_tls_step(c->tls, data, len) != 0) {
		(void)put(c, NULL, 0);		/* the alert */
		client_fail(c, c25_tls_error(c->tls));
		return false;
	}
	if (!before && c25_tls_ready(c->tls))
		on_ready(c);
	else if (!put(c, NULL, 0))
		client_fail(c, "connection broken");
	return c->tls != NULL;
}

static void
on_connected(struct c25_http_client *c)
{
	if (c->tls == NULL)
		on_ready(c);
	else
		(void)tls_step(c, NULL, 0);
}

static void
on_network(struct c25_http_client *c, const char *data, size_t len)
{
	struct lws *wsi = c->wsi;
	char plain[16384];
	ssize_t n;

	if (c->tls == NULL) {
		on_bytes(c, data, len);
		return;
	}
	if (!c->busy && !c25_tls_ready(c->tls)) {
		client_drop(c);
		return;
	}
	if (!tls_step(c, data, len))
		return;
	while (c->wsi == wsi && c->tls != NULL) {
		n = c25_tls_read(c->tls, plain, sizeof(plain));
		if (n > 0) {
			on_bytes(c, plain, (size_t)n);
			continue;
		}
		if (n < 0 && !c->busy) {
			c->cut = true;
			client_drop(c);
		}
		/* on the way: what is there may do, see on_close() */
		break;
	}
}

static void
on_close(struct c25_http_client *c)
{
	c->wsi = NULL;
	c->state = STATE_OFF;
	connection_free(c);
	if (!c->busy || c->again)
		c->cut = true;
	if (!c->busy)
		return;
	if (c->again) {
		/* it was closed while idle, before it saw the request */
		c->again = false;
		c->resent = true;
		client_connect(c);
	} else if (c->in_body && c->head.length == -2) {
		client_done(c, NULL);
	} else {
		client_done(c, "connection closed before the answer");
	}
}

/* lws has words, but not always the ones an administrator needs. */
static const char *
connect_error(const char *text, size_t len)
{
	static char copy[100];

	if (text == NULL || strncmp(text, "Unable to connect", len) == 0)
		return "can't connect (refused, or no way there)";
	snprintf(copy, sizeof(copy), "%.*s", (int)(len < 99 ? len : 99),
		text);
	return copy;
}

int
c25_http_client_callback(struct lws *wsi, enum lws_callback_reasons reason,
	void *user, void *in, size_t len)
{
	struct c25_http_client *c = c25_opaque(wsi, C25_KIND_CLIENT);

	if (c == NULL || (c->wsi != NULL && c->wsi != wsi))
		return 0;
	switch (reason) {
	case LWS_CALLBACK_RAW_CONNECTED:
		c->wsi = wsi;
		on_connected(c);
		break;
	case LWS_CALLBACK_RAW_RX:
		on_network(c, in, len);
		break;
	case LWS_CALLBACK_RAW_CLOSE:
		on_close(c);
		break;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		/* may be called inside c25_http_post() */
		if (c->busy && c->failed[0] == '\0') {
			c->wsi = NULL;
			fail_later(c, connect_error(in, len));
		}
		break;
	default:
		break;
	}
	return 0;
}

/* ---- create and free ---------------------------------------------------- */

int
c25_http_client_new(struct c25_loop *loop, const struct c25_http_peer *peer,
	void (*done)(void *, const struct c25_http_result *), void *ctx,
	struct c25_http_client **out)
{
	struct c25_http_client *c;
	struct c25_addr addr;

	if (peer->at == NULL && c25_addr_parse(&addr, peer->host,
	    strlen(peer->host)) != 0)
		return -EINVAL;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return -ENOMEM;
	c->host = strdup(peer->host);
	if (c->host == NULL) {
		free(c);
		return -ENOMEM;
	}
	c->kind = C25_KIND_CLIENT;
	c->loop = loop;
	c->peer = *peer;
	c->peer.host = c->host;
	if (c->peer.trust != NULL)
		c25_tls_trust_ref(c->peer.trust);
	if (c->peer.connect_ms == 0)
		c->peer.connect_ms = C25_HTTP_CONNECT_MS;
	if (c->peer.response_ms == 0)
		c->peer.response_ms = C25_HTTP_RESPONSE_MS;
	c->done = done;
	c->ctx = ctx;
	c25_timer_init(&c->timer, loop, on_timer, c);
	c->next = loop->clients;
	if (c->next != NULL)
		c->next->prev = c;
	loop->clients = c;
	if (c->peer.at != NULL)
		c25_host_ready(c->peer.at, on_host, c);
	*out = c;
	return 0;
}

void
c25_http_client_free(struct c25_http_client *c)
{
	if (c == NULL)
		return;
	if (c->loop != NULL) {
		c25_timer_stop(&c->timer);
		client_drop(c);
		if (c->prev != NULL)
			c->prev->next = c->next;
		else
			c->loop->clients = c->next;
		if (c->next != NULL)
			c->next->prev = c->prev;
	}
	c25_tls_trust_unref(c->peer.trust);
	c25_buf_free(&c->request);
	c25_buf_free(&c->frames);
	c25_buf_free(&c->out);
	c25_buf_free(&c->in);
	c25_buf_free(&c->head_bytes);
	c25_buf_free(&c->answer);
	free(c->host);
	free(c);
}

/* The loop ends before they do. */
void
c25_http_clients_detach(struct c25_loop *loop)
{
	struct c25_http_client *c, *next;

	for (c = loop->clients; c != NULL; c = next) {
		next = c->next;
		c25_timer_stop(&c->timer);
		client_drop(c);
		c->busy = false;
		c->loop = NULL;
	}
	loop->clients = NULL;
}
