/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From cJSON's tree to struct c25_config. One table of keys for each object
 * of the file; every value is judged where it stands, what needs other
 * values is left to config_check.c.
 */

#include "config_reader.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "conn25/table.h"

/* "/doorbell.sock" is the longest name of a socket in runDir. */
#define SOCKET_NAME_MAX (sizeof("/" C25_DOORBELL_FILE) - 1)
#define TAG_BYTES_MAX 255
#define AUTHORITY_BYTES_MAX 259	/* 253 of a name, a port */
#define INTERFACE_BYTES_MAX 15	/* IFNAMSIZ - 1 */
#define ACCOUNT_BYTES_MAX 63
#define PRIORITY_MAX 1000000
#define HOLD_MS_MAX 10000

/* ---- simple values ------------------------------------------------------ */

/* runDir holds Unix sockets, whose whole path must fit into an address. */
static void
read_run_dir(struct c25_config_reader *r, const cJSON *json, void *to)
{
	size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 -
		SOCKET_NAME_MAX;

	if (cJSON_IsString(json) && strlen(json->valuestring) > max)
		c25_reader_error(r, "runDir: is too long for the sockets in "
			"it: %zu bytes are the most", max);
	else
		c25_reader_path(r, json, to);
}

/* The name of a user or a group. */
static void
read_account(struct c25_config_reader *r, const cJSON *json, void *to)
{
	const char *text = c25_reader_short(r, json, ACCOUNT_BYTES_MAX);

	if (text != NULL)
		*(const char **)to = text;
}

static void
read_interface(struct c25_config_reader *r, const cJSON *json, void *to)
{
	const char *text = c25_reader_short(r, json, INTERFACE_BYTES_MAX);

	if (text == NULL)
		return;
	if (strpbrk(text, "/ :") != NULL)
		c25_reader_error(r, "%s: not the name of an interface: no '/', "
			"':' or space can be in it", r->key);
	*(const char **)to = text;
}

/* A name of ours: printable ASCII when `plain`. */
static void
read_name(struct c25_config_reader *r, const cJSON *json, const char **to,
	size_t max, bool plain)
{
	const char *text = c25_reader_text(r, json);
	char shown[C25_SHOWN_MAX];
	struct c25_why why = { "" };

	if (text == NULL)
		return;
	if (c25_config_text_name(text, max, plain, &why) == 0)
		*to = c25_reader_copy(r, text);
	else
		c25_reader_error(r, "name \"%s\": %s",
			c25_config_shown(shown, text), why.text);
}

static void
read_key(struct c25_config_reader *r, const cJSON *json, void *to)
{
	const char *text = c25_reader_text(r, json);
	char shown[C25_SHOWN_MAX];
	struct c25_why why = { "" };

	if (text == NULL)
		return;
	if (c25_config_text_key(text, to, &why) != 0)
		c25_reader_error(r, "%s \"%s\": %s", r->key,
			c25_config_shown(shown, text), why.text);
	else if (!c25_config_key_usable(to))
		c25_config_error_add(r->errs, c25_reader_here(r), true,
			"%s \"%s\": is no Ed25519 key, nothing that is "
			"signed will be accepted: write what conn25-control "
			"keygen has printed", r->key,
			c25_config_shown(shown, text));
}

/* One key, or an array of them. */
static void
read_keys(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config_keys *keys = to;

	if (!cJSON_IsArray(json)) {
		keys->items = c25_reader_alloc(r, 1, sizeof(*keys->items));
		keys->count = keys->items != NULL;
		if (keys->items != NULL)
			read_key(r, json, keys->items);
		return;
	}
	keys->items = c25_reader_room(r, json, sizeof(*keys->items),
		&keys->count);
	if (keys->count == 0 || keys->count > C25_CONFIG_KEYS_MAX)
		c25_reader_error(r, "%s: has %zu keys: 1 to %d can be given",
			r->key, keys->count, C25_CONFIG_KEYS_MAX);
	c25_reader_each(r, json, keys->items, sizeof(*keys->items),
		read_key);
}

/* ---- ranges ------------------------------------------------------------- */

static void
read_ranges(struct c25_config_reader *r, const cJSON *json,
	struct c25_config_ranges *to, enum c25_family family)
{
	char shown[C25_SHOWN_MAX];
	const cJSON *child;
	struct c25_why why = { "" };

