/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * module.h - what the files of the Unbound module share: the state of the
 * process, of a worker thread and of a query, and who may touch which.
 *
 *   struct c25_module   one per process, made by init(), freed by deinit().
 *                       `lock` guards the fields marked so.
 *   struct c25_worker   one per worker thread, made on its first query and
 *                       used by no other thread until deinit().
 *   struct c25_query    one per query state that is ours, in its region.
 *
 * The order of the locks: c25_module.lock, then any of Unbound's. Nothing
 * here is called with a lock of Unbound's held.
 *
 * How an answer is kept from clients (DESIGN 3): for every query state whose
 * name the policy matches no_cache_store is set before anything can store
 * its message; the real message goes into Unbound's message cache under a
 * key that no query can name (cache.c), and each client gets an answer made
 * from it (answer.c). Internal lookups get the real one.
 */
#ifndef CONN25_MODULE_MODULE_H
#define CONN25_MODULE_MODULE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "module/compat.h"

#include "conn25/policy.h"
#include "conn25/table.h"
#include "module/verdict.h"

enum {
	C25_RECENT_NAME = 56,		/* longer ones are not remembered, */
	C25_RECENT_ADDRESSES = 4,	/* nor more of them */
	C25_RECENT_BYTES = 256,
};

/* Reasons for a SERVFAIL of ours; the first four are pool kinds. */
enum c25_failure {
	C25_FAIL_V4_MAGIC = C25_POOL_V4_MAGIC,
	C25_FAIL_V4_TRANSIT = C25_POOL_V4_TRANSIT,
	C25_FAIL_V6_MAGIC = C25_POOL_V6_MAGIC,
	C25_FAIL_V6_TRANSIT = C25_POOL_V6_TRANSIT,
	C25_FAIL_TABLE_FULL = C25_POOL_KINDS,
	C25_FAIL_TABLE_DAMAGED,
	C25_FAIL_POLICY,		/* changes faster than we load it */
	C25_FAIL_MEMORY,
	C25_FAIL_SHARED,		/* an internal callback joined */
	C25_FAIL_STARTING,		/* conn25d puts back what it knows */
	C25_FAIL_NO_TABLE,		/* only the policy is known */
	C25_FAIL_OTHER,
	C25_FAIL_COUNT
};

/* A table handle that several workers hold. */
struct c25_shared_table {
	atomic_uint refs;
	struct c25_table *table;
};

/* The thread of watch.c, in an Unbound without libevent. */
struct c25_watch {
	pthread_t thread;
	bool runs;
	int stop;			/* eventfd */
	int bell;			/* its own doorbell connection, -1 */
	struct module_env *env;		/* for the message cache */
};

struct c25_module {
	int id;				/* our place in module-config */
	struct dynlibmod_env *dynlib;
	char run_dir[4096];
	size_t worker_count;		/* entries of `workers` */
	/* By thread number; each entry is written by its own thread, once. */
	struct c25_worker *_Atomic *workers;

	/* Changes whenever `table` or `policy` does. Its reader
	 * (c25_state_policy) pairs with the writers under `lock`. */
	atomic_uint epoch;
	/* c25_now_ms() of the last complaint about each failure. */
	atomic_uint_least64_t failure_logged_ms[C25_FAIL_COUNT];

	struct c25_watch watch;

	pthread_mutex_t lock;
	struct c25_shared_table *table;	/* lock: NULL when not attached */
	struct c25_policy *policy;	/* lock: NULL when none loaded */
	uint64_t next_poll_ms;		/* lock: when to try to attach */
	uint64_t next_load_ms;		/* lock: ... to load after failing */
	int last_error;			/* lock: the one that was logged */
	bool hold_told;			/* lock: that nothing is held here */
};

struct c25_bell {
	int fd;				/* -1: not connected */
	uint64_t next_try_ms;		/* of the next connect() */
	struct ub_event *readable;	/* NULL without events */
	struct ub_event *timer;		/* runs while something is missing */
	bool timer_on;
	uint64_t told;			/* the policy conn25d knows we have */
};

/* A query state that waits for a moment; see wait.c. */
struct c25_wait;
struct c25_worker;
typedef void c25_wait_due(struct c25_wait *e, struct c25_worker *w);

