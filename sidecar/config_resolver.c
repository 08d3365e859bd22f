/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whom to ask: the "resolver" section, for what a connector verifies (what is
 * done with it is in resolve.c); "resolveAt" of apps and the "unbound"
 * section, for what a client's Unbound asks others (in forwarding.c).
 */

#include "config_reader.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "forwards.h"

#define DNS_PORT 53
#define ANCHORS_MAX 16
#define INSECURE_MAX 256

int
c25_config_dns_server(const char *text, size_t len,
	struct c25_config_forward *to)
{
	const char *at = memchr(text, '@', len);
	size_t digits, address = at != NULL ? (size_t)(at - text) : len;
	unsigned long port = 0;

	to->port = DNS_PORT;
	if (c25_addr_parse(&to->addr, text, address) != 0)
		return -EINVAL;
	to->addr = c25_addr_unmap(&to->addr);
	if (at == NULL)
		return 0;
	digits = len - address - 1;
	if (digits == 0 || digits > 5 || *++at == '0')
		return -EINVAL;
	for (size_t i = 0; i < digits; i++) {
		if (at[i] < '0' || at[i] > '9')
			return -EINVAL;
		port = port * 10 + (unsigned long)(at[i] - '0');
	}
	if (port > UINT16_MAX)
		return -EINVAL;
	to->port = (uint16_t)port;
	return 0;
}

static void
read_forward(struct c25_config_reader *r, const cJSON *json, void *to)
{
	const char *text = c25_reader_text(r, json);
	char shown[C25_SHOWN_MAX];

	if (text != NULL &&
	    c25_config_dns_server(text, strlen(text), to) != 0)
		c25_reader_error(r, "%s \"%s\": is no server: write its "
			"address, such as 10.0.0.53, with a port as "
			"10.0.0.53@5353", r->key,
			c25_config_shown(shown, text));
}

static void
read_forwards(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config *cfg = to;
	size_t n;

	cfg->resolver.forward = c25_reader_room(r, json,
		sizeof(*cfg->resolver.forward), &n);
	cfg->resolver.forward_count = n;
	if (n > C25_DNS_SERVERS_MAX || (cJSON_IsArray(json) && n == 0))
		c25_reader_error(r, "%s: has %zu servers: 1 to %d can be "
			"given; without the key those of /etc/resolv.conf are "
			"asked", r->key, n, C25_DNS_SERVERS_MAX);
	c25_reader_each(r, json, cfg->resolver.forward,
		sizeof(*cfg->resolver.forward), read_forward);
}

static void
read_texts(struct c25_config_reader *r, const cJSON *json,
	struct c25_config_strings *to, size_t max, c25_reader_fn *read)
{
	to->items = c25_reader_room(r, json, sizeof(*to->items), &to->count);
	for (size_t i = 0; i < to->count; i++)
		to->items[i] = "";
	if (to->count > max)
		c25_reader_error(r, "%s: has %zu of them: %zu are the most",
			r->key, to->count, max);
	c25_reader_each(r, json, to->items, sizeof(*to->items), read);
}

static void
read_anchors(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config *cfg = to;

	cfg->resolver.anchors_given = true;
	read_texts(r, json, &cfg->resolver.anchors, ANCHORS_MAX,
		c25_reader_path);
}

static void
read_insecure(struct c25_config_reader *r, const cJSON *json, void *to)
{
	const char *text = c25_reader_text(r, json);
	char shown[C25_SHOWN_MAX], name[C25_NAME_TEXT_MAX];
	struct c25_spec_domain domain;
	struct c25_why why = { "" };

	if (text == NULL)
		return;
	if (c25_config_text_domain(text, &domain, &why) != 0)
		c25_reader_error(r, "%s \"%s\": %s", r->key,
			c25_config_shown(shown, text), why.text);
	else if (domain.wildcard)
		c25_reader_error(r, "%s \"%s\": names below it are always "
			"meant: leave out the \"*.\"", r->key,
			c25_config_shown(shown, text));
	else
		*(const char **)to = c25_reader_copy(r, c25_name_to_text(
			domain.name.wire, domain.name.len, name));
}

static void
read_insecures(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config *cfg = to;

	read_texts(r, json, &cfg->resolver.insecure, INSECURE_MAX,
		read_insecure);
}

