/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of metric.h. */

#include "metric.h"

#include "report.h"

#define AT(member) offsetof(struct c25_report_stats, member)
#define STAT(stat) offsetof(struct c25_report_stats, total) + \
	(stat) * sizeof(uint64_t)
#define OF(member) offsetof(struct c25_report_peer, member)
#define COUNTER C25_METRIC_COUNTER
#define GAUGE C25_METRIC_GAUGE

#define POOL(what, name, kind, member, help) \
	{ "pool." what "." #member, name, "pool=\"" what "\"", GAUGE, \
	    AT(usage.pool[kind].member), help }
#define POOLS(name, member, help) \
	POOL("v4magic", name, C25_POOL_V4_MAGIC, member, help), \
	POOL("v4transit", name, C25_POOL_V4_TRANSIT, member, help), \
	POOL("v6magic", name, C25_POOL_V6_MAGIC, member, help), \
	POOL("v6transit", name, C25_POOL_V6_TRANSIT, member, help)

#define CODE(digit) \
	{ "serve.code." #digit, "conn25_serve_mappings_refused_by_code_total", \
	    "code=\"" #digit "\"", COUNTER, AT(serve.codes[digit]), \
	    "Mappings that peers were refused, by the code they were told." }

#define VERDICT(name, label, verdict) \
	{ "serve.verify." name, "conn25_verify_mappings_total", \
	    "verdict=\"" label "\"", COUNTER, \
	    AT(verify.verdicts[verdict]), \
	    "Mappings whose destination was verified, by the outcome." }

