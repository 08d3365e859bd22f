/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http.h - HTTP on the event loop: listeners with routes (HTTP/1.1), and
 * clients that keep one connection and send one request at a time (HTTP/1.1,
 * or HTTP/2 over TLS where the server chooses it). Handlers get whole bodies
 * within limits; nothing here knows what the bodies mean. http1.h has the
 * syntax, http2.h the other; http_client.c and loop.c alone know
 * libwebsockets, tls.h has TLS.
 *
 * Example (server):
 *	static void
 *	healthz(void *ctx, const struct c25_http_request *q,
 *		struct c25_http_reply *p)
 *	{
 *		c25_buf_lit(&p->body, "ok\n");
 *	}
 *
 *	static const struct c25_http_route routes[] = {
 *		{ .path = "/healthz", .method = "GET", .handle = healthz },
 *	};
 *	struct c25_http_listener *l;
 *
 *	if (c25_http_listen(loop, &(struct c25_http_listen){ .name = "admin",
 *		.addr = cfg->listen.admin.addr,
 *		.port = cfg->listen.admin.port, .routes = routes,
 *		.route_count = 1, .ctx = d }, &l, &err) != 0)
 *		c25_log(C25_LOG_ERROR, "%s", err.text);
 *
 * What the server answers by itself, first match: 400, 431, 501 or 505, the
 * head is malformed (see http1.h); 403 it comes from a browser (Origin or
 * Sec-Fetch-Site: pages of others must not reach us through one); 429 too
 * many requests in this second; 404 no such path; 405 with Allow, path
 * known but not by that method (HEAD goes with GET); whatever the route's
 * `admit` says; 413 body over the route's limit, by Content-Length before it
 * is read and by counting while it is read; 400 broken chunked coding; 408
 * request not there in time. Then `handle`. Error bodies are one sentence of
 * text/plain. An answer to a request whose body isn't there closes the
 * connection.
 *
 * Limits: C25_HTTP_*, C25_HTTP1_*, and what limits.h has for each listener.
 * As long as an answer can't be sent nothing more is read from there.
 *   connections  one too many is told so (503 the listener is full, 429 its
 *                address has enough) and closed; behind TLS just closed. If
 *                the listener `knows` some addresses, all others together
 *                get a quarter of the connections.
 *   turns        in each round of the loop an address may keep us busy for a
 *                millisecond, all strangers together as long; then others
 *                have their turn, however many connections it has. So a peer
 *                that floods us gets what is left over, and others wait one
 *                turn of it (or one request, if that takes longer; long
 *                ones can be handled in several turns).
 *   rate         requests per second of an address (of all strangers
 *                together), a second's worth at once; beyond it is 429 with
 *                Retry-After.
 *   time         a request, a handshake of TLS before it included, must be
 *                there within request_seconds: else 408, or nothing if
 *                there was no byte of it.
 *
 * Rules: the loop's thread only. Callbacks must not free the listener or
 * client that calls them.
 * Ref: RFC 9110, RFC 9112.
 */
#ifndef CONN25_HTTP_H
#define CONN25_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "conn25/addr.h"
#include "conn25/error.h"
#include "http1.h"
#include "limits.h"
#include "loop.h"
#include "tls.h"

#define C25_HTTP_BODY_MAX (1u << 20)	/* bytes, DESIGN 8 */
#define C25_HTTP_LATER_S 10		/* seconds for a deferred answer */
#define C25_HTTP_IDLE_S 75		/* seconds of idle keep-alive */

/* ---- server ------------------------------------------------------------- */

struct c25_http_later;

/* One request, as a handler sees it; valid during the call. */
struct c25_http_request {
	const char *method;
	const char *path;		/* without query */
	struct c25_addr source;		/* unmapped */
	const char *body;		/* NUL after it; "" when there is none,
					 * and in `admit` */
	size_t body_len;
	struct c25_addr local;		/* where it came to, unmapped */
	uint16_t local_port;
	bool tls;			/* the listener is one of https */
	uint64_t *mark;			/* what `admit` writes there `handle`
					 * finds; 0 before */
	void **state;			/* the same from one call of `handle`
					 * to the next, see c25_http_defer();
					 * NULL before */
	const struct c25_http1 *head;
	bool again;			/* after c25_http_resume() */
	void *conn;			/* private; NULL: there is none */
};

