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
"usage: conn25d [-hSVv] [-c FILE]\n"
"Stays in the foreground and logs to stderr. SIGHUP reads the configuration\n"
"again, SIGTERM and SIGINT stop it; the table of assignments and what is in\n"
"stateDir stay for the next start.\n"
"  -c FILE  configuration (default " C25_CONFIG_FILE_DEFAULT ")\n"
"  -v       log more; up to -vv for each request\n"
"  -S       without the filter of system calls (seccomp)\n"
"  -h       this text\n"
"  -V       version\n"
"\n"
"Started as root, it becomes \"user\" of the configuration, and gives runDir,\n"
"table and sockets to \"group\", so that Unbound's user can be a member; as\n"
"another user it stays who it is, and files get the group of the process.\n");
}

int
main(int argc, char **argv)
{
	struct c25_daemon_options options = {
		.file = C25_CONFIG_FILE_DEFAULT,
		.verbosity = C25_LOG_INFO,
	};
	int option;

	while ((option = getopt(argc, argv, "c:hSVv")) != -1) {
		switch (option) {
		case 'c':
			options.file = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'S':
			options.no_sandbox = true;
			break;
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
