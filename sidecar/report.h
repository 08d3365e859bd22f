/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * report.h - what conn25-control prints, as text and as JSON: status,
 * statistics and the lines of lists; and what /metrics says. Pure: plain data
 * in, text out. Statistics come from the list of metric.h.
 *
 * For scripts: one record a line, fields separated by one blank, always in
 * the order written here, never empty ("-" stands for nothing). Names of
 * apps may hold blanks: in a field every blank, backslash and byte that is
 * not printable is written \DDD as in a zone file; UTF-8 stays. Later
 * versions may add fields at the end of a line and lines to statistics.
 *
 *	list_assignments  domain destination magic transit app connector state
 *	                  lease_seconds
 *	list_mappings     peer transit destination app expires_in_seconds
 *	list_connectors   name url health queued acked last_error
 *
 * health is healthy; down: it doesn't answer, and what it has goes to others
 * after some seconds; returning: it answers again, but others are preferred
 * until that has lasted a while.
 * In JSON a list is an array of objects with these names as keys (camel case:
 * leaseSeconds), null stands for nothing, and statistics are one object.
 * state is pending, ready or refused; lease_seconds is 0 when the lease is
 * over and the addresses wait for reuse. last_error goes to the end of the
 * line, blanks included, and begins with how long ago that was: "5 min ago: ".
 * In JSON that is lastErrorTime, as in RFC 3339.
 *
 * Example:
 *	struct c25_buf b = { 0 };
 *
 *	while (c25_table_next(t, &cursor, &a))
 *		c25_report_assignment(&b, &a, "wiki", "office-1", now_ms);
 */
#ifndef CONN25_REPORT_H
#define CONN25_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "conn25/table.h"
#include "forwarding.h"
#include "mapping.h"
#include "nat.h"
#include "push.h"
#include "serve.h"
#include "store.h"

/* What `status` shows. */
struct c25_report_status {
	const char *version;
	int verbosity;
	long pid;
	const char *config;		/* file */
	const char *run_dir;
	const char *user;
	const char *capabilities;	/* "none", "all", or which */
	bool sandbox;			/* system calls are filtered */
	bool client;
	bool connector;
	bool table;			/* there is one: the next five count */
	uint64_t assignments;
	uint64_t pending;
	uint64_t capacity;
	uint64_t generation;
	unsigned modules;		/* doorbell connections */
	unsigned connectors;		/* configured */
	unsigned healthy;		/* ... of these */
	uint64_t mappings;		/* held for peers */
	const char *transit_ip;		/* URL, "" when not listening */
	const char *admin;
	const char *not_ready;		/* why, a line each; "" when ready */
	const char *degraded;		/* likewise; "" when nothing is */
	uint64_t uptime_s;
};

/* Everything but the connectors. Zero stands for what isn't there. */
struct c25_report_stats {
	uint64_t ready;			/* see health.h */
	uint64_t apps_down;
	uint64_t modules;		/* doorbell connections */
	uint64_t total[C25_STAT_COUNT];
	struct c25_histogram hold;
	struct c25_usage usage;		/* all zero without a table */
	struct c25_push_stats push;
	struct c25_serve_stats serve;
	struct c25_verify_stats verify;
	struct c25_store_stats store;
	struct c25_nat_stats nat;
	struct c25_forwarding_stats forwarding;
	uint64_t mappings;
	uint64_t parked;		/* assignments that no connector is
					 * there for */
	uint64_t now_ms;		/* of the wall clock */
	uint64_t up_ms;			/* since the start */
	uint64_t elapsed_ms;		/* since the last reset */
};

/* What is counted of each connector. */
struct c25_report_peer {
	const char *name;
	uint16_t reg;
	uint64_t healthy, preferred;	/* 0 or 1 */
	uint64_t queued, acked, failed;
};

/* One field of a line, as described above. NULL and "" are "-". */
void c25_report_field(struct c25_buf *out, const char *text);

void c25_report_status(struct c25_buf *out, bool json,
	const struct c25_report_status *s);

/* name=value lines, or one JSON object. */
void c25_report_stats(struct c25_buf *out, bool json,
	const struct c25_report_stats *s, const struct c25_report_peer *peers,
	size_t count);

/*
 * The same for Prometheus, in its text format. Ref: "Exposition formats" of
 * its documentation, version 0.0.4.
 */
#define C25_REPORT_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
void c25_report_metrics(struct c25_buf *out,
	const struct c25_report_stats *s, const struct c25_report_peer *peers,
	size_t count);

/* Lines of lists, each with its newline, or JSON objects without; app and
 * connector may be NULL. */
void c25_report_assignment(struct c25_buf *out, bool json,
	const struct c25_assignment *a, const char *app,
	const char *connector, uint64_t now_ms);
void c25_report_mapping(struct c25_buf *out, bool json,
	const struct c25_mapping *m, uint64_t now_ms);
/* Both times are now: by the clock of `info`, and on the wall. */
void c25_report_connector(struct c25_buf *out, bool json,
	const struct c25_push_info *info, const char *url, uint64_t now_ms,
	uint64_t wall_ms);

/* The words of a push state. */
const char *c25_report_push(uint8_t push);

#endif