/*
 * The rest of an answer that is too long to be made at once: `next` is called
 * whenever what there was has been sent, adds a bounded piece, or nothing this
 * time, and returns whether there is more; `done` once, when all is sent or the
 * connection broke. A piece that failed ends the connection.
 */
struct c25_http_more {
	bool (*next)(void *state, struct c25_buf *out);	/* NULL: no more */
	void (*done)(void *state);
	void *state;
};

/* The answer; starts as 200 text/plain with nothing in it. */
struct c25_http_reply {
	int status;
	const char *type;		/* Content-Type; stays valid */
	struct c25_buf body;
	struct c25_buf headers;		/* see c25_http_reply_header() */
	struct c25_http_more more;	/* instead of a body */
};

struct c25_http_route {
	const char *path;		/* exact, such as "/healthz" */
	const char *method;		/* "GET" or "POST" */
	size_t body_max;		/* 0: no body; else bytes */
	/* Decides before the body is read; NULL lets everybody in. Leaves
	 * the reply at 200 to go on, else fills it: see c25_http_fail(). */
	void (*admit)(void *ctx, const struct c25_http_request *q,
		struct c25_http_reply *p);
	/* Fills the reply; it leaves, or begins to, when this returns, unless
	 * this called c25_http_defer(). */
	void (*handle)(void *ctx, const struct c25_http_request *q,
		struct c25_http_reply *p);
	/* The connection or listener has gone before a deferred answer was
	 * given: frees the state that is left of it. NULL: there is none. */
	void (*gone)(void *ctx, void *state);
};

struct c25_http_listen {
	const char *name;		/* for messages: "listen.transitIP" */
	struct c25_addr addr;		/* literal; unspecified: all of its
					 * family */
	uint16_t port;			/* 0: any, see c25_http_port() */
	const struct c25_http_route *routes;	/* stay valid */
	size_t route_count;
	void *ctx;			/* given to the functions */
	/* Is this one of those whom it is there for? NULL: all are. */
	bool (*knows)(void *ctx, const struct c25_addr *source);
	struct c25_limits limits;	/* all 0: C25_LIMITS_DEFAULT */
	struct c25_tls_server *tls;	/* https with this; NULL: http. A
					 * reference is taken */
};

struct c25_http_listener;

/*
 * Owns: the listener, until c25_http_unlisten() or the end of the loop.
 * Returns: 0; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES and other -errno of
 * bind, each with err naming the address and the remedy; -ENOMEM.
 */
