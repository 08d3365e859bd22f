/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config.h - the configuration file as plain data, and what is wrong with it.
 *
 * What the keys mean to an administrator is explained in
 * contrib/conn25.json; this header says what the programs see of them. The
 * compiled form that the module matches names with is made by compile.h.
 *
 * Example:
 *	struct c25_config_errors errs = { 0 };
 *	struct c25_config *cfg;
 *	char line[C25_CONFIG_LINE_MAX];
 *	int r = c25_config_load(path, &cfg, &errs);
 *
 *	for (size_t i = 0; i < c25_config_error_count(&errs); i++)
 *		c25_log(C25_LOG_ERROR, "%s",
 *			c25_config_error_line(&errs, i, line));
 *	c25_config_errors_free(&errs);
 *	if (r != 0)
 *		... keep what was there before ...
 *	c25_config_free(cfg);
 *
 * Rules
 *   reading    nothing but the named file is opened; whether the group, the
 *              directories, the interface or the key file exist is found
 *              out by whoever uses them.
 *   threads    a loaded configuration never changes: any thread may read it.
 *   memory     everything reachable from a struct c25_config is owned by it
 *              and goes with c25_config_free(). Strings are never NULL
 *              unless the comment says so; arrays may be NULL when empty.
 *   order      arrays keep the order of the file.
 */
#ifndef CONN25_CONFIG_H
#define CONN25_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn25/addr.h"
#include "conn25/name.h"
#include "conn25/policy.h"
#include "limits.h"
#include "tls.h"

#define C25_CONFIG_FILE_DEFAULT "/etc/conn25/conn25.json"
#define C25_STATE_DIR_DEFAULT "/var/lib/conn25"
#define C25_CONFIG_SIZE_MAX (256u << 20)	/* bytes of file */
#define C25_KEY_BYTES 32			/* an Ed25519 public key */
#define C25_CONFIG_KEYS_MAX 8			/* in one publicKey */
#define C25_CONFIG_PINS_MAX 8			/* in one pin */
#define C25_DNS_SERVERS_MAX 8			/* in one list of them */

/* ---- what is in it ------------------------------------------------------ */

/* One CIDR, "first-last" or lone address of the file. */
struct c25_config_range {
	struct c25_range range;
	size_t at;			/* byte offset in the file, for
					 * messages */
};

struct c25_config_ranges {
	struct c25_config_range *items;
	size_t count;
};

struct c25_config_strings {
	const char **items;
	size_t count;
};

/* A public key. */
struct c25_config_key {
	uint8_t bytes[C25_KEY_BYTES];
};

/* The keys that somebody may sign with; several while they are changed. None:
 * nothing has to be signed. */
struct c25_config_keys {
	struct c25_config_key *items;
	size_t count;			/* up to C25_CONFIG_KEYS_MAX */
};

struct c25_config_pins {
	struct c25_tls_pin *items;
	size_t count;			/* up to C25_CONFIG_PINS_MAX */
};

/* A DNS server. */
struct c25_config_forward {
	struct c25_addr addr;		/* never ::ffff:a.b.c.d */
	uint16_t port;
};

/* "apps": what is reached through connectors. */
struct c25_config_app {
	const char *name;		/* unique, 1..C25_APP_NAME_MAX bytes,
					 * UTF-8 without control characters */
	/* The domains, canonical, each with .app set to the index of this
	 * app: a part of c25_config.domains. */
	const struct c25_spec_domain *domains;
	size_t domain_count;
	struct c25_config_strings connectors;	/* tags, or "*" */
	/* Connector role: where this app may lead. Ask
	 * c25_config_app_allows(). */
	struct c25_config_ranges destinations;
	bool destinations_given;	/* false: no such key, no limit */
	/* ... and only to addresses of its domains, of which it has some:
	 * verify.h. */
	bool verify_destinations;
	/* "resolveAt": whom Unbound asks for its domains; none: as for any
	 * other name. */
	bool resolve_at_connector;	/* there are some */
	struct c25_config_forward *dns_servers;
	size_t dns_server_count;	/* up to C25_DNS_SERVERS_MAX */
	bool dns_insecure;		/* nothing there is validated */
	size_t at;			/* byte offset of the name */
};

/* A URL of the form scheme://host[:port], taken apart. */
struct c25_config_url {
	const char *text;		/* without a trailing slash */
	bool tls;			/* https */
	const char *host;		/* without brackets */
	struct c25_addr addr;		/* unset when host is a name */
	uint16_t port;			/* default 80, https 443 */
};

