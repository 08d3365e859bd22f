/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http_private.h - what the files of the HTTP server share.
 *
 *   http.c           requests: routes, heads, bodies, who answers
 *   http_conn.c      connections: bytes in and out, deadlines
 *   http_listen.c    listeners: accepting, and who may come in
 *   http_sources.c   who is connected, and whose turn it is
 *   http_socket.c    listening sockets
 */
#ifndef CONN25_HTTP_PRIVATE_H
#define CONN25_HTTP_PRIVATE_H

#include <sys/socket.h>

#include "http.h"

#define C25_HTTP_READ_BYTES 65536	/* at once */
#define C25_HTTP_BUCKETS 1024

/* What one asks of us in time. */
struct c25_http_turn {
	uint64_t round;			/* of the loop, that spent_ns is of */
	uint64_t spent_ns;
	uint64_t full_ns;		/* when its bucket of requests is */
};

/* An address that has, or had, connections. */
struct c25_http_source {
	struct c25_http_source *next;	/* in its bucket */
	struct c25_addr addr;
	uint32_t connections;
	bool stranger;
	struct c25_http_turn own;
	struct c25_http_turn *turn;	/* own, or that of all strangers */
};

struct c25_http_sources {
	uint8_t key[16];
	struct c25_http_source *buckets[C25_HTTP_BUCKETS];
	struct c25_http_turn shared;	/* of strangers */
	uint32_t connections;
	uint32_t strangers;		/* ... of these */
	uint32_t gone;			/* addresses that have none */
};

enum c25_http_phase {
	C25_PHASE_IDLE,		/* nothing of a request is there */
	C25_PHASE_HEAD,		/* part of a head is there */
	C25_PHASE_BODY,		/* the head was let in */
	C25_PHASE_WAIT,		/* it is answered later; nothing is read */
	C25_PHASE_LINGER,		/* done; what still comes is dropped, as
				 * closing at once would reset the connection
				 * under the answer */
};

/* One accepted connection. */
struct c25_http_conn {
	struct c25_http_listener *listener;
	struct c25_watch *watch;
	unsigned events;		/* that it waits for */
	struct c25_tls *tls;		/* NULL: plain */
	struct c25_http_source *from;
	struct c25_addr source;
	struct c25_addr local;
	uint64_t mark;			/* of the request, see http.h */
	struct c25_http_conn *prev, *next;
	enum c25_http_phase phase;
	uint64_t deadline_ms;
	const struct c25_http_route *route;
	struct c25_http1 *head;		/* of the request being read: the
					 * listener's, or own_head */
	struct c25_http1 *own_head;	/* when a body comes in pieces */
	struct c25_buf head_bytes;	/* what own_head points into */
	struct c25_chunk chunk;
	struct c25_buf in;		/* not used yet */
	struct c25_buf body;
	struct c25_buf out;		/* could not be sent yet */
	size_t out_sent;
	bool turn_over;			/* `in` or tls has some left, for the
					 * next turn */
	bool begun;			/* bytes of TLS have come */
	struct c25_http_more more;	/* ... nor made */
	bool chunks;			/* so that is sent in chunked coding */
	bool head_only;			/* HEAD: leave out the body */
	bool keep;			/* the connection, after this answer */
	struct c25_http_later *later;	/* who holds it in C25_PHASE_WAIT */
	bool resumed;			/* ... or its turn is next */
	void *state;			/* of its handler, see http.h */
};

/* A request that is answered later. */
struct c25_http_later {
	struct c25_http_conn *conn;	/* NULL: it has gone */
};

struct c25_http_listener {
	struct c25_loop *loop;
	struct c25_http_listen how;
	struct c25_watch *watch;
	struct c25_timer accept_again;
	uint16_t port;
	struct c25_http_conn *conns;
	struct c25_http_sources sources;
	uint32_t connections_max;	/* how.limits', or what there are
					 * descriptors for */
	uint64_t turn_ns;		/* when the present one began */
	struct c25_timer sweep;		/* looks at deadlines */
	uint64_t sweep_ms;		/* when, if it is set */
	struct c25_http1 head;		/* of the request at hand */
	struct c25_http_reply reply;	/* reused: one request at a time */
	struct c25_buf out;		/* the bytes of an answer */
	struct c25_buf cipher;		/* the same, encrypted */
	uint64_t full_logged_ms;	/* for the rate limit */
	struct c25_http_listener *prev, *next;
	char read[C25_HTTP_READ_BYTES + 1];	/* what came; room for a NUL */
	char plain[16384 + 1];		/* a record of TLS, decrypted */
};