	to->items = c25_reader_room(r, json, sizeof(*to->items), &to->count);
	if (to->items == NULL || !c25_reader_down(r))
		return;
	to->count = 0;
	cJSON_ArrayForEach(child, json) {
		struct c25_config_range *range = &to->items[to->count];
		const char *text = c25_reader_text(r, child);

		if (text == NULL) {
			/* complained */
		} else if (c25_config_text_range(text, family,
		    &range->range, &why) != 0) {
			c25_reader_error(r, "%s \"%s\": %s", r->key,
				c25_config_shown(shown, text), why.text);
		} else {
			range->at = c25_reader_here(r);
			to->count++;
		}
		r->path[r->depth - 1]++;
	}
	c25_reader_up(r);
}

static void
read_ranges_v4(struct c25_config_reader *r, const cJSON *json, void *to)
{
	read_ranges(r, json, to, C25_V4);
}

static void
read_ranges_v6(struct c25_config_reader *r, const cJSON *json, void *to)
{
	read_ranges(r, json, to, C25_V6);
}

static void
read_ranges_any(struct c25_config_reader *r, const cJSON *json, void *to)
{
	read_ranges(r, json, to, C25_UNSET);
}

static void
read_pools(struct c25_config_reader *r, const cJSON *json, void *to)
{
	static const struct c25_reader_key keys[] = {
		{ "v4MagicIPPool", read_ranges_v4, C25_POOL_V4_MAGIC *
			sizeof(struct c25_config_ranges), false },
		{ "v4TransitIPPool", read_ranges_v4, C25_POOL_V4_TRANSIT *
			sizeof(struct c25_config_ranges), false },
		{ "v6MagicIPPool", read_ranges_v6, C25_POOL_V6_MAGIC *
			sizeof(struct c25_config_ranges), false },
		{ "v6TransitIPPool", read_ranges_v6, C25_POOL_V6_TRANSIT *
			sizeof(struct c25_config_ranges), false },
	};

	r->has.pools = true;
	c25_reader_object(r, json, C25_KEYS(keys), to);
}

/* ---- tags --------------------------------------------------------------- */

/* A tag that somebody has. */
static void
read_tag(struct c25_config_reader *r, const cJSON *json, void *to)
{
	const char *text = c25_reader_short(r, json, TAG_BYTES_MAX);

	if (text == NULL)
		return;
	if (strcmp(text, "*") == 0)
		c25_reader_error(r, "tags: \"*\" is no tag: it belongs into "
			"the \"connectors\" of an app");
	*(const char **)to = text;
}

/* A tag that an app asks for, or "*". */
static void
read_wanted_tag(struct c25_config_reader *r, const cJSON *json, void *to)
{
	const char *text = c25_reader_short(r, json, TAG_BYTES_MAX);

	if (text == NULL)
		return;
	*(const char **)to = text;
	c25_reader_ref(r, &r->tags, &(struct c25_config_ref){ .text = text,
		.owner = r->owner });
}

static void
read_strings(struct c25_config_reader *r, const cJSON *json,
	struct c25_config_strings *to, c25_reader_fn *read)
{
	to->items = c25_reader_room(r, json, sizeof(*to->items), &to->count);
	for (size_t i = 0; i < to->count; i++)
		to->items[i] = "";
	c25_reader_each(r, json, to->items, sizeof(*to->items), read);
}

static void
read_tags(struct c25_config_reader *r, const cJSON *json, void *to)
{
	read_strings(r, json, to, read_tag);
}

static void
read_wanted_tags(struct c25_config_reader *r, const cJSON *json, void *to)
{
	read_strings(r, json, to, read_wanted_tag);
}

/* ---- apps --------------------------------------------------------------- */

static void
read_app_name(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config_app *app = to;

	app->at = c25_reader_here(r);
	read_name(r, json, &app->name, C25_APP_NAME_MAX, false);
}