void
c25_config_read_resolver(struct c25_config_reader *r, const cJSON *json,
	void *to)
{
	static const struct c25_reader_key keys[] = {
		{ "forward", read_forwards, 0, false },
		{ "trustAnchors", read_anchors, 0, false },
		{ "insecureDomains", read_insecures, 0, false },
	};

	r->resolver_at = c25_reader_here(r);
	c25_reader_object(r, json, C25_KEYS(keys), to);
}

/* ---- apps that are resolved elsewhere ---------------------------------- */

void
c25_config_read_resolve_at(struct c25_config_reader *r, const cJSON *json,
	void *to)
{
	const char *text = c25_reader_text(r, json);

	*(bool *)to = true;
	if (text == NULL)
		return;
	if (strcmp(text, "connector") != 0)
		c25_reader_error(r, "%s: must be \"connector\": leave the key "
			"out to resolve the names as any other", r->key);
}

void
c25_config_read_dns_servers(struct c25_config_reader *r, const cJSON *json,
	void *to)
{
	struct c25_config_app *app = to;
	size_t n;

	app->dns_servers = c25_reader_room(r, json,
		sizeof(*app->dns_servers), &n);
	app->dns_server_count = n;
	if (n > C25_DNS_SERVERS_MAX || (cJSON_IsArray(json) && n == 0))
		c25_reader_error(r, "%s: has %zu servers: 1 to %d can be "
			"given", r->key, n, C25_DNS_SERVERS_MAX);
	c25_reader_each(r, json, app->dns_servers,
		sizeof(*app->dns_servers), read_forward);
}

static void
read_control_socket(struct c25_config_reader *r, const cJSON *json, void *to)
{
	size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

	if (cJSON_IsString(json) && strlen(json->valuestring) > max)
		c25_reader_error(r, "%s: is too long for a socket: %zu bytes "
			"are the most", r->key, max);
	else
		c25_reader_path(r, json, to);
}

void
c25_config_read_unbound(struct c25_config_reader *r, const cJSON *json,
	void *to)
{
	static const struct c25_reader_key keys[] = {
		C25_KEY(struct c25_config, unbound.include_file,
			"includeFile", c25_reader_path),
		C25_KEY(struct c25_config, unbound.control_socket,
			"controlSocket", read_control_socket),
	};

	c25_reader_object(r, json, C25_KEYS(keys), to);
}

/* Names that are resolved elsewhere need to be told where. */
void
c25_config_check_resolve_at(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;
	char shown[C25_SHOWN_MAX];

	for (size_t i = 0; i < cfg->app_count; i++) {
		const struct c25_config_app *app = &cfg->apps[i];
		bool servers = app->dns_server_count > 0;

		(void)c25_config_shown(shown, app->name);
		if (app->resolve_at_connector && !servers)
			c25_config_error_add(r->errs, app->at, false,
				"app \"%s\": resolveAt without "
				"\"dnsServers\": list the DNS servers that "
				"know its domains", shown);
		else if (!app->resolve_at_connector &&
		    (servers || app->dns_insecure))
			c25_config_error_add(r->errs, app->at, false,
				"app \"%s\": %s without "
				"\"resolveAt\" does nothing: add "
				"\"resolveAt\": \"connector\", or remove it",
				shown, servers ? "dnsServers" :
				"dnsInsecure");
	}
}

/* ... and Unbound has to be told, which takes its time. */
void
c25_config_check_unbound(struct c25_config_reader *r)
{
	const struct c25_config *cfg = r->cfg;
	char shown[C25_SHOWN_MAX];
	size_t domains = 0, last = 0;

	for (size_t i = 0; i < cfg->app_count; i++) {
		if (cfg->apps[i].dns_server_count == 0)
			continue;
		domains += cfg->apps[i].domain_count;
		last = i;
	}
	if (domains == 0)
		return;
	(void)c25_config_shown(shown, cfg->apps[last].name);
	if (cfg->unbound.include_file == NULL &&
	    cfg->unbound.control_socket == NULL)
		c25_config_error_add(r->errs, cfg->apps[last].at, true,
			"app \"%s\": resolveAt does "
			"nothing as Unbound isn't told: add \"unbound\": { "
			"\"includeFile\": ..., \"controlSocket\": ... }",
			shown);
	if (domains > C25_FORWARDS_PLAN_MAX)
		c25_config_error_add(r->errs, cfg->apps[last].at, true,
			"app \"%s\": %zu domains with "
			"resolveAt are more than Unbound can be told while it "
			"runs: write wildcards, or restart Unbound after each "
			"change", shown, domains);
}