const struct c25_metric c25_metrics[] = {
	{ "ready", "conn25_ready", NULL, GAUGE, AT(ready),
	    "1 if conn25d does all that it is configured for, see /readyz." },
	{ "total.num.queries", "conn25_queries_total", NULL, COUNTER,
	    STAT(C25_STAT_QUERIES),
	    "Client queries that Unbound gave to the module." },
	{ "total.num.matched", "conn25_queries_matched_total", NULL, COUNTER,
	    STAT(C25_STAT_MATCHED),
	    "Client queries whose name the policy matched." },
	{ "total.num.rewritten", "conn25_answers_rewritten_total", NULL,
	    COUNTER, STAT(C25_STAT_REWRITTEN),
	    "Answers with magic addresses." },
	{ "total.num.emptied", "conn25_answers_emptied_total", NULL, COUNTER,
	    STAT(C25_STAT_EMPTIED),
	    "Answers made empty for want of a pool of that family." },
	{ "total.num.servfail", "conn25_answers_servfail_total", NULL,
	    COUNTER, STAT(C25_STAT_SERVFAIL),
	    "SERVFAIL answers, as nothing could be assigned." },
	{ "total.num.reserved", "conn25_assignments_reserved_total", NULL,
	    COUNTER, STAT(C25_STAT_RESERVED), "New assignments." },
	{ "total.num.renewed", "conn25_assignments_renewed_total", NULL,
	    COUNTER, STAT(C25_STAT_RENEWED),
	    "Assignments that were given out again." },
	{ "total.num.held", "conn25_answers_held_total", NULL, COUNTER,
	    STAT(C25_STAT_HELD),
	    "Answers that waited until a connector was ready." },
	{ "total.num.hold_timeout", "conn25_answers_hold_timeout_total", NULL,
	    COUNTER, STAT(C25_STAT_HOLD_TIMEOUT),
	    "Answers that waited until dns.holdMilliseconds were over." },
	{ "total.num.passed", "conn25_answers_passed_total", NULL, COUNTER,
	    STAT(C25_STAT_PASSED),
	    "Answers of matched names that were passed as they were." },
	{ "total.num.ptr", "conn25_answers_ptr_total", NULL, COUNTER,
	    STAT(C25_STAT_PTR), "Reverse lookups of magic addresses." },
	{ "hold.histogram", "conn25_hold_duration_seconds", NULL,
	    C25_METRIC_HISTOGRAM, AT(hold),
	    "How long held answers waited for a connector." },
	{ "assignments.current", "conn25_assignments", NULL, GAUGE,
	    AT(usage.assignments), "Living assignments." },
	{ "assignments.pending", "conn25_assignments_pending", NULL, GAUGE,
	    AT(usage.pending),
	    "Assignments that no connector has acknowledged yet." },
	{ "assignments.quarantined", "conn25_assignments_quarantined", NULL,
	    GAUGE, AT(usage.ended),
	    "Ended assignments whose addresses are not used again yet." },
	{ "assignments.capacity", "conn25_assignments_capacity", NULL, GAUGE,
	    AT(usage.capacity), "Assignments that the table has room for." },
	POOLS("conn25_pool_addresses_in_use", inuse,
	    "Addresses of a pool that are in use."),
	POOLS("conn25_pool_addresses", capacity, "Addresses of a pool."),
	{ "modules.connected", "conn25_modules_connected", NULL, GAUGE,
	    AT(modules), "Threads of Unbound that have the module connected." },
	{ "apps.down", "conn25_apps_down", NULL, GAUGE, AT(apps_down),
	    "Apps none of whose connectors answers." },
	{ "push.requests", "conn25_push_requests_total", NULL, COUNTER,
	    AT(push.requests), "Requests to connectors." },
	{ "push.probes", "conn25_push_probes_total", NULL, COUNTER,
	    AT(push.probes), "Requests to connectors that were empty." },
	{ "push.acked", "conn25_push_mappings_acked_total", NULL, COUNTER,
	    AT(push.acked), "Mappings that connectors acknowledged." },
	{ "push.failed", "conn25_push_mappings_failed_total", NULL, COUNTER,
	    AT(push.failed), "Mappings sent that were not acknowledged." },
	{ "push.retried", "conn25_push_mappings_retried_total", NULL, COUNTER,
	    AT(push.retried), "Mappings that were queued again." },
	{ "push.denied", "conn25_push_mappings_denied_total", NULL, COUNTER,
	    AT(push.denied),
	    "Mappings sent that a connector answered with a code." },
	{ "push.refused", "conn25_push_assignments_refused_total", NULL,
	    COUNTER, AT(push.refused),
	    "Assignments that every connector of their app refused." },
	{ "push.moved", "conn25_push_assignments_moved_total", NULL, COUNTER,
	    AT(push.moved), "Assignments that moved to another connector." },
	{ "push.stuck", "conn25_push_stuck_total", NULL, COUNTER,
	    AT(push.stuck),
	    "Times that an assignment had no room to move to." },
	{ "push.parked", "conn25_push_assignments_parked", NULL, GAUGE,
	    AT(parked), "Assignments that no connector is there for." },
	{ "push.histogram", "conn25_push_duration_seconds", NULL,
	    C25_METRIC_HISTOGRAM, AT(push.time),
	    "From a new assignment until its connector had it." },
	{ "serve.requests", "conn25_serve_requests_total", NULL, COUNTER,
	    AT(serve.requests), "Requests of peers." },
	{ "serve.denied", "conn25_serve_requests_denied_total", NULL, COUNTER,
	    AT(serve.denied), "Requests of peers that were denied." },
	{ "serve.mappings.ok", "conn25_serve_mappings_accepted_total", NULL,
	    COUNTER, AT(serve.mappings_ok),
	    "Mappings accepted from peers." },
	{ "serve.mappings.refused", "conn25_serve_mappings_refused_total",
	    NULL, COUNTER, AT(serve.mappings_refused),
	    "Mappings that peers were refused." },
	CODE(1), CODE(2), CODE(3), CODE(4), CODE(5), CODE(6),
	VERDICT("ok", "ok", C25_VERDICT_OK),
	VERDICT("nodomain", "no_domain", C25_VERDICT_NO_DOMAIN),
	VERDICT("foreign", "foreign", C25_VERDICT_FOREIGN),
	VERDICT("other", "other", C25_VERDICT_OTHER),
	VERDICT("bogus", "bogus", C25_VERDICT_BOGUS),
	VERDICT("later", "later", C25_VERDICT_LATER),
	{ "serve.verify.waited", "conn25_verify_requests_waited_total", NULL,
	    COUNTER, AT(verify.waited),
	    "Requests of peers that waited for lookups." },
	{ "serve.verify.names", "conn25_verify_names", NULL, GAUGE,
	    AT(verify.names), "Names whose addresses are remembered." },
	{ "serve.verify.lookups", "conn25_verify_lookups_total", NULL,
	    COUNTER, AT(verify.lookups), "Lookups begun." },
	{ "serve.verify.lookups.pending", "conn25_verify_lookups_pending",
	    NULL, GAUGE, AT(verify.pending), "Lookups under way." },
	{ "serve.verify.lookups.failed", "conn25_verify_lookups_failed_total",
	    NULL, COUNTER, AT(verify.failures), "Lookups that failed." },
	{ "serve.verify.lookups.bogus", "conn25_verify_lookups_bogus_total",
	    NULL, COUNTER, AT(verify.bogus),
	    "Lookups whose answer failed validation." },
	{ "serve.histogram", "conn25_serve_duration_seconds", NULL,
	    C25_METRIC_HISTOGRAM, AT(serve.time),
	    "How long requests of peers took to be answered." },
	{ "mappings.current", "conn25_mappings", NULL, GAUGE, AT(mappings),
	    "Mappings held for peers." },
	{ "resolve.forwards", "conn25_resolve_forward_zones", NULL, GAUGE,
	    AT(forwarding.zones),
	    "Names that Unbound is to ask other servers for." },
	{ "resolve.pending", "conn25_resolve_pending", NULL, GAUGE,
	    AT(forwarding.pending),
	    "1 if Unbound hasn't been told all of them yet." },
	{ "resolve.changes", "conn25_resolve_changes_total", NULL, COUNTER,
	    AT(forwarding.changes), "Forward zones that Unbound was told." },
	{ "resolve.failed", "conn25_resolve_failures_total", NULL, COUNTER,
	    AT(forwarding.failures),
	    "Attempts to tell Unbound that failed." },
	{ "store.pending", "conn25_store_changes_pending", NULL, GAUGE,
	    AT(store.pending), "Changes not in the database yet." },
	{ "store.written", "conn25_store_changes_written_total", NULL,
	    COUNTER, AT(store.written), "Changes written to the database." },
	{ "store.failed", "conn25_store_failures_total", NULL, COUNTER,
	    AT(store.failed), "Attempts to write the database that failed." },
	{ "datapath.elements", "conn25_datapath_elements", NULL, GAUGE,
	    AT(nat.datapath.elements), "Translations the kernel has." },
	{ "datapath.pending", "conn25_datapath_changes_pending", NULL, GAUGE,
	    AT(nat.datapath.pending),
	    "Changes that the kernel has not been told yet." },
	{ "datapath.batches", "conn25_datapath_transactions_total", NULL,
	    COUNTER, AT(nat.datapath.batches), "Netlink transactions." },
	{ "datapath.changes", "conn25_datapath_changes_total", NULL, COUNTER,
	    AT(nat.datapath.changes), "Translations added and removed." },
	{ "datapath.errors", "conn25_datapath_errors_total", NULL, COUNTER,
	    AT(nat.datapath.errors),
	    "Transactions and looks at connections that failed." },
	{ "datapath.repairs", "conn25_datapath_repairs_total", NULL, COUNTER,
	    AT(nat.datapath.repairs),
	    "Times that the kernel's table was not as it should be." },
	{ "datapath.flows", "conn25_datapath_flows", NULL, GAUGE,
	    AT(nat.datapath.flows),
	    "Connections through translations at the last look." },
	{ "datapath.kept", "conn25_datapath_extensions_total", NULL, COUNTER,
	    AT(nat.datapath.kept),
	    "Leases and mappings made longer for a connection." },
	{ "datapath.client.translated",
	    "conn25_datapath_connections_translated_total",
	    "role=\"client\"", COUNTER,
	    AT(nat.packets[C25_COUNT_CLIENT_TRANSLATED]),
	    "Connections that were translated." },
	{ "datapath.connector.translated",
	    "conn25_datapath_connections_translated_total",
	    "role=\"connector\"", COUNTER,
	    AT(nat.packets[C25_COUNT_CONNECTOR_TRANSLATED]),
	    "Connections that were translated." },
	{ "datapath.client.refused", "conn25_datapath_packets_refused_total",
	    "role=\"client\"", COUNTER,
	    AT(nat.packets[C25_COUNT_CLIENT_REFUSED]),
	    "Packets to addresses that stand for nothing." },
	{ "datapath.connector.refused",
	    "conn25_datapath_packets_refused_total", "role=\"connector\"",
	    COUNTER, AT(nat.packets[C25_COUNT_CONNECTOR_REFUSED]),
	    "Packets to addresses that stand for nothing." },
	{ "time.now", NULL, NULL, C25_METRIC_SECONDS, AT(now_ms),
	    "The time of day." },
	{ "time.up", "conn25_uptime_seconds", NULL, C25_METRIC_SECONDS,
	    AT(up_ms), "Since conn25d was started." },
	{ "time.elapsed", NULL, NULL, C25_METRIC_SECONDS, AT(elapsed_ms),
	    "Since `stats` set the counters to zero." },
	{ NULL, NULL, NULL, GAUGE, 0, NULL },
};