/* `to` is the app's `domains`; they all live in cfg->domains. */
static void
read_domains(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config_app *app = to;
	struct c25_config *cfg = r->cfg;
	char shown[C25_SHOWN_MAX];
	const cJSON *child;
	struct c25_why why = { "" };

	if (!c25_reader_expect(r, json, cJSON_IsArray(json),
	    "an array [...]") || cfg->domains == NULL ||
	    r->domain_at == NULL || !c25_reader_down(r))
		return;
	app->domains = cfg->domains + cfg->domain_count;
	cJSON_ArrayForEach(child, json) {
		const char *text = c25_reader_text(r, child);

		if (text == NULL || cfg->domain_count == r->domain_room) {
			/* complained; or not counted by domain_room() */
		} else if (c25_config_text_domain(text,
		    &cfg->domains[cfg->domain_count], &why) != 0) {
			c25_reader_error(r, "domain \"%s\": %s",
				c25_config_shown(shown, text), why.text);
		} else {
			r->domain_at[cfg->domain_count] = c25_reader_here(r);
			cfg->domains[cfg->domain_count++].app = r->owner;
			app->domain_count++;
		}
		r->path[r->depth - 1]++;
	}
	c25_reader_up(r);
}

static void
read_destinations(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config_app *app = to;

	app->destinations_given = true;
	read_ranges_any(r, json, &app->destinations);
}

static void
read_app(struct c25_config_reader *r, const cJSON *json, void *to)
{
	static const struct c25_reader_key keys[] = {
		{ "name", read_app_name, 0, true },
		{ "domains", read_domains, 0, false },
		C25_KEY(struct c25_config_app, connectors, "connectors",
			read_wanted_tags),
		{ "destinations", read_destinations, 0, false },
		C25_KEY(struct c25_config_app, verify_destinations,
			"verifyDestinations", c25_reader_bool),
		C25_KEY(struct c25_config_app, resolve_at_connector,
			"resolveAt", c25_config_read_resolve_at),
		{ "dnsServers", c25_config_read_dns_servers, 0, false },
		C25_KEY(struct c25_config_app, dns_insecure, "dnsInsecure",
			c25_reader_bool),
	};
	struct c25_config_app *app = to;

	app->name = "";
	r->owner = (uint32_t)(app - r->cfg->apps);
	c25_reader_object(r, json, C25_KEYS(keys), app);
}

/* How many domains all apps have together. */
static size_t
count_domains(const cJSON *apps)
{
	const cJSON *app, *domains;
	size_t n = 0;

	cJSON_ArrayForEach(app, apps) {
		domains = cJSON_GetObjectItemCaseSensitive(app, "domains");
		if (cJSON_IsArray(domains))
			n += (size_t)cJSON_GetArraySize(domains);
	}
	return n;
}

static void
read_apps(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config *cfg = to;

	r->has.apps = true;
	cfg->apps = c25_reader_room(r, json, sizeof(*cfg->apps),
		&cfg->app_count);
	r->domain_room = count_domains(json);
	cfg->domains = c25_reader_alloc(r, r->domain_room,
		sizeof(*cfg->domains));
	free(r->domain_at);
	r->domain_at = calloc(r->domain_room + 1, sizeof(*r->domain_at));
	if (r->domain_at == NULL)
		r->no_memory = true;
	c25_reader_each(r, json, cfg->apps, sizeof(*cfg->apps), read_app);
}

/* ---- connectors --------------------------------------------------------- */

static void
read_connector_name(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config_connector *c = to;

	c->at = c25_reader_here(r);
	read_name(r, json, &c->name, C25_CONNECTOR_NAME_MAX, true);
}

/* A URL, its texts copied. Returns: false after complaining. */
static bool
read_any_url(struct c25_config_reader *r, const cJSON *json,
	struct c25_config_url *url)
{
	const char *text = c25_reader_text(r, json);
	char host[C25_NAME_MAX], shown[C25_SHOWN_MAX];
	struct c25_why why = { "" };
	char *copied;
	size_t n;

	if (text == NULL)
		return false;
	if (c25_config_text_url(text, url, host, &why) != 0) {
		c25_reader_error(r, "%s \"%s\": %s", r->key,
			c25_config_shown(shown, text), why.text);
		memset(url, 0, sizeof(*url));
		url->text = url->host = "";
		return false;
	}
	url->host = c25_reader_copy(r, host);
	n = strlen(text);
	if (text[n - 1] == '/')
		n--;
	copied = c25_reader_alloc(r, n + 1, 1);
	url->text = copied != NULL ? memcpy(copied, text, n) : "";
	return true;
}

