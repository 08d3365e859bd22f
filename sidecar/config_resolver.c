/* SPDX-License-Identifier: BSD-3-Clause */
/* The "resolver" section: whom a connector asks about the domains of apps
 * with verifyDestinations. What is done with it is in resolve.c. */

#include "config_reader.h"

#include <stdlib.h>
#include <string.h>

#define DNS_PORT 53
#define FORWARD_MAX 8
#define ANCHORS_MAX 16
#define INSECURE_MAX 256

/* "address" or "address@port". Returns: 0, -1. */
static int
parse_forward(const char *text, struct c25_config_forward *to)
{
	const char *at = strchr(text, '@');
	size_t len = at != NULL ? (size_t)(at - text) : strlen(text);
	size_t digits;

	to->port = DNS_PORT;
	if (c25_addr_parse(&to->addr, text, len) != 0)
		return -1;
	to->addr = c25_addr_unmap(&to->addr);
	if (at == NULL)
		return 0;
	digits = strspn(++at, "0123456789");
	if (digits == 0 || digits > 5 || at[digits] != '\0' || *at == '0' ||
	    strtoul(at, NULL, 10) > UINT16_MAX)
		return -1;
	to->port = (uint16_t)strtoul(at, NULL, 10);
	return 0;
}

static void
read_forward(struct c25_config_reader *r, const cJSON *json, void *to)
{
	const char *text = c25_reader_text(r, json);
	char shown[C25_SHOWN_MAX];

	if (text != NULL && parse_forward(text, to) != 0)
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
	if (n > FORWARD_MAX || (cJSON_IsArray(json) && n == 0))
		c25_reader_error(r, "%s: has %zu servers: 1 to %d can be "
			"given; without the key those of /etc/resolv.conf are "
			"asked", r->key, n, FORWARD_MAX);
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

	c25_reader_object(r, json, C25_KEYS(keys), to);
}
