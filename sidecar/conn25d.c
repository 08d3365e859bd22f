/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conn25d, the sidecar: tells connectors what Unbound assigned, and serves
 * what clients tell. This file reads the command line; daemon.c does it all.
 */

#include <stdio.h>
#include <unistd.h>

#include "config.h"
#include "conn25/log.h"
#include "daemon.h"

static void
usage(FILE *to)
{
	(void)fprintf(to,
"usage: conn25d [-hVv] [-c FILE]\n"
"Stays in the foreground and logs to stderr. SIGHUP reads the configuration\n"
"again, SIGTERM and SIGINT stop it; the table of assignments and what is in\n"
"stateDir stay for the next start.\n"
"  -c FILE  configuration (default " C25_CONFIG_FILE_DEFAULT ")\n"
"  -v       log more; up to -vv for each request\n"
"  -h       this text\n"
"  -V       version\n"
"\n"
"It runs as the user it was started as. Started as root, it gives runDir,\n"
"table and sockets to \"group\" of the configuration, so that Unbound's user\n"
"can be a member; as another user, or without \"group\", files get the group\n"
"of the process.\n");
}

int
main(int argc, char **argv)
{
	struct c25_daemon_options options = {
		.file = C25_CONFIG_FILE_DEFAULT,
		.verbosity = C25_LOG_INFO,
	};
	int option;

	while ((option = getopt(argc, argv, "c:hVv")) != -1) {
		switch (option) {
		case 'c':
			options.file = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			(void)puts("conn25d " C25_VERSION);
			return 0;
		case 'v':
			options.verbosity++;
			break;
		default:
			usage(stderr);
			return 1;
		}
	}
	if (optind != argc) {
		(void)fprintf(stderr, "conn25d: %s: unexpected argument\n",
			argv[optind]);
		usage(stderr);
		return 1;
	}
	c25_log_open("conn25d", options.verbosity);
	return c25_daemon_run(&options);
}