static void
read_url(struct c25_config_reader *r, const cJSON *json, void *to)
{
	(void)read_any_url(r, json, to);
}

static void
read_priority(struct c25_config_reader *r, const cJSON *json, void *to)
{
	*(int32_t *)to = (int32_t)c25_reader_number(r, json, 0,
		PRIORITY_MAX, 0);
}

static void
read_transit(struct c25_config_reader *r, const cJSON *json, void *to)
{
	static const struct c25_reader_key keys[] = {
		C25_KEY(struct c25_config_connector, transit_v4, "v4",
			read_ranges_v4),
		C25_KEY(struct c25_config_connector, transit_v6, "v6",
			read_ranges_v6),
	};

	c25_reader_object(r, json, C25_KEYS(keys), to);
}

static void
read_connector(struct c25_config_reader *r, const cJSON *json, void *to)
{
	static const struct c25_reader_key keys[] = {
		{ "name", read_connector_name, 0, true },
		C25_KEY(struct c25_config_connector, tags, "tags", read_tags),
		C25_KEY_REQUIRED(struct c25_config_connector, url, "url",
			read_url),
		C25_KEY(struct c25_config_connector, priority, "priority",
			read_priority),
		C25_KEY(struct c25_config_connector, public_keys, "publicKey",
			read_keys),
		{ "tls", c25_config_read_connector_tls, 0, false },
		{ "transit", read_transit, 0, false },
	};
	struct c25_config_connector *c = to;

	c->name = c->url.text = c->url.host = "";
	c25_reader_object(r, json, C25_KEYS(keys), c);
	if (!c->url.tls && c->url.text[0] != '\0' &&
	    (c->tls.ca_file != NULL || c->tls.pins.count > 0))
		c25_reader_error(r, "connectors: \"tls\" with an http url "
			"does nothing: write https:// in the url, or remove "
			"it");
}

static void
read_connectors(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config *cfg = to;

	cfg->connectors = c25_reader_room(r, json, sizeof(*cfg->connectors),
		&cfg->connector_count);
	if (cfg->connector_count > C25_CONNECTORS_MAX)
		c25_reader_error(r, "connectors: there are %zu of them: %d are "
			"the most", cfg->connector_count, C25_CONNECTORS_MAX);
	c25_reader_each(r, json, cfg->connectors, sizeof(*cfg->connectors),
		read_connector);
}

/* ---- peers -------------------------------------------------------------- */

static void
read_peer_address(struct c25_config_reader *r, const cJSON *json, void *to)
{
	const char *text = c25_reader_text(r, json);
	struct c25_addr *addr = to;
	char shown[C25_SHOWN_MAX];

	if (text == NULL)
		return;
	if (c25_addr_parse(addr, text, strlen(text)) != 0) {
		c25_reader_error(r, "address \"%s\": is not an address: "
			"write one such as 10.9.0.1 or fd00::1, without "
			"prefix or port", c25_config_shown(shown, text));
		return;
	}
	*addr = c25_addr_unmap(addr);
	c25_reader_ref(r, &r->peer_addrs, &(struct c25_config_ref){
		.addr = *addr, .owner = r->owner });
}

static void
read_peer_addresses(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config_peer *peer = to;

	peer->addresses = c25_reader_room(r, json, sizeof(*peer->addresses),
		&peer->address_count);
	if (cJSON_IsArray(json) && json->child == NULL)
		c25_reader_error(r, "addresses: at least one is needed: it "
			"is how a peer is known");
	c25_reader_each(r, json, peer->addresses, sizeof(*peer->addresses),
		read_peer_address);
}

static void
read_peer_app(struct c25_config_reader *r, const cJSON *json, void *to)
{
	const char *text = c25_reader_text(r, json);

	(void)to;
	if (text != NULL)
		c25_reader_ref(r, &r->peer_apps, &(struct c25_config_ref){
			.text = text, .owner = r->owner });
}

/* The room for their indexes; config_check.c finds these. */
static void
read_peer_apps(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config_peer *peer = to;
	size_t room;

	peer->apps = c25_reader_room(r, json, sizeof(*peer->apps), &room);
	peer->unknown_apps.items = c25_reader_alloc(r, room,
		sizeof(*peer->unknown_apps.items));
	if (peer->unknown_apps.items == NULL)
		return;
	c25_reader_each(r, json, peer->apps, sizeof(*peer->apps),
		read_peer_app);
}

