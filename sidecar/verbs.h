/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs.h - the one list of what conn25-control can ask conn25d: dispatch
 * (verbs.c), the argument check and the usage text of the tool are all made
 * from it.
 *
 * Each V(name, argument, description) stands for a function verb_NAME() in
 * verbs.c; an argument of "" means that the verb takes none.
 */
#ifndef CONN25_VERBS_H
#define CONN25_VERBS_H

#include "control.h"

#define C25_VERBS(V) \
	V(status, "", \
		"what is running, since when, with which table") \
	V(stats, "", \
		"print statistics, then set the counters to zero") \
	V(stats_noreset, "", \
		"print statistics") \
	V(reload, "", \
		"read the configuration again; a bad one changes nothing") \
	V(list_assignments, "", \
		"domain destination magic transit app connector state" \
		" lease_seconds") \
	V(list_mappings, "", \
		"peer transit destination app expires_in_seconds") \
	V(list_connectors, "", \
		"name url health queued acked last_error") \
	V(lookup, "NAME|IP", \
		"policy, assignments and mappings of a name or address") \
	V(drop, "NAME|IP", \
		"forget assignments and mappings of a name or address") \
	V(verbosity, "N", \
		"log 0 errors, 1 operation, 2 detail, 3 each request") \
	V(stop, "", \
		"stop conn25d; the table stays for the next one")

struct c25_daemon;

/*
 * Answer one request line that c25_control_parse() took apart. An unknown
 * verb, a missing or unwanted argument are answered as errors.
 */
void c25_verbs_run(struct c25_daemon *d, const struct c25_control_line *line,
	struct c25_control_reply *r);

#endif
