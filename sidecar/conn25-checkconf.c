/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conn25-checkconf: says everything that is wrong with a configuration
 * file, in the manner of unbound-checkconf, and what this host lacks for its
 * datapath; prints what it compiles to, and the kernel's rules. Reads the file,
 * the key and TLS files named in it, owners and modes of its directories and,
 * with "nftables": true, the host's routes; needs no privileges but to read
 * these.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certificates.h"
#include "compile.h"
#include "config.h"
#include "datapath_host.h"
#include "datapath_rules.h"
#include "keys.h"
#include "privileges.h"
#include "rundir.h"

enum print { PRINT_NOTHING, PRINT_POLICY, PRINT_RULES };

static void
usage(FILE *to)
{
	(void)fprintf(to,
		"usage: conn25-checkconf [-o | -n] [-c FILE | FILE]\n"
		"Check the configuration FILE (default %s).\n"
		"  -c FILE  the file to check\n"
		"  -o       print the compiled policy\n"
		"  -n       print the kernel's rules as nft does\n"
		"  -h, --help     print this\n"
		"  -V, --version  print the version\n"
		"Exit status: 0 no errors, 1 errors.\n",
		C25_CONFIG_FILE_DEFAULT);
}

/* ---- the policy as text ------------------------------------------------- */

/*
 * Each line is "what: ...", in the order of the file but for pools, which
 * are in the order of their addresses. Scripts may rely on the first words.
 */

static const char *const pool_names[C25_POOL_KINDS] = {
	[C25_POOL_V4_MAGIC] = "v4MagicIPPool",
	[C25_POOL_V4_TRANSIT] = "v4TransitIPPool",
	[C25_POOL_V6_MAGIC] = "v6MagicIPPool",
	[C25_POOL_V6_TRANSIT] = "v6TransitIPPool",
};

static void
print_pools(const struct c25_policy *policy)
{
	char text[2 * C25_ADDR_TEXT_MAX];
	struct c25_spec_range range;

	for (size_t i = 0; c25_policy_range_at(policy, i, &range); i++) {
		uint64_t n = c25_range_count(&range.range);

		(void)printf("pool: %s %s ", pool_names[range.kind],
			c25_range_format(&range.range, text));
		if (n == UINT64_MAX)
			(void)printf("(2^64 addresses or more)");
		else
			(void)printf("(%llu address%s)",
				(unsigned long long)n, n == 1 ? "" : "es");
		if (range.connector != C25_CONNECTOR_NONE)
			(void)printf(" of %s", c25_policy_connector(policy,
				range.connector));
		(void)putchar('\n');
	}
}

static void
print_connectors(const struct c25_config *cfg)
{
	for (size_t i = 0; i < cfg->connector_count; i++) {
		const struct c25_config_connector *c = &cfg->connectors[i];

		(void)printf("connector: %s %s priority %d", c->name,
			c->url.text, c->priority);
		for (size_t j = 0; j < c->tags.count; j++)
			(void)printf("%s%s", j == 0 ? " tags " : ",",
				c->tags.items[j]);
		(void)printf("%s\n", c->public_keys.count > 0 ? " signed" : "");
	}
}

static void
print_apps(const struct c25_config *cfg, const struct c25_policy *policy)
{
	char text[2 * C25_ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < cfg->app_count; i++) {
		const struct c25_config_app *app = &cfg->apps[i];
		uint32_t n = 0;
		const uint16_t *list;

		list = c25_policy_app_connectors(policy, i, &n);
		(void)printf("app: \"%s\" connectors %s", app->name,
			n == 0 ? "none" : "");
		for (uint32_t j = 0; j < n; j++)
			(void)printf("%s%s", j == 0 ? "" : ",",
				c25_policy_connector(policy, list[j]));
		if (app->destinations_given)
			(void)printf(" destinations %s",
				app->destinations.count == 0 ? "none" : "");
		for (size_t j = 0; j < app->destinations.count; j++)
			(void)printf("%s%s", j == 0 ? "" : ",",
				c25_range_format(
					&app->destinations.items[j].range,
					text));
		for (size_t j = 0; j < app->dns_server_count; j++)
			(void)printf("%s%s@%u", j == 0 ? " resolved by " : ",",
				c25_addr_format(&app->dns_servers[j].addr,
					text), app->dns_servers[j].port);
		(void)printf("%s%s\n", app->verify_destinations ?
			" verified" : "", c25_config_app_self(cfg, i) ?
			" served here" : "");
	}
}