int c25_http_listen(struct c25_loop *loop, const struct c25_http_listen *how,
	struct c25_http_listener **out, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * Other limits and another certificate, for what comes from now on. What is
 * connected by http when it becomes https, or the other way, is dropped.
 */
void c25_http_configure(struct c25_http_listener *l,
	const struct c25_limits *limits, struct c25_tls_server *tls);

/* Stop listening at once and drop its connections. NULL is fine. */
void c25_http_unlisten(struct c25_http_listener *l);

/* The port it listens on. */
uint16_t c25_http_port(const struct c25_http_listener *l);

/*
 * Make `p` an error: status, and the sentence as text/plain with a newline.
 */
void c25_http_fail(struct c25_http_reply *p, int status,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Add a response header line; name without colon. */
void c25_http_reply_header(struct c25_http_reply *p, const char *name,
	const char *value);

/*
 * A header of the request, by its lower-case name without colon. Only in
 * `admit` and `handle`.
 * Returns: its length, the text in `out` with NUL; -ENOENT; -ENOSPC (longer
 * than size - 1).
 */
int c25_http_request_header(const struct c25_http_request *q,
	const char *name, char *out, size_t size);

/*
 * In `handle`: the answer can't be given yet. Once it can, c25_http_resume()
 * has `handle` called with the same request, `again` set, in the next turn of
 * that address; until then nothing more is read from there. After
 * C25_HTTP_LATER_S without being called the connection is dropped.
 * Owns: what is returned, until c25_http_resume(), also if the connection or
 * the listener goes meanwhile: resuming does nothing else then. Don't call it
 * after the loop's end. What takes long is resumed in `handle`, at once, each
 * time that c25_http_time_left() says no.
 * Returns: NULL: no memory, or no connection: answer now.
 */
struct c25_http_later *c25_http_defer(const struct c25_http_request *q)
	__attribute__((warn_unused_result));
void c25_http_resume(struct c25_http_later *later);

/* In `handle`: is there something left of this turn? */
bool c25_http_time_left(const struct c25_http_request *q);

/* ---- client ------------------------------------------------------------- */

#define C25_HTTP_CONNECT_MS 2000	/* to be connected, TLS included */
#define C25_HTTP_RESPONSE_MS 5000	/* from then to the whole response,
					 * however it trickles in */

/* How a request ended; valid during the call. */
struct c25_http_result {
	int status;			/* HTTP status; 0 when there is no
					 * response: see error */
	const char *error;		/* why, "" when there is a response:
					 * "connection refused", ... */
	const char *body;		/* NUL after it */
	size_t body_len;
	char epoch[72];			/* header Conn25-Epoch, "" when absent
					 * or longer than that */
	const struct c25_http1 *head;	/* NULL when there is no response */
	bool fresh;			/* came over a new connection */
	bool cut;			/* ... as the other side had closed one
					 * that it had said to keep open */
	bool late;			/* connected, and no answer in time */
};

struct c25_http_peer {
	const char *host;		/* name or address, without brackets */
	struct c25_host *at;		/* where a name is; NULL: host is an
					 * address. Outlives the client */
	uint16_t port;
	bool tls;			/* https: HTTP/2 if it chooses that;
					 * verified by the system's store */
	struct c25_tls_trust *trust;	/* ... or by this; NULL: not */
	unsigned connect_ms;		/* instead of C25_HTTP_CONNECT_MS */
	unsigned response_ms;		/* instead of C25_HTTP_RESPONSE_MS */
	/*
	 * Adds header lines to a request each time that it is sent; NULL:
	 * none. `authority` is the value of its Host. Called with ctx.
	 */
	void (*sign)(void *ctx, const char *path, const char *authority,
		const char *body, size_t len, struct c25_buf *headers);
};

struct c25_http_client;

/*
 * A client for one server; connects when there is something to send. `done`
 * is called exactly once for each c25_http_post(), never from inside it.
 * A name is looked up from the loop, never inside c25_http_post(), and its
 * addresses are tried one after the other within connect_ms.
 * Returns: 0; -ENOMEM; -EINVAL: a name without `at`. Owns: the client; host
 * is copied.
 */
int c25_http_client_new(struct c25_loop *loop,
	const struct c25_http_peer *peer,
	void (*done)(void *ctx, const struct c25_http_result *r), void *ctx,
	struct c25_http_client **out) __attribute__((warn_unused_result));

/* Drops the connection; an unanswered request ends without `done`. */
void c25_http_client_free(struct c25_http_client *c);	/* NULL is fine */

/*
 * POST a JSON body, over the connection there is or a new one. A request
 * that dies because the server closed an idle connection under it is sent
 * once more over a new one: what we post may be repeated. So is one that the
 * server says (HTTP/2: GOAWAY, REFUSED_STREAM) not to have looked at.
 * Owns: the body is the caller's and must stay until `done`.
 * Returns: 0; -EBUSY (one is on the way).
 */
int c25_http_post(struct c25_http_client *c, const char *path,
	const char *body, size_t len) __attribute__((warn_unused_result));

/* Drop the request on the way, if any, without calling `done`. */
void c25_http_abort(struct c25_http_client *c);

#endif