struct c25_wait {
	struct c25_worker *worker;	/* NULL: not waiting */
	struct module_qstate *qstate;
	struct c25_wait *prev, *next;
	uint64_t due_ms;		/* c25_now_ms() */
	c25_wait_due *due;
};

struct c25_waiting {
	struct c25_wait *first, *last;
	struct ub_event *timer;		/* for the first; NULL: never needed */
	bool timer_on;
};

/* A new assignment that an answer waits for. It may move to another connector
 * meanwhile: the magic address is what stays. */
struct c25_held {
	struct c25_ref ref;
	struct c25_addr magic;
	uint16_t connector;
};

/* All of them of one answer; see hold.c. */
struct c25_hold {
	struct c25_held *held;
	size_t count;
	struct c25_worker *worker;
	struct module_qstate *qstate;
	uint64_t since_us;		/* when it began to wait */
	struct c25_hold **list;		/* that it is in; NULL: doesn't wait */
	struct c25_hold *prev, *next;
};

/* What an answer that waits was made from. */
struct c25_before {
	unsigned epoch;			/* of the policy */
	struct dns_msg *source;		/* the real message, or a stale one */
	struct dns_msg *real;		/* what internal lookups get */
	int real_rcode;
};

struct c25_worker {
	struct c25_module *module;
	struct module_env *env;		/* this thread's */
	unsigned number;
	int iterator;			/* module numbers, -1: not there */
	int respip;
	unsigned epoch;			/* of the two references below */
	struct c25_shared_table *table;
	struct c25_policy *policy;
	time_t polled;			/* second of the last look around */
	uint64_t second_ends_ms;	/* c25_now_ms() when it is over */
	struct c25_recent *recent;	/* NULL without memory */
	size_t recent_bytes;
	struct c25_bell bell;
	struct c25_waiting waiting;
	struct c25_hold *holds, *ready;	/* answers that wait; ... no more */
	size_t hold_count;		/* in both */
};

/* An answer of the last seconds; see recent.c. */
struct c25_recent {
	struct rrset_ref rrset;		/* as a message has it */
	const void *data;		/* where its records were: a hint, not
					 * to be followed */
	time_t until;			/* the last second it is good for */
	unsigned epoch;			/* of policy and table; 0: none */
	uint16_t qtype;
	uint8_t name_len;
	uint8_t count;			/* of addresses, in the RRset's order */
	uint8_t name[C25_RECENT_NAME];	/* canonical */
	struct {
		struct c25_ref ref;
		uint8_t magic[16], destination[16];
	} addresses[C25_RECENT_ADDRESSES];
} __attribute__((aligned(C25_RECENT_BYTES)));

struct c25_query {
	struct c25_wait wait;
	struct c25_hold hold;
	bool held;			/* it has waited: the answer is made */
	struct c25_before before;	/* ... from this */
	bool from_cache;		/* the message is from our cache */
	bool stale;			/* ... and has expired */
	bool failed;			/* `failure` is to be explained */
	enum c25_failure failure;
	unsigned passes;		/* the name isn't ours by the policy
					 * of this epoch; 0: not known */
};

/* ---- state.c: attaching, policies, workers ---- */

/*
 * Make the process's state and try to attach. Not being able to attach is no
 * failure: it is tried again, and names pass unchanged if none are known.
 * Returns: 0; -ENOMEM; -ENAMETOOLONG (the run directory's path).
 */
int c25_state_create(struct module_env *env, int id,
	struct dynlibmod_env *dynlib, struct c25_module **out)
	__attribute__((warn_unused_result));

/* Free everything. No worker thread runs any more, and their event bases
 * are gone already. */
void c25_state_free(struct c25_module *m);

/* The state of the calling worker thread, made on first use.
 * Returns: NULL without memory. */
struct c25_worker *c25_state_worker(struct c25_module *m,
	struct module_env *env);

/*
 * The policy to use now; switches to a newly published one first, purging
 * what the caches know of its names. The worker keeps the reference; the
 * pointer is good until the next call of this function.
 * Locks: the module's, when something has changed or once a second.
 * Returns: NULL when there is none: everything passes.
 */
const struct c25_policy *c25_state_policy(struct c25_worker *w);