/* ---- http.c ------------------------------------------------------------- */

/* An empty answer. */
struct c25_http_reply *c25_http_reply_start(struct c25_http_listener *l);

/*
 * Use up what is there, request by request, unless answers pile up. `data`
 * has room for a NUL. Returns: bytes used, or -1: drop the connection.
 */
ssize_t c25_http_take(struct c25_http_conn *c, char *data, size_t len);

/* Handle the request again that waited. Returns: as c25_http_reply_send(). */
bool c25_http_again(struct c25_http_conn *c);

/* Refuse the request, whose body was not read, with l->reply. Returns: as
 * c25_http_reply_send(). */
bool c25_http_refuse(struct c25_http_conn *c);

/* ---- http_conn.c -------------------------------------------------------- */

/* Take in a connection, with its fd and the place of its source, also when
 * there is no memory. */
void c25_http_conn_new(struct c25_http_listener *l, int fd,
	struct c25_http_source *from);
void c25_http_conn_free(struct c25_http_conn *c);

static inline uint64_t
c25_http_request_ms(const struct c25_http_conn *c)
{
	return (uint64_t)c->listener->how.limits.request_seconds * 1000;
}

/* What is not there in so many milliseconds is late. */
void c25_http_deadline(struct c25_http_conn *c, uint64_t in_ms);

/* The listener's timer: look at deadlines. */
void c25_http_sweep(void *ctx);

/*
 * Send, and keep what doesn't fit into the socket; until that is gone,
 * nothing more is read. Returns: false when the connection is broken.
 */
bool c25_http_send(struct c25_http_conn *c, const char *data, size_t len);

/* Have the loop tell us of what is next for this connection. */
void c25_http_await(struct c25_http_conn *c);

/* Send l->reply. Returns: false when the connection is to be dropped. */
bool c25_http_reply_send(struct c25_http_conn *c);

/* ---- http_sources.c ----------------------------------------------------- */

void c25_http_sources_init(struct c25_http_sources *all);
void c25_http_sources_free(struct c25_http_sources *all);

/*
 * One more connection from there.
 * Returns: 0 and *out, until c25_http_source_leave(); or the negative status
 * to refuse it with: -503 the listener is full, or no memory; -429 that
 * address has too many.
 */
int c25_http_source_join(struct c25_http_listener *l,
	const struct c25_addr *addr, struct c25_http_source **out)
	__attribute__((warn_unused_result));
/* The source may be gone then, its turn stays valid for this round. */
void c25_http_source_leave(struct c25_http_listener *l,
	struct c25_http_source *s);

/* Is there something left of its turn in this round? If so, it begins. */
bool c25_http_turn_begin(struct c25_http_listener *l,
	struct c25_http_turn *t);
/* ... and still? */
bool c25_http_turn_left(const struct c25_http_listener *l,
	const struct c25_http_turn *t);
void c25_http_turn_end(struct c25_http_listener *l, struct c25_http_turn *t);

/* One more request. Returns: 0, or in how many seconds it may come again. */
unsigned c25_http_rate(struct c25_http_listener *l, struct c25_http_turn *t);

/* CLOCK_MONOTONIC. */
uint64_t c25_http_now_ns(void);

/* ---- http_socket.c ------------------------------------------------------ */

/* The address in it, unmapped. */
struct c25_addr c25_http_addr_of(const struct sockaddr_storage *sa);

/*
 * A listening socket. Returns: the fd and *port, or -errno with err naming
 * the address and the remedy.
 */
int c25_http_open(const struct c25_http_listen *how, uint16_t *port,
	struct c25_error *err);

#endif