static void
read_peer_name(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config_peer *peer = to;

	peer->at = c25_reader_here(r);
	read_name(r, json, &peer->name, C25_APP_NAME_MAX, true);
}

static void
read_peer(struct c25_config_reader *r, const cJSON *json, void *to)
{
	static const struct c25_reader_key keys[] = {
		{ "name", read_peer_name, 0, true },
		{ "addresses", read_peer_addresses, 0, true },
		C25_KEY(struct c25_config_peer, public_keys, "publicKey",
			read_keys),
		{ "apps", read_peer_apps, 0, false },
	};
	struct c25_config_peer *peer = to;

	peer->name = "";
	r->owner = (uint32_t)(peer - r->cfg->peers);
	c25_reader_object(r, json, C25_KEYS(keys), peer);
}

static void
read_peers(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config *cfg = to;

	r->has.peers = true;
	cfg->peers = c25_reader_room(r, json, sizeof(*cfg->peers),
		&cfg->peer_count);
	c25_reader_each(r, json, cfg->peers, sizeof(*cfg->peers), read_peer);
}

/* ---- the other sections ------------------------------------------------- */

static void
read_self(struct c25_config_reader *r, const cJSON *json, void *to)
{
	static const struct c25_reader_key keys[] = {
		C25_KEY(struct c25_config, self.tags, "tags", read_tags),
		C25_KEY(struct c25_config, self.private_key_file,
			"privateKeyFile", c25_reader_path),
	};

	c25_reader_object(r, json, C25_KEYS(keys), to);
}

static void
read_listen_url(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config_listen *listen = to;
	struct c25_config_url url;

	if (!read_any_url(r, json, &url))
		return;
	if (url.tls && listen == &r->cfg->listen.admin)
		c25_reader_error(r, "%s: https is for transitIP only: write "
			"http://, and keep it on loopback", r->key);
	else if (url.addr.family == C25_UNSET)
		c25_reader_error(r, "%s: \"%.80s\" is a name: write the "
			"address to listen on", r->key, url.host);
	listen->set = true;
	listen->tls = url.tls;
	listen->at = c25_reader_here(r);
	listen->text = url.text;
	listen->addr = url.addr;
	listen->port = url.port;
}