/* Look around now: attach, see whether the table was replaced. At most once
 * a second in the whole process. */
void c25_state_poll(struct c25_worker *w);

/* The same for a thread that is no worker: attach or load what is new.
 * Returns: the generation of the policy that there is now; 0: none. */
uint64_t c25_state_look(struct c25_module *m, struct module_env *env);

/* The table that goes with the worker's policy. */
static inline struct c25_table *c25_state_table(const struct c25_worker *w)
{
	return w->table == NULL ? NULL : w->table->table;
}

void c25_state_count(struct c25_worker *w, enum c25_stat stat, uint64_t n);

/* Bytes of heap the module has. */
size_t c25_state_mem(const struct c25_module *m);

/* ---- watch.c: the doorbell of an Unbound without libevent ---- */

/* Returns: 0; -errno (no thread, no descriptor). */
int c25_watch_start(struct c25_module *m, struct module_env *env)
	__attribute__((warn_unused_result));
/* Ends the thread; also when there is none. */
void c25_watch_stop(struct c25_module *m);

/* ---- bell.c: the doorbell ---- */

/* A new connection. Returns: the descriptor, non-blocking; -1. */
int c25_bell_open(const struct c25_module *m);

/* Tell conn25d that the policy of this generation is in force. Returns: false
 * when the connection is full or gone. */
bool c25_bell_seen(int fd, uint64_t generation);

/* Connect if need be, at most once a second; without events too. */
void c25_bell_keep(struct c25_worker *w);
/* Something was reserved: wake conn25d if it sleeps. */
void c25_bell_ring(struct c25_worker *w);
/* For deinit: the worker's event base is gone already. */
void c25_bell_close(struct c25_worker *w);

/* ---- cache.c: the messages kept from clients ---- */

/*
 * The real message for this query state from our part of the message cache.
 * `due` says that it is old enough to be fetched anew (prefetch).
 * Returns: the message in the state's region with TTLs counted down; NULL
 * when there is none, or none that may be used without validation.
 */
struct dns_msg *c25_cache_lookup(struct module_qstate *qstate, bool *due);

/* Make an answer from a kept message, whose TTLs are absolute; everything of
 * it is locked. Returns: NULL: this can't be done so. */
typedef struct dns_msg *c25_cache_user(void *arg,
	const struct reply_info *kept, time_t now);

/*
 * Let use() make the answer from the kept message, where it is: copying it
 * would cost more than all the rest. `due` as above.
 * Returns: what use() did; NULL when there is none to use.
 */
struct dns_msg *c25_cache_use(struct module_qstate *qstate,
	c25_cache_user *use, void *arg, bool *due);

/*
 * The kept message when it has expired and serve-expired allows it still.
 * `at_once` says that clients shall not wait for a lookup.
 * Returns: the message in the state's region; NULL.
 */
struct dns_msg *c25_cache_stale(struct module_qstate *qstate, bool *at_once);

/* Is it this query state that shall have the kept message fetched anew? Of
 * all that find it due only one shall, once in a few seconds. */
bool c25_cache_claim_refetch(struct module_qstate *qstate);

/* Seconds that the kept message still has, 0 when there is none. */
time_t c25_cache_left(struct module_qstate *qstate);

/* Keep the state's return message: a negative one under the public key, as
 * it holds nothing to hide, any other one under ours. */
void c25_cache_store(struct module_qstate *qstate);

/* Keep an upstream failure for a few seconds, as the iterator would; but not
 * before a kept message that can be answered. */
void c25_cache_store_failure(struct module_qstate *qstate);

/* Forget what another module has stored under the public key. */
void c25_cache_remove_public(struct module_qstate *qstate);

/*
 * Forget every public message whose question is ours under `policy`.
 * Returns: how many there were.
 */
size_t c25_cache_purge(struct module_env *env,
	const struct c25_policy *policy);

/* ---- recent.c: the answers of the last seconds ---- */

/* The memory of a worker; without it everything is just slower. */
void c25_recent_open(struct c25_worker *w);
void c25_recent_close(struct c25_worker *w);

/* The place for a question. Its memory is asked for, so that it is there
 * when something else has been done. Returns: NULL: it isn't remembered. */