static void
print_domain(const struct c25_policy *policy, const char *name,
	const struct c25_match *m)
{
	if (m->app == C25_APP_NONE)
		return;
	(void)printf("domain: %s%s %s app \"%s\" rewrite %s\n",
		m->wildcard ? "*." : "", name,
		m->wildcard ? "wildcard" : "exact",
		c25_policy_app(policy, m->app), m->rewrite ? "yes" : "no");
}

static void
print_domains(const struct c25_policy *policy)
{
	char text[C25_NAME_TEXT_MAX];
	struct c25_match exact, wild;
	struct c25_name name;
	size_t cursor = 0;

	while (c25_policy_domain_next(policy, &cursor, &name, &exact,
	    &wild)) {
		(void)c25_name_to_text(name.wire, name.len, text);
		print_domain(policy, text, &exact);
		print_domain(policy, text, &wild);
	}
}

static void
print_peers(const struct c25_config *cfg)
{
	char text[C25_ADDR_TEXT_MAX];

	for (size_t i = 0; i < cfg->peer_count; i++) {
		const struct c25_config_peer *p = &cfg->peers[i];

		(void)printf("peer: %s addresses ", p->name);
		for (size_t j = 0; j < p->address_count; j++)
			(void)printf("%s%s", j == 0 ? "" : ",",
				c25_addr_format(&p->addresses[j], text));
		for (size_t j = 0; j < p->app_count; j++)
			(void)printf("%s\"%s\"", j == 0 ? " apps " : ",",
				cfg->apps[p->apps[j]].name);
		(void)printf("%s\n", p->public_keys.count > 0 ? " signed" : "");
	}
}

static void
print_policy(const struct c25_config *cfg, const struct c25_policy *policy)
{
	char text[2 * C25_ADDR_TEXT_MAX];

	(void)printf("client role: %s\nconnector role: %s\n",
		c25_config_is_client(cfg) ? "yes" : "no",
		c25_config_is_connector(cfg) ? "yes" : "no");
	(void)printf("maxTTL: %u\nholdMilliseconds: %u\n"
		"maxAssignments: %u\n", c25_policy_max_ttl(policy),
		c25_policy_hold(policy), cfg->table.max_assignments);
	for (size_t i = 0; i < cfg->dns.exclude.count; i++)
		(void)printf("exclude: %s\n", c25_range_format(
			&cfg->dns.exclude.items[i].range, text));
	print_pools(policy);
	print_connectors(cfg);
	print_apps(cfg, policy);
	print_domains(policy);
	print_peers(cfg);
}

/* ---- the program -------------------------------------------------------- */

/* Compile as conn25d does. Returns: 0, or -errno after saying why. */
static int
check_policy(const struct c25_config *cfg, bool print)
{
	static const uint8_t hash_key[16];	/* any key will do */
	struct c25_policy *policy = NULL;
	struct c25_error err = { "" };
	uint8_t *blob = NULL;
	size_t len = 0;
	int r;

	r = c25_compile(cfg, NULL, 1, hash_key, &blob, &len, &err);
	if (r == 0)
		r = c25_policy_load(blob, len, &policy, &err);
	if (r != 0) {
		(void)fprintf(stderr, "%s: error: %s\n", cfg->file,
			err.text);
		free(blob);
		return r;
	}
	if (print)
		print_policy(cfg, policy);
	c25_policy_unref(policy);
	return 0;
}

/* Tried as conn25d's user: reading the file again. */
static int
try_read(const void *ctx)
{
	const struct c25_config *cfg = ctx;

	return access(cfg->file, R_OK) == 0 ? 0 : -errno;
}

/* ... and using what an earlier conn25d has left. Says what it can't. */
struct dirs {
	const struct c25_config *cfg;
	long user;			/* of c25_rundir_user(), as root */
};

static int
try_dirs(const void *ctx)
{
	const struct dirs *dirs = ctx;
	const struct c25_config *cfg = dirs->cfg;
	struct c25_error err = { "" };
	int r = c25_rundir_reach(cfg->run_dir, cfg->state_dir, dirs->user,
		&err);

	if (r != 0)
		(void)fprintf(stderr, "%s: error: %s\n", cfg->file,
			err.text);
	return r;
}