/* A name, or a name and a port; in lower case. */
static void
read_authority(struct c25_config_reader *r, const cJSON *json, void *to)
{
	const char *text = c25_reader_short(r, json, AUTHORITY_BYTES_MAX);
	char *lower;

	if (text == NULL)
		return;
	for (const char *p = text; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~' || *p == '/')
			c25_reader_error(r, "%s: \"%.80s\" is no name and no "
				"name:port", r->key, text);
	lower = c25_reader_alloc(r, strlen(text) + 1, 1);
	if (lower == NULL)
		return;
	for (size_t i = 0; text[i] != '\0'; i++)
		lower[i] = (char)tolower((unsigned char)text[i]);
	*(const char **)to = lower;
}

static void
read_authorities(struct c25_config_reader *r, const cJSON *json, void *to)
{
	read_strings(r, json, to, read_authority);
}

static void
read_listen(struct c25_config_reader *r, const cJSON *json, void *to)
{
	static const struct c25_reader_key keys[] = {
		C25_KEY(struct c25_config, listen.transit_ip, "transitIP",
			read_listen_url),
		C25_KEY(struct c25_config, listen.admin, "admin",
			read_listen_url),
		C25_KEY(struct c25_config, listen.authorities, "authorities",
			read_authorities),
		{ "tls", c25_config_read_listen_tls, 0, false },
	};
	struct c25_config *cfg = to;

	c25_reader_object(r, json, C25_KEYS(keys), cfg);
	if (cfg->listen.transit_ip.set && cfg->listen.admin.set &&
	    cfg->listen.transit_ip.port == cfg->listen.admin.port &&
	    c25_addr_eq(&cfg->listen.transit_ip.addr,
		&cfg->listen.admin.addr))
		c25_reader_error(r, "listen: transitIP and admin are the same "
			"address and port: give them different ports");
}

static void
read_max_ttl(struct c25_config_reader *r, const cJSON *json, void *to)
{
	uint32_t *v = to;

	*v = (uint32_t)c25_reader_number(r, json, 0, C25_LEASE_MAX_S, *v);
	r->max_ttl_at = c25_reader_here(r);
}

static void
read_hold(struct c25_config_reader *r, const cJSON *json, void *to)
{
	uint32_t *v = to;

	*v = (uint32_t)c25_reader_number(r, json, 0, HOLD_MS_MAX, *v);
}

static void
read_max_assignments(struct c25_config_reader *r, const cJSON *json,
	void *to)
{
	uint32_t *v = to;

	*v = (uint32_t)c25_reader_number(r, json, C25_ASSIGNMENTS_MIN,
		C25_ASSIGNMENTS_MAX, *v);
}

static void
read_dns(struct c25_config_reader *r, const cJSON *json, void *to)
{
	static const struct c25_reader_key keys[] = {
		C25_KEY(struct c25_config, dns.max_ttl_s, "maxTTL",
			read_max_ttl),
		C25_KEY(struct c25_config, dns.exclude, "exclude",
			read_ranges_any),
		C25_KEY(struct c25_config, dns.hold_ms, "holdMilliseconds",
			read_hold),
	};

	c25_reader_object(r, json, C25_KEYS(keys), to);
}

static void
read_table(struct c25_config_reader *r, const cJSON *json, void *to)
{
	static const struct c25_reader_key keys[] = {
		C25_KEY(struct c25_config, table.max_assignments,
			"maxAssignments", read_max_assignments),
	};

	c25_reader_object(r, json, C25_KEYS(keys), to);
}

static void
read_datapath(struct c25_config_reader *r, const cJSON *json, void *to)
{
	static const struct c25_reader_key keys[] = {
		C25_KEY(struct c25_config, datapath.nftables, "nftables",
			c25_reader_bool),
		C25_KEY(struct c25_config, datapath.overlay, "overlay",
			read_interface),
		C25_KEY(struct c25_config, datapath.remove_at_stop,
			"removeAtStop", c25_reader_bool),
	};
	const struct c25_config *cfg = to;

	c25_reader_object(r, json, C25_KEYS(keys), to);
	if (cfg->datapath.nftables && cfg->datapath.overlay == NULL)
		c25_reader_error(r, "datapath: nftables without \"overlay\": "
			"name the interface of the overlay, such as wg0");
}

static void
read_log_to(struct c25_config_reader *r, const cJSON *json, void *to)
{
	const char *text = c25_reader_text(r, json);

	if (text == NULL)
		return;
	*(bool *)to = strcmp(text, "syslog") == 0;
	if (strcmp(text, "syslog") != 0 && strcmp(text, "stderr") != 0)
		c25_reader_error(r, "%s: must be \"stderr\" or \"syslog\"",
			r->key);
}

static void
read_log(struct c25_config_reader *r, const cJSON *json, void *to)
{
	static const struct c25_reader_key keys[] = {
		C25_KEY(struct c25_config, log.syslog, "to", read_log_to),
		C25_KEY(struct c25_config, log.queries, "queries",
			c25_reader_bool),
	};

	c25_reader_object(r, json, C25_KEYS(keys), to);
}

void
c25_config_read(struct c25_config_reader *r, const cJSON *tree)
{
	static const struct c25_reader_key keys[] = {
		C25_KEY(struct c25_config, run_dir, "runDir", read_run_dir),
		C25_KEY(struct c25_config, state_dir, "stateDir",
			c25_reader_path),
		C25_KEY(struct c25_config, user, "user", read_account),
		C25_KEY(struct c25_config, group, "group", read_account),
		C25_KEY(struct c25_config, pools, "pools", read_pools),
		{ "apps", read_apps, 0, false },
		{ "connectors", read_connectors, 0, false },
		{ "self", read_self, 0, false },
		{ "listen", read_listen, 0, false },
		{ "limits", c25_config_read_limits, 0, false },
		{ "peers", read_peers, 0, false },
		{ "resolver", c25_config_read_resolver, 0, false },
		{ "dns", read_dns, 0, false },
		{ "table", read_table, 0, false },
		{ "datapath", read_datapath, 0, false },
		{ "unbound", c25_config_read_unbound, 0, false },
		{ "log", read_log, 0, false },
	};

	r->key = "configuration";
	c25_reader_object(r, tree, C25_KEYS(keys), r->cfg);
}
