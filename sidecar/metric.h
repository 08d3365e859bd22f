/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * metric.h - the one list of what conn25d counts: what `stats` calls it, what
 * Prometheus calls it, and what it is. Statistics as text and as JSON and
 * /metrics are all printed from it (report.h), and tests compare what is
 * printed with the list.
 *
 * Example:
 *	const struct c25_metric *m;
 *
 *	for (m = c25_metrics; m->stat != NULL; m++)
 *		printf("%s=%llu\n", m->stat, c25_metric_get(m, &stats));
 *
 * Rules: metrics of one Prometheus name follow each other. Names and units
 * follow Prometheus' conventions: counters end in _total, times are in
 * seconds. Pure.
 */
#ifndef CONN25_METRIC_H
#define CONN25_METRIC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum c25_metric_kind {
	C25_METRIC_COUNTER,	/* `stats` counts from its last reset */
	C25_METRIC_GAUGE,
	C25_METRIC_SECONDS,	/* a gauge; milliseconds in memory */
	C25_METRIC_HISTOGRAM,	/* a struct c25_histogram */
};

struct c25_metric {
	const char *stat;	/* as "push.acked"; of a connector: what
				 * follows "connector.NAME."; of a histogram:
				 * what is before the class */
	const char *name;	/* as "conn25_push_acked_total"; NULL: none */
	const char *label;	/* as "pool=\"v4magic\"", or NULL */
	enum c25_metric_kind kind;
	size_t offset;		/* where it is: in struct c25_report_stats, or
				 * struct c25_report_peer */
	const char *help;
};

/* In struct c25_report_stats; the last one has no name. */
extern const struct c25_metric c25_metrics[];

/* Of each connector, in struct c25_report_peer; likewise. */
extern const struct c25_metric c25_connector_metrics[];

/* Not for histograms. */
static inline uint64_t
c25_metric_get(const struct c25_metric *m, const void *figures)
{
	uint64_t value;

	memcpy(&value, (const char *)figures + m->offset, sizeof(value));
	return value;
}

/* Make the counters of `figures` what they are since `base`; what has begun
 * anew meanwhile counts as it is. */
void c25_metrics_since(const struct c25_metric *list, void *figures,
	const void *base);

#endif