struct c25_recent *c25_recent_place(struct c25_worker *w,
	const struct module_qstate *qstate);

/*
 * The answer by the worker's policy and table to the question of this place, if
 * it is recent enough; and what it is made from is asked for.
 * Returns: good until the next call of c25_recent_put(); NULL.
 */
struct c25_recent *c25_recent_find(struct c25_worker *w,
	struct c25_recent *place, const struct query_info *q, time_t now);

/* Remember an answer, of which *r has qtype, RRset and addresses, and until
 * when the kept message is good and not due to be fetched anew. */
void c25_recent_put(struct c25_worker *w, struct c25_recent *place,
	const struct c25_name *name, const struct c25_recent *r, time_t now);

/* ---- learn.c: responses of servers, before the iterator uses them ---- */

/* An inplace_cb_query_response_func_type. */
int c25_learn_response(struct module_qstate *qstate,
	struct dns_msg *response, int id, void *arg);

/* ---- reply.c: making messages ---- */

/* Who asks, and where the answer is made. Everything in a message that is
 * made for an ask lives in its region. */
struct c25_ask {
	struct query_info *q;		/* qname in the case it was asked */
	struct regional *region;
	struct edns_option **options;	/* for clients with EDNS, or NULL */
	unsigned clients;		/* who get this answer */
	struct c25_hold *hold;		/* what is new goes here, or NULL */
};

/* The ask of a query state. */
struct c25_ask c25_ask_of(struct module_qstate *qstate,
	struct c25_hold *hold);

/* One record's data, without the length before it. */
struct c25_rdata {
	const uint8_t *bytes;
	size_t len;
};

/* An empty reply to the question, with room for RRsets.
 * Returns: NULL without memory; so do all that return a message. */
struct dns_msg *c25_reply_new(const struct c25_ask *ask, int rcode,
	size_t rrset_room, time_t ttl);
/* Set the TTL of it and of its RRsets, which were made for it. */
void c25_reply_ttl(struct dns_msg *msg, time_t ttl);

/* Add an RRset of class IN, owned by the queried name, to the answer. */
bool c25_reply_add(const struct c25_ask *ask, struct dns_msg *msg,
	uint16_t type, time_t ttl, const struct c25_rdata *rdata,
	size_t count);

/* Add an RRset of one record, of the real message, to the authority section,
 * without its signatures. */
bool c25_reply_authority(const struct c25_ask *ask, struct dns_msg *msg,
	const struct ub_packed_rrset_key *rrset);

/* The same message without its additional section and without addresses,
 * also as hints of HTTPS and SVCB, anywhere but in `keep` (may be NULL); the
 * same pointer when there were none. */
struct dns_msg *c25_reply_trim(struct regional *region,
	struct dns_msg *msg, const struct ub_packed_rrset_key *keep);

/* Say that the answer is forged, to clients with EDNS. Ref: RFC 8914 4.5. */
void c25_reply_forged(const struct c25_ask *ask);

/* ---- answer.c: what the client gets ---- */

enum c25_answer {
	C25_ANSWER_OK,		/* *out is the answer */
	C25_ANSWER_RETRY,	/* the policy is outdated: decide anew */
	C25_ANSWER_FAIL,	/* SERVFAIL, *why */
};

/* Turn the real message into the client's. */
enum c25_answer c25_answer_real(const struct c25_ask *ask,
	struct c25_worker *w, const struct c25_verdict *v,
	struct dns_msg *real, struct dns_msg **out, enum c25_failure *why);

/* The answer to A or AAAA when all that it needs is there and known already,
 * which is so for most: as c25_cache_user. Counts nothing on failure. */
struct c25_known {
	const struct c25_ask *ask;
	struct c25_worker *w;
	const struct c25_verdict *v;
	struct c25_recent recent;	/* what the answer was made from;
					 * .count is 0 if that is too much */
};
struct dns_msg *c25_answer_known(void *known, const struct reply_info *kept,
	time_t now);

/* The same answer again. Returns: NULL: it isn't any more. */
struct dns_msg *c25_answer_recent(const struct c25_ask *ask,
	struct c25_worker *w, struct c25_recent *r, time_t now);