/*
 * Who conn25d will be, started by whoever runs us; root becomes the user, so
 * that it and the group have to be there. *uid is C25_KEY_ANY_OWNER if that
 * can't be told.
 */
static int
check_who(const struct c25_config *cfg, uid_t *uid)
{
	bool root = geteuid() == 0;
	struct c25_error err = { "" };
	struct c25_privileges p;
	uid_t found;
	gid_t gid;
	int r = 0, g = 0;

	*uid = C25_KEY_ANY_OWNER;
	if (cfg->group != NULL &&
	    (g = c25_group_find(cfg->group, &gid, &err)) != 0)
		(void)fprintf(stderr, "%s: %s: %s\n", cfg->file, root ?
			"error" : "warning", err.text);
	if (cfg->user != NULL && (r = c25_user_find(cfg->user, cfg->group,
	    &found, &gid, &err)) != 0)
		(void)fprintf(stderr, "%s: %s: %s\n", cfg->file, root ?
			"error" : "warning", err.text);
	if (!root)
		return 0;
	if (cfg->user == NULL)
		(void)fprintf(stderr, "%s: warning: user: conn25d started by "
			"root runs as root: make a user for it and name that "
			"in \"user\"\n", cfg->file);
	if (r == 0 && cfg->user != NULL)
		*uid = found;
	if (r != 0 || g != 0)
		return r != 0 ? r : g;
	r = c25_privileges_find(&p, cfg->user, cfg->group, &err);
	if (r == 0 && p.change && c25_privileges_try(&p, try_read, cfg) != 0)
		(void)fprintf(stderr, "%s: warning: user %s can't read it: "
			"conn25d started by root can't reload it, and one "
			"started as that user (by systemd) doesn't start: "
			"chgrp it to that user's group and chmod 640, and "
			"open the directory likewise\n", cfg->file, p.user);
	if (r == 0 && p.change)
		r = c25_privileges_try(&p, try_dirs, &(struct dirs){ cfg,
			c25_rundir_user(cfg->run_dir, cfg->state_dir) });
	return r;
}

/* The file of a private key that root could read: can its user, too? It is the
 * owner's alone. */
static int
check_owner(const struct c25_config *cfg, const char *key, const char *file,
	uid_t owner)
{
	struct stat st;

	if (owner == C25_KEY_ANY_OWNER || stat(file, &st) != 0 ||
	    st.st_uid == owner)
		return 0;
	(void)fprintf(stderr, "%s: error: %s: %s: user %s can't read it: "
		"chown %s %s\n", cfg->file, key, file, cfg->user, cfg->user,
		file);
	return -EACCES;
}

/* Is the private key where it should be, and its owner's alone? */
static int
check_key(const struct c25_config *cfg, uid_t owner)
{
	const char *file = cfg->self.private_key_file;
	struct c25_error err = { "" };
	struct c25_key *key;
	int r;

	if (file == NULL)
		return 0;
	r = c25_key_load(file, geteuid() == 0 ? owner : geteuid(), &key,
		&err);
	c25_key_free(key);
	if (r == 0)
		return check_owner(cfg, "self.privateKeyFile", file, owner);
	(void)fprintf(stderr, "%s: error: self.privateKeyFile: %s\n",
		cfg->file, err.text);
	return r;
}

/* Do the files of TLS load, and how long is the certificate good? */
static int
check_certificates(const struct c25_config *cfg, uid_t owner)
{
	struct c25_certificates *c;
	struct c25_error err = { "" };
	int r = c25_certificates_load(cfg, owner, &c, &err);

	if (r != 0)
		(void)fprintf(stderr, "%s: error: %s\n", cfg->file, err.text);
	else if (c25_certificates_warn(c, cfg, &err))
		(void)fprintf(stderr, "%s: warning: %s\n", cfg->file,
			err.text);
	c25_certificates_free(c);
	if (r == 0 && cfg->listen.transit_ip.tls)
		r = check_owner(cfg, "listen.tls", cfg->
			listen.private_key_file, owner);
	return r;
}

