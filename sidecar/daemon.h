/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * daemon.h - conn25d as a whole: what belongs together while it runs, start,
 * reload and stop. The parts do the work; this ties them together.
 *
 *	signals, control ----> daemon ----> config -> compile -> table
 *	doorbell, table ring --> pusher --> connectors
 *	HTTP listeners --------> serve ---> mappings --> persist --> store
 *
 * Example (conn25d.c):
 *	return c25_daemon_run(&(struct c25_daemon_options){
 *		.file = "/etc/conn25/conn25.json", .verbosity = 1 });
 *
 * Rules
 *   start      with a valid configuration the table and the policy come
 *              first, before anything that takes time or may fail: they stay
 *              when the start fails, so that Unbound gives no real address
 *              away meanwhile.
 *   privileges the user is changed before anything is made or opened, but
 *              for the two directories and the configuration; what only the
 *              start needs is given up when everything is open, before
 *              there is a second thread.
 *   reload     first everything that may be refused, then the change; a
 *              configuration that can't be applied changes nothing.
 *   roles      without the client role there is no table, no doorbell and
 *              no pusher (the members are NULL then), unless an earlier
 *              conn25d left a table: it gets a policy that matches nothing.
 *   stop       whoever sees conn25d end knows that what it was told is
 *              written.
 *   threads    one, and inside the store the one that writes.
 */
#ifndef CONN25_DAEMON_H
#define CONN25_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "certificates.h"
#include "config.h"
#include "conn25/table.h"
#include "control.h"
#include "doorbell.h"
#include "forwarding.h"
#include "http.h"
#include "keep.h"
#include "keys.h"
#include "loop.h"
#include "nat.h"
#include "persist.h"
#include "privileges.h"
#include "pusher.h"
#include "resolve.h"
#include "report.h"
#include "serve.h"

#define C25_TICK_MS 1000		/* expiry of mappings */
#define C25_RECLAIM_MS 1000		/* between two looks for what is over */

struct c25_daemon_options {
	const char *file;		/* configuration */
	int verbosity;			/* enum c25_log_level */
	bool no_sandbox;		/* without the filter of system calls */
};

/* One HTTP listener and where it listens. */
struct c25_daemon_listener {
	struct c25_http_listener *http;	/* NULL: not listening */
	struct c25_addr addr;
	uint16_t port;
};

enum c25_daemon_listen { C25_LISTEN_TRANSIT_IP, C25_LISTEN_ADMIN };
#define C25_LISTENERS 2

struct c25_daemon {
	const struct c25_daemon_options *options;
	struct c25_config *cfg;		/* in force */
	struct c25_key *key;		/* NULL: nothing is signed */
	struct c25_certificates *certificates;	/* of TLS */
	struct c25_privileges privileges;
	char *run_dir;			/* of the start; reload keeps them */
	char *state_dir;
	gid_t gid;			/* of our files, or (gid_t)-1 */
	int lock_fd;
	struct c25_loop *loop;
	struct c25_watch *signals;
	struct c25_control *control;
	struct c25_daemon_listener listeners[C25_LISTENERS];
	struct c25_serve *serve;
	struct c25_resolve *resolve;	/* for what serve verifies */
	struct c25_resolve *names;	/* ... and for the pusher */
	struct c25_persist *persist;
	struct c25_forwarding *forwarding;	/* what Unbound asks others */
	struct c25_nat *nat;		/* the datapath, on or off */
	struct c25_table *table;	/* client role: these four */
	struct c25_doorbell *doorbell;
	struct c25_pusher *pusher;
	struct c25_keep *keep;
	struct c25_timer tick;
	struct c25_timer reclaim;
	/* By bit of c25_table_short(): when it was so, and when that was
	 * logged; 0: never. See health.h. */
	uint64_t short_ms[C25_TABLE_FOREIGN + 1];
	uint64_t short_told_ms[C25_TABLE_FOREIGN + 1];
	bool overlay_told;		/* logged: the overlay isn't there */
	bool replaced_told;		/* logged that the table has gone */
	bool reclaim_told;		/* ... that reclaiming fails */
	uint64_t start_ms;
	uint64_t reset_ms;		/* last `stats` */
	/* The counters at that time; those of connectors by reg. */
	struct c25_report_stats baseline;
	struct c25_report_peer peer_baseline[C25_CONNECTORS_MAX];
};

/*
 * Run until SIGTERM, SIGINT or `stop`.
 * Returns: the exit code; what failed has been logged.
 */
int c25_daemon_run(const struct c25_daemon_options *options);

/*
 * Read the configuration again and apply it. What is wrong or needs a
 * restart is logged, and added to `out` as lines unless that is NULL.
 * Returns: 0; -errno, and everything is as before.
 */
int c25_daemon_reload(struct c25_daemon *d, struct c25_buf *out)
	__attribute__((warn_unused_result));

/* Log a message, and add it to the reply of `reload` unless that is NULL. */
void c25_daemon_tell(struct c25_buf *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Leave the loop after this round. */
void c25_daemon_stop(struct c25_daemon *d);

#endif
