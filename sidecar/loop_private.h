/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop_private.h - what loop.c, the HTTP server and http_client.c share: the
 * libwebsockets context, and whose listeners and clients there are.
 */
#ifndef CONN25_LOOP_PRIVATE_H
#define CONN25_LOOP_PRIVATE_H

#include <libwebsockets.h>

#include "loop.h"

struct c25_http_listener;
struct c25_http_client;

/* Descriptors besides the listeners' connections. */
#define C25_LOOP_SPARE 768

/* What lws_get_opaque_user_data() points to starts with one of these. */
enum c25_kind { C25_KIND_LOOP = 1, C25_KIND_CLIENT };

struct c25_loop {
	enum c25_kind kind;
	struct lws_context *lws;
	struct lws_vhost *vhost;	/* of clients and our epoll */
	int epoll_fd;			/* owned by its wsi once adopted */
	struct lws *epoll_wsi;
	struct c25_watch *watches;	/* all that live */
	struct c25_watch *dead;		/* to be freed after the round */
	struct c25_timer *timers;	/* armed; few, so unsorted */
	struct c25_watch *timer_watch;	/* a timerfd for the earliest */
	uint64_t timer_due_us;		/* what it is set to, 0 nothing */
	bool (*may_sleep)(void *ctx);
	void *may_sleep_ctx;
	bool stop;
	/* of http.c and http_client.c */
	struct c25_http_listener *listeners;
	struct c25_http_client *clients;
	uint64_t round;			/* counts the dispatches of events */
	unsigned descriptors;		/* that the process may have */
};

/* The opaque user data of a wsi if it is of that kind, else NULL. */
static inline void *
c25_opaque(struct lws *wsi, enum c25_kind kind)
{
	enum c25_kind *is = lws_get_opaque_user_data(wsi);

	return is != NULL && *is == kind ? is : NULL;
}

/* An lws protocol callback, in the table of loop.c. */
int c25_http_client_callback(struct lws *wsi,
	enum lws_callback_reasons reason, void *user, void *in, size_t len);

/* Let go of what is left when the loop ends. */
void c25_http_listeners_free(struct c25_loop *loop);
void c25_http_clients_detach(struct c25_loop *loop);

#endif