const struct c25_metric c25_connector_metrics[] = {
	{ "healthy", "conn25_connector_healthy", NULL, GAUGE, OF(healthy),
	    "1 if the connector answers." },
	{ "preferred", "conn25_connector_preferred", NULL, GAUGE,
	    OF(preferred),
	    "1 if the connector answers, and has for a while." },
	{ "queued", "conn25_connector_mappings_queued", NULL, GAUGE,
	    OF(queued), "Mappings that wait for the connector." },
	{ "acked", "conn25_connector_mappings_acked_total", NULL, COUNTER,
	    OF(acked), "Mappings that the connector acknowledged." },
	{ "failed", "conn25_connector_mappings_failed_total", NULL, COUNTER,
	    OF(failed), "Mappings sent to it that were not acknowledged." },
	{ NULL, NULL, NULL, GAUGE, 0, NULL },
};

/* How many numbers one has. */
static size_t
width(const struct c25_metric *m)
{
	return m->kind == C25_METRIC_HISTOGRAM ?
		sizeof(struct c25_histogram) / sizeof(uint64_t) : 1;
}

void
c25_metrics_since(const struct c25_metric *list, void *figures,
	const void *base)
{
	const struct c25_metric *m;
	uint64_t value, before;
	size_t i, at;

	for (m = list; m->stat != NULL; m++) {
		if (m->kind != C25_METRIC_COUNTER &&
				m->kind != C25_METRIC_HISTOGRAM)
			continue;
		for (i = 0; i < width(m); i++) {
			at = m->offset + i * sizeof(value);
			memcpy(&value, (char *)figures + at, sizeof(value));
			memcpy(&before, (const char *)base + at,
				sizeof(before));
			if (value >= before)
				value -= before;
			memcpy((char *)figures + at, &value, sizeof(value));
		}
	}
}
