/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs.h - the one list of what conn25-control can ask conn25d: dispatch
 * (verbs.c), the argument check and the usage text of the tool are all made
 * from it.
 *
 * Each V(name, argument, json, columns, description) stands for a function
 * verb_NAME() in verbs.c or walk.c. `argument` is "" (takes none), "NAME|IP"
 * (one word) or "[KEY=VALUE ...]" (any number); `json`: --json may be said;
 * `columns` are those of a list, which a terminal gets to see above it.
 *
 * On the wire --json is the first word of the argument.
 */
#ifndef CONN25_VERBS_H
#define CONN25_VERBS_H

#include "control.h"

#define C25_VERBS(V) \
	V(status, "", 1, "", \
		"what is running, since when, is it ready") \
	V(stats, "", 1, "", \
		"print statistics, then set the counters to zero") \
	V(stats_noreset, "", 1, "", \
		"print statistics") \
	V(reload, "", 0, "", \
		"read the configuration again; a bad one changes nothing") \
	V(list_assignments, "[KEY=VALUE ...]", 1, "domain destination magic" \
		" transit app connector state lease_seconds", \
		"what clients were told; see below for KEY") \
	V(list_mappings, "[KEY=VALUE ...]", 1, "peer transit destination" \
		" app expires_in_seconds", \
		"what peers told this host; see below for KEY") \
	V(list_connectors, "", 1, "name url health queued acked" \
		" last_error", \
		"which connectors there are and how they are") \
	V(lookup, "NAME|IP", 1, "", \
		"policy, assignments and mappings of a name or address") \
	V(drop, "NAME|IP", 0, "", \
		"forget assignments and mappings of a name or address") \
	V(dump_state, "", 1, "", \
		"everything as JSON, as Tailscale's conn25 shows it") \
	V(verbosity, "N", 0, "", \
		"0 errors, 1 operation (default), 2 detail, 3 to 5 requests") \
	V(stop, "", 0, "", \
		"stop conn25d; the table stays for the next one")

/* What KEY may be; domain=*.example.com is everything below it too. */
#define C25_VERBS_ASSIGNMENT_KEYS \
	"app domain address connector state"
#define C25_VERBS_MAPPING_KEYS "app address peer"

struct c25_daemon;

/*
 * Answer one request line that c25_control_parse() took apart. An unknown
 * verb, a missing or unwanted argument are answered as errors.
 */
void c25_verbs_run(struct c25_daemon *d, const struct c25_control_line *line,
	struct c25_control_reply *r);

#endif