/* "connectors": client role, whom to tell. */
struct c25_config_connector {
	const char *name;		/* unique, 1..C25_CONNECTOR_NAME_MAX
					 * printable ASCII without blanks or
					 * '=' */
	struct c25_config_strings tags;
	struct c25_config_url url;
	int32_t priority;		/* lower is tried first; default 0 */
	struct c25_config_keys public_keys;
	struct {			/* whom to believe to be it, with an
					 * https url; neither: the system's
					 * CAs */
		const char *ca_file;	/* NULL: none */
		struct c25_config_pins pins;
	} tls;
	struct c25_config_ranges transit_v4;	/* its own, or empty */
	struct c25_config_ranges transit_v6;
	size_t at;			/* byte offset of the name */
};

/* "peers": connector role, who may tell us. */
struct c25_config_peer {
	const char *name;		/* unique, as a connector's, but up to
					 * C25_APP_NAME_MAX bytes */
	struct c25_addr *addresses;	/* at least one; no two peers share
					 * one; never ::ffff:a.b.c.d */
	size_t address_count;
	struct c25_config_keys public_keys;
	uint32_t *apps;			/* indexes into c25_config.apps,
					 * ascending, each once */
	size_t app_count;
	/* Names in its "apps" that "apps" doesn't have (a warning): it may
	 * use them, once there are any. */
	struct c25_config_strings unknown_apps;
	size_t at;			/* byte offset of the name */
};

/* Where to listen; always a literal address. */
struct c25_config_listen {
	bool set;			/* the key is there */
	bool tls;			/* https; never of admin */
	const char *text;		/* the URL; "" when not set */
	struct c25_addr addr;
	uint16_t port;
	size_t at;			/* byte offset in the file */
};

struct c25_config {
	const char *file;		/* as given to c25_config_load() */
	const char *run_dir;		/* C25_RUN_DIR_DEFAULT; sockets in it
					 * fit into sockaddr_un */
	const char *state_dir;		/* C25_STATE_DIR_DEFAULT */
	const char *user;		/* to become; NULL: stay who we are */
	const char *group;		/* NULL: keep the process's group, or
					 * that of the user */

	/* Shared pools, by enum c25_pool_kind. Families are right, nothing
	 * overlaps but a connector's transit with a shared transit pool that
	 * contains it. */
	struct c25_config_ranges pools[C25_POOL_KINDS];

	struct c25_config_app *apps;
	size_t app_count;
	struct c25_spec_domain *domains;	/* of all apps, in order */
	size_t domain_count;
	size_t domains_apart;		/* ... of the client role, each once */

	struct c25_config_connector *connectors;
	size_t connector_count;		/* up to C25_CONNECTORS_MAX */
	uint16_t *connector_order;	/* indexes by priority, then name */

	struct c25_config_peer *peers;
	size_t peer_count;

	struct {
		struct c25_config_strings tags;
		const char *private_key_file;	/* NULL: don't sign */
	} self;
	struct {
		struct c25_config_listen transit_ip;	/* the peer API */
		struct c25_config_listen admin;	/* metrics, health, state */
		/* What signed requests may be for besides the address that
		 * they came to: "name", "name:port", lower case. */
		struct c25_config_strings authorities;
		/* Both or neither; both with an https transit_ip. */
		const char *certificate_file;
		const char *private_key_file;
	} listen;
	struct {			/* for verified ones, names in url */
		struct c25_config_forward *forward;	/* none: those of
							 * /etc/resolv.conf */
		size_t forward_count;
		struct c25_config_strings anchors;	/* paths */
		bool anchors_given;	/* false: the usual place, if there
					 * is such a file */
		/* Names, canonical, at and below which nothing is signed. */
		struct c25_config_strings insecure;
	} resolver;
	struct {
		struct c25_limits transit_ip;	/* of each listener; default */
		struct c25_limits admin;	/* C25_LIMITS_DEFAULT */
		uint32_t mappings_per_peer;	/* default
						 * C25_MAPPINGS_PER_PEER */
	} limits;
	struct {
		uint32_t max_ttl_s;	/* seconds, default 300,
					 * 0..C25_LEASE_MAX_S */
		/* Destinations passed as they are, besides the special ones
		 * of c25_addr_is_special(); default none. */
		struct c25_config_ranges exclude;
		uint32_t hold_ms;	/* milliseconds, default 250, 0 never
					 * hold, up to 10000 */
	} dns;
	struct {
		uint32_t max_assignments;	/* default 65536;
					 * C25_ASSIGNMENTS_MIN.._MAX */
	} table;
	struct {
		bool nftables;		/* default false */
		const char *overlay;	/* interface name; NULL: not given,
					 * but it is with nftables */
		bool remove_at_stop;	/* default false */
	} datapath;

