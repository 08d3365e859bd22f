/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics, as conn25-control and as Prometheus want them: see report.h. */

#include "report.h"

#include <inttypes.h>
#include <stdio.h>

#include "conn25/histogram.h"
#include "json.h"
#include "metric.h"

/* The classes of a histogram that Prometheus gets: 32 microseconds to 16
 * seconds; those above are in +Inf, those below in the first one. */
#define FIRST_CLASS 5
#define LAST_CLASS 24

static struct c25_histogram
histogram_of(const struct c25_metric *m, const void *figures)
{
	struct c25_histogram h;

	memcpy(&h, (const char *)figures + m->offset, sizeof(h));
	return h;
}

/* ---- conn25-control ------------------------------------------------------ */

/* One statistic; `value` is a number. */
static void
line(struct c25_buf *out, bool json, const char *name, const char *value)
{
	if (json)
		c25_json_raw(out, name, "%s", value);
	else
		c25_buf_format(out, "%s=%s\n", name, value);
}

/* In seconds with six digits after the point, as unbound prints classes. */
static void
histogram_lines(struct c25_buf *out, bool json, const struct c25_metric *m,
	const void *figures)
{
	struct c25_histogram h = histogram_of(m, figures);
	uint64_t from, to;
	char name[128], value[32];

	for (unsigned i = 0; i < C25_HISTOGRAM_CLASSES; i++) {
		to = c25_histogram_upper_us(i);
		from = i == 0 ? 0 : c25_histogram_upper_us(i - 1);
		(void)snprintf(name, sizeof(name), "%s.%06" PRIu64 ".%06"
			PRIu64 ".to.%06" PRIu64 ".%06" PRIu64, m->stat,
			from / 1000000, from % 1000000, to / 1000000,
			to % 1000000);
		(void)snprintf(value, sizeof(value), "%" PRIu64, h.count[i]);
		line(out, json, name, value);
	}
}

static void
stat_lines(struct c25_buf *out, bool json, const struct c25_metric *list,
	const void *figures, const char *prefix)
{
	const struct c25_metric *m;
	char name[192], value[32];

	for (m = list; m->stat != NULL; m++) {
		uint64_t n;

		if (m->kind == C25_METRIC_HISTOGRAM) {
			histogram_lines(out, json, m, figures);
			continue;
		}
		n = c25_metric_get(m, figures);
		(void)snprintf(name, sizeof(name), "%s%s", prefix, m->stat);
		if (m->kind == C25_METRIC_SECONDS)
			(void)snprintf(value, sizeof(value), "%" PRIu64
				".%03u000", n / 1000, (unsigned)(n % 1000));
		else
			(void)snprintf(value, sizeof(value), "%" PRIu64, n);
		line(out, json, name, value);
	}
}

void
c25_report_stats(struct c25_buf *out, bool json,
	const struct c25_report_stats *s, const struct c25_report_peer *peers,
	size_t count)
{
	char prefix[C25_CONNECTOR_NAME_MAX + 16];

	if (json)
		c25_buf_lit(out, "{");
	stat_lines(out, json, c25_metrics, s, "");
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(prefix, sizeof(prefix), "connector.%s.",
			peers[i].name);
		stat_lines(out, json, c25_connector_metrics, &peers[i],
			prefix);
	}
	if (json)
		c25_buf_lit(out, "}\n");
}

/* ---- Prometheus ---------------------------------------------------------- */

/* What is written once before all metrics of a name. */
static void
header(struct c25_buf *out, const struct c25_metric *m)
{
	static const char *const types[] = {
		[C25_METRIC_COUNTER] = "counter",
		[C25_METRIC_GAUGE] = "gauge",
		[C25_METRIC_SECONDS] = "gauge",
		[C25_METRIC_HISTOGRAM] = "histogram",
	};

	c25_buf_format(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help,
		m->name, types[m->kind]);
}

static void
histogram_samples(struct c25_buf *out, const struct c25_metric *m,
	const void *figures)
{
	struct c25_histogram h = histogram_of(m, figures);
	uint64_t sum = 0, upper;

	for (unsigned i = 0; i < C25_HISTOGRAM_CLASSES; i++) {
		sum += h.count[i];
		upper = c25_histogram_upper_us(i);
		if (i >= FIRST_CLASS && i <= LAST_CLASS)
			c25_buf_format(out, "%s_bucket{le=\"%" PRIu64 ".%06"
				PRIu64 "\"} %" PRIu64 "\n", m->name,
				upper / 1000000, upper % 1000000, sum);
	}
	c25_buf_format(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", m->name,
		sum);
	c25_buf_format(out, "%s_sum %" PRIu64 ".%06" PRIu64 "\n", m->name,
		h.sum_us / 1000000, h.sum_us % 1000000);
	c25_buf_format(out, "%s_count %" PRIu64 "\n", m->name, sum);
}

static void
sample(struct c25_buf *out, const struct c25_metric *m, const void *figures,
	const char *connector)
{
	uint64_t n = c25_metric_get(m, figures);

	c25_buf_str(out, m->name);
	if (m->label != NULL)
		c25_buf_format(out, "{%s}", m->label);
	if (connector != NULL) {
		/* a name has no control characters: JSON's quoting is theirs */
		c25_buf_lit(out, "{connector=");
		c25_json_string(out, connector);
		c25_buf_lit(out, "}");
	}
	if (m->kind == C25_METRIC_SECONDS)
		c25_buf_format(out, " %" PRIu64 ".%03u\n", n / 1000,
			(unsigned)(n % 1000));
	else
		c25_buf_format(out, " %" PRIu64 "\n", n);
}

void
c25_report_metrics(struct c25_buf *out, const struct c25_report_stats *s,
	const struct c25_report_peer *peers, size_t count)
{
	const struct c25_metric *m;
	const char *last = "";

	c25_buf_lit(out, "# HELP conn25_build_info The version of conn25d.\n"
		"# TYPE conn25_build_info gauge\n"
		"conn25_build_info{version=\"" C25_VERSION "\"} 1\n");
	for (m = c25_metrics; m->stat != NULL; m++) {
		if (m->name == NULL)
			continue;
		if (strcmp(m->name, last) != 0)
			header(out, m);
		last = m->name;
		if (m->kind == C25_METRIC_HISTOGRAM)
			histogram_samples(out, m, s);
		else
			sample(out, m, s, NULL);
	}
	for (m = c25_connector_metrics; m->stat != NULL && count > 0; m++) {
		header(out, m);
		for (size_t i = 0; i < count; i++)
			sample(out, m, &peers[i], peers[i].name);
	}
}