/* Can the files of the resolver be read? What is in them, libunbound says. */
static int
check_anchors(const struct c25_config *cfg)
{
	const struct c25_config_strings *anchors = &cfg->resolver.anchors;
	bool verified = false;
	int r = 0;

	if (!c25_config_is_connector(cfg))
		return 0;
	for (size_t i = 0; i < cfg->app_count; i++)
		verified = verified || cfg->apps[i].verify_destinations;
	for (size_t i = 0; verified && i < anchors->count; i++)
		if (access(anchors->items[i], R_OK) != 0) {
			r = -errno;
			(void)fprintf(stderr, "%s: error: resolver: "
				"trustAnchors: %s: %s: correct the path, or "
				"let conn25d read it\n", cfg->file,
				anchors->items[i], strerror(errno));
		}
	return r;
}

/*
 * Owners and modes. Started by root conn25d insists on them, else it warns; it
 * is taken to be started by whoever runs us.
 */
static int
check_modes(const struct c25_config *cfg, uid_t uid)
{
	bool root = geteuid() == 0;
	struct c25_error err = { "" };
	int file, dirs;

	file = c25_privileges_config(cfg->file, root, &err);
	if (file != 0)
		(void)fprintf(stderr, "%s: %s: %s\n", cfg->file, root ?
			"error" : "warning", err.text);
	dirs = c25_rundir_check(cfg->run_dir, cfg->state_dir, uid, &err);
	if (dirs != 0)
		(void)fprintf(stderr, "%s: %s: %s\n", cfg->file, root ?
			"error" : "warning", err.text);
	return !root ? 0 : file != 0 ? file : dirs;
}

/* Returns: 0; -ENOMEM. */
static int
print_rules(const struct c25_config *cfg)
{
	struct c25_buf out = { 0 };
	struct c25_ruleset *rs;
	int r = c25_ruleset_new(cfg, NULL, 0, &rs);

	if (r == 0) {
		c25_ruleset_print(rs, &out);
		r = out.failed ? -ENOMEM : 0;
	}
	if (r == 0)
		(void)fputs(out.data, stdout);
	else
		(void)fprintf(stderr, "%s: error: out of memory\n",
			cfg->file);
	c25_ruleset_free(rs);
	c25_buf_free(&out);
	return r;
}

static void
print_warning(void *ctx, const char *text)
{
	(void)fprintf(stderr, "%s: warning: %s\n", (const char *)ctx, text);
}

static int
check_file(const char *file, enum print print)
{
	struct c25_config_errors errs = { .advice = true };
	char line[C25_CONFIG_LINE_MAX];
	struct c25_config *cfg;
	uid_t uid;
	int r, who;

	r = c25_config_load(file, &cfg, &errs);
	for (size_t i = 0; i < c25_config_error_count(&errs); i++)
		(void)fprintf(stderr, "%s\n",
			c25_config_error_line(&errs, i, line));
	if (r != 0 && c25_config_error_count(&errs) == 0)
		(void)fprintf(stderr, "%s: error: %s\n", file, strerror(-r));
	c25_config_errors_free(&errs);
	if (r != 0)
		return r;
	who = check_who(cfg, &uid);
	r = check_key(cfg, uid);
	if (r == 0)
		r = check_modes(cfg, uid);
	if (r == 0)
		r = check_certificates(cfg, uid);
	if (r == 0)
		r = check_anchors(cfg);
	if (r == 0)
		r = check_policy(cfg, print == PRINT_POLICY);
	if (r == 0)
		c25_datapath_host(cfg, print_warning, (void *)file);
	if (r == 0 && print == PRINT_RULES)
		r = print_rules(cfg);
	c25_config_free(cfg);
	if (r == 0)
		r = who;
	if (r == 0 && print == PRINT_NOTHING)
		(void)printf("conn25-checkconf: no errors in %s\n", file);
	return r;
}

int
main(int argc, char **argv)
{
	const char *file = NULL;
	enum print print = PRINT_NOTHING;
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c, r;

	while ((c = getopt_long(argc, argv, "c:onhV", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'o':
			print = PRINT_POLICY;
			break;
		case 'n':
			print = PRINT_RULES;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		case 'V':
			(void)puts("conn25-checkconf " C25_VERSION);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_FAILURE;
		}
	}
	if (optind < argc && file == NULL)
		file = argv[optind++];
	if (optind < argc) {
		(void)fprintf(stderr, "conn25-checkconf: %s: one file is "
			"checked at a time: call it again for this one\n",
			argv[optind]);
		return EXIT_FAILURE;
	}
	r = check_file(file != NULL ? file : C25_CONFIG_FILE_DEFAULT, print);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		(void)fprintf(stderr, "conn25-checkconf: stdout: can't be "
			"written: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