/* Answer without asking anybody: REVERSE, ANY, REFUSE. */
enum c25_answer c25_answer_own(const struct c25_ask *ask,
	struct c25_worker *w, const struct c25_verdict *v,
	struct dns_msg **out, enum c25_failure *why);

/* Does an answer of this verdict need no message of anybody? */
static inline bool c25_answer_is_own(const struct c25_verdict *v)
{
	return v->kind == C25_DO_REVERSE || v->kind == C25_DO_ANY ||
		v->kind == C25_DO_REFUSE;
}

/* ---- local.c: what Unbound answers before it asks any module ---- */

/* An inplace_cb_reply_func_type for inplace_cb_reply_local. */
int c25_local_reply(struct query_info *qinfo, struct module_qstate *qstate,
	struct reply_info *rep, int rcode, struct edns_data *edns,
	struct edns_option **options, struct comm_reply *client,
	struct regional *region, struct timeval *start, int id, void *arg);

/* ---- wait.c: query states that wait for a moment ---- */

/*
 * Call due() in this worker's event loop after that time, once. The entry is
 * the caller's and stays where it is until then or until c25_wait_remove().
 * Returns: false when there are no events to wait with.
 */
bool c25_wait_add(struct c25_worker *w, struct c25_wait *e,
	struct module_qstate *qstate, uint64_t in_ms, c25_wait_due *due);
/* Don't. Also for an entry that isn't waiting. */
void c25_wait_remove(struct c25_wait *e);
/* For deinit: the worker's event base is gone already. */
void c25_wait_close(struct c25_worker *w);

/* ---- hold.c: answers that wait for their connectors ---- */

/* Let the state, whose answer is made, wait for what is in q->hold.
 * Returns: false: there is nothing to wait for, or no use in it. */
bool c25_hold_start(struct module_qstate *qstate, struct c25_worker *w,
	struct c25_query *q);
/* Answer those that are ready, or all; not from within operate(). */
void c25_hold_look(struct c25_worker *w, bool all);
/* The state is going to be deleted. */
void c25_hold_forget(struct c25_query *q);

/* ---- stale.c: serve-expired ---- */

/* An expired message to answer with now; `refetch` says that it is to be
 * fetched anew after that. Returns: NULL: look it up; clients who wait too
 * long will be given it. Always so for what no client asks. */
struct dns_msg *c25_stale_now(struct module_qstate *qstate,
	struct c25_worker *w, struct c25_query *q, bool *refetch);
/* An expired message for the clients of a lookup that failed, or NULL. */
struct dns_msg *c25_stale_after_failure(struct module_qstate *qstate,
	struct c25_worker *w);
/* Tell the clients of an expired answer, and count them. */
void c25_stale_note(struct module_qstate *qstate, unsigned clients);

/* ---- query.c: the life of a query state ---- */

void c25_query_start(struct module_qstate *qstate, int id,
	struct c25_worker *w);
void c25_query_done(struct module_qstate *qstate, int id,
	struct c25_worker *w);
/* Make the clients' answer from return_msg, which has expired, and put it
 * there. Returns: false when there is none now. */
bool c25_query_answer_stale(struct module_qstate *qstate,
	struct c25_worker *w);
/* The state is going to be deleted. */
void c25_query_clear(struct module_qstate *qstate, int id);
/* Is it known already that by the worker's policy the name isn't ours? */
static inline bool c25_query_passes(const struct module_qstate *qstate, int id,
	const struct c25_worker *w)
{
	const struct c25_query *q = qstate->minfo[id];

	return q != NULL && q->passes == w->epoch;
}

/* How many clients wait for this state's answer. */
unsigned c25_query_clients(const struct module_qstate *qstate);
/* Say why in a log line, at most once a minute for each reason. */
void c25_query_complain(struct c25_worker *w, enum c25_failure why);

/* So many clients asked for a matched name: count them, and log the query if
 * the policy says so. */
void c25_query_matched(struct c25_worker *w, struct query_info *q,
	unsigned clients);
/* What to tell the client about a failure of ours. */
const char *c25_query_failure_text(enum c25_failure why);

/* The process's state, from a query state. */
static inline struct c25_module *c25_module_of(struct module_env *env, int id)
{
	struct dynlibmod_env *dynlib = env->modinfo[id];

	return dynlib->dyn_env;
}

#endif