	struct {			/* for apps with dns_servers */
		const char *include_file;	/* NULL: not written */
		const char *control_socket;	/* NULL: not told */
	} unbound;
	struct {
		bool syslog;		/* default false: stderr */
		bool queries;		/* of matched names, by Unbound;
					 * default false */
	} log;

	struct c25_config_block *blocks;	/* private: the memory */
};

/* ---- what is wrong with it ---------------------------------------------- */

#define C25_CONFIG_ERRORS_MAX 100	/* kept; more are only counted */
/* Longest line of c25_config_error_line(), with its NUL. */
#define C25_CONFIG_LINE_MAX 1024

struct c25_config_error {
	unsigned line;			/* from 1; 0: the file as a whole */
	unsigned column;		/* from 1, in characters */
	size_t at;			/* byte offset in the file */
	bool warning;			/* doesn't keep it from loading */
	char text[512];			/* "subject: what: what to do" */
};

/* Start with all zero, but `advice` if you want that. Holds errors and warnings
 * in the order of the file. */
struct c25_config_errors {
	bool advice;			/* warn, too, of what works, and is
					 * seldom meant */
	const char *file;		/* owned; NULL before a load */
	struct c25_config_error *items;	/* owned */
	size_t count;			/* entries in items */
	size_t more;			/* others, not kept */
	size_t errors;			/* of all these, no warnings */
};

/* Lines that c25_config_error_line() can give: `count`, and one for `more`. */
size_t c25_config_error_count(const struct c25_config_errors *errs);

/*
 * "FILE:LINE:COLUMN: error: text" (or "warning:"; no numbers for the file as
 * a whole); after the last of them, "FILE: error: and N more ...".
 * Returns: buf, "" when there is no such line.
 */
const char *c25_config_error_line(const struct c25_config_errors *errs,
	size_t i, char buf[static C25_CONFIG_LINE_MAX]);

/* Give back the memory and start afresh. */
void c25_config_errors_free(struct c25_config_errors *errs);

/* ---- functions ---------------------------------------------------------- */

/*
 * A DNS server as the file has it: "address" or "address@port".
 * Returns: 0; -EINVAL.
 */
int c25_config_dns_server(const char *text, size_t len,
	struct c25_config_forward *to) __attribute__((warn_unused_result));

/*
 * Read, parse and check a file. Everything that is wrong with it is
 * collected, not only the first thing; warnings also when it is right.
 * Owns: *out is the caller's (c25_config_free()), NULL on failure; what
 * `errs` held before is freed.
 * Returns: 0 (errs may hold warnings); -EINVAL (see errs); -ENOENT, -EACCES,
 * other -errno of reading (errs says so, with the remedy); -EFBIG; -ENOMEM.
 */
int c25_config_load(const char *file, struct c25_config **out,
	struct c25_config_errors *errs)
	__attribute__((warn_unused_result));

/*
 * The same for a text in memory; pure. `file` is the name for messages.
 * Returns: 0; -EINVAL; -EFBIG; -ENOMEM.
 */
int c25_config_parse(const char *text, size_t len, const char *file,
	struct c25_config **out, struct c25_config_errors *errs)
	__attribute__((warn_unused_result));

void c25_config_free(struct c25_config *cfg);	/* NULL is fine */

/* Does this host answer clients, that is, is there a magic pool? */
bool c25_config_is_client(const struct c25_config *cfg);

/* Does this host serve peers: listen.transitIP and at least one peer? */
bool c25_config_is_connector(const struct c25_config *cfg);

/*
 * Is this host itself a connector for the app: the connector role, and one
 * of self.tags among the app's connectors? As upstream, "*" makes no host a
 * connector. Domains of such an app are not rewritten here (DESIGN 4.2).
 */
bool c25_config_app_self(const struct c25_config *cfg, size_t app);

/*
 * The connectors that serve an app: a tag in common, or the app says "*".
 * Returns: how many indexes into cfg->connectors were written to `out`, by
 * priority, then name.
 */
size_t c25_config_app_connectors(const struct c25_config *cfg, size_t app,
	uint16_t out[static C25_CONNECTORS_MAX]);

/*
 * May this app lead to the destination (connector role)? Forbidden addresses
 * (addr.h) never; otherwise inside `destinations`, or anywhere when the file
 * has no such key (checkconf warns of that); "destinations": [] allows nothing.
 * The connector's own addresses are the caller's to refuse.
 */
bool c25_config_app_allows(const struct c25_config *cfg, size_t app,
	const struct c25_addr *destination);

/* Index of the app of that name (byte for byte), or C25_APP_NONE. O(apps). */
uint32_t c25_config_app_find(const struct c25_config *cfg, const char *name);

#endif
