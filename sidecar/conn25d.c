/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conn25d, the sidecar: tells connectors what Unbound assigned, and serves
 * what clients tell. This file reads the command line; daemon.c does it all.
 */

#include <getopt.h>
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
"Stays in the foreground and logs to stderr, or where \"log\" of the\n"
"configuration says. SIGHUP reads the configuration again, SIGTERM and\n"
"SIGINT stop it; the table of assignments and what is in stateDir stay for\n"
"the next start.\n"
"  -c FILE  configuration (default " C25_CONFIG_FILE_DEFAULT ")\n"
"  -v       log more: -v detail, -vv each request; conn25-control verbosity\n"
"           changes it while it runs\n"
"  -S       without the filter of system calls (seccomp)\n"
"  -h, --help\n"
"  -V, --version\n"
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
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:hSVv", longs, NULL)) !=
			-1) {
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
			if (options.verbosity < C25_LOG_VERBOSITY_MAX)
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
