/* SPDX-License-Identifier: BSD-3-Clause */
/* The objects "tls" of connectors and "listen", and "limits"; see
 * config_read.c for the others. */
#include "config_reader.h"

#include <string.h>

#include "mapping.h"

/* ---- tls ---------------------------------------------------------------- */

static void
read_pin(struct c25_config_reader *r, const cJSON *json, void *to)
{
	const char *text = c25_reader_text(r, json);
	char shown[C25_SHOWN_MAX];
	struct c25_why why = { "" };

	if (text != NULL && c25_config_text_pin(text, to, &why) != 0)
		c25_reader_error(r, "pin \"%s\": %s",
			c25_config_shown(shown, text), why.text);
}

/* One pin, or an array of them. */
static void
read_pins(struct c25_config_reader *r, const cJSON *json, void *to)
{
	struct c25_config_pins *pins = to;

	if (!cJSON_IsArray(json)) {
		pins->items = c25_reader_alloc(r, 1, sizeof(*pins->items));
		pins->count = pins->items != NULL;
		if (pins->items != NULL)
			read_pin(r, json, pins->items);
		return;
	}
	pins->items = c25_reader_room(r, json, sizeof(*pins->items),
		&pins->count);
	if (pins->count == 0 || pins->count > C25_CONFIG_PINS_MAX)
		c25_reader_error(r, "pin: there are %zu: 1 to %d can be "
			"given", pins->count, C25_CONFIG_PINS_MAX);
	c25_reader_each(r, json, pins->items, sizeof(*pins->items),
		read_pin);
}

void
c25_config_read_connector_tls(struct c25_config_reader *r,
	const cJSON *json, void *to)
{
	static const struct c25_reader_key keys[] = {
		C25_KEY(struct c25_config_connector, tls.ca_file, "caFile",
			c25_reader_path),
		C25_KEY(struct c25_config_connector, tls.pins, "pin",
			read_pins),
	};

	c25_reader_object(r, json, C25_KEYS(keys), to);
	if (cJSON_IsObject(json) && json->child == NULL)
		c25_reader_error(r, "tls: is empty: give \"caFile\" or "
			"\"pin\", or leave it out to trust the system's CAs");
}

void
c25_config_read_listen_tls(struct c25_config_reader *r, const cJSON *json,
	void *to)
{
	static const struct c25_reader_key keys[] = {
		C25_KEY_REQUIRED(struct c25_config, listen.certificate_file,
			"certificateFile", c25_reader_path),
		C25_KEY_REQUIRED(struct c25_config, listen.private_key_file,
			"privateKeyFile", c25_reader_path),
	};

	c25_reader_object(r, json, C25_KEYS(keys), to);
}

/* ---- limits ------------------------------------------------------------- */

static void
read_connections(struct c25_config_reader *r, const cJSON *json, void *to)
{
	uint32_t *v = to;

	*v = (uint32_t)c25_reader_number(r, json, 1,
		C25_LIMIT_CONNECTIONS_MAX, *v);
}

static void
read_per_address(struct c25_config_reader *r, const cJSON *json, void *to)
{
	r->per_address_at = c25_reader_here(r);
	read_connections(r, json, to);
}

static void
read_rate(struct c25_config_reader *r, const cJSON *json, void *to)
{
	uint32_t *v = to;

	*v = (uint32_t)c25_reader_number(r, json, 0, C25_LIMIT_REQUESTS_MAX,
		*v);
}

static void
read_seconds(struct c25_config_reader *r, const cJSON *json, void *to)
{
	uint32_t *v = to;

	*v = (uint32_t)c25_reader_number(r, json, 1,
		C25_LIMIT_REQUEST_SECONDS_MAX, *v);
}

static void
read_mappings(struct c25_config_reader *r, const cJSON *json, void *to)
{
	uint32_t *v = to;

	*v = (uint32_t)c25_reader_number(r, json, 1, C25_MAPPINGS_TOTAL, *v);
}

static void
read_listener(struct c25_config_reader *r, const cJSON *json, void *to)
{
	static const struct c25_reader_key keys[] = {
		C25_KEY(struct c25_limits, connections, "connections",
			read_connections),
		C25_KEY(struct c25_limits, connections_per_address,
			"connectionsPerAddress", read_per_address),
		C25_KEY(struct c25_limits, requests_per_second,
			"requestsPerSecond", read_rate),
		C25_KEY(struct c25_limits, request_seconds, "requestSeconds",
			read_seconds),
	};
	const struct c25_limits *l = to;

	r->per_address_at = 0;
	c25_reader_object(r, json, C25_KEYS(keys), to);
	if (r->per_address_at != 0 &&
	    l->connections_per_address > l->connections)
		c25_config_error_add(r->errs, r->per_address_at, true,
			"connectionsPerAddress: %u are more than all "
			"connections, which are %u: lower it, or raise "
			"\"connections\"", l->connections_per_address,
			l->connections);
}

void
c25_config_read_limits(struct c25_config_reader *r, const cJSON *json,
	void *to)
{
	static const struct c25_reader_key keys[] = {
		C25_KEY(struct c25_config, limits.transit_ip, "transitIP",
			read_listener),
		C25_KEY(struct c25_config, limits.admin, "admin",
			read_listener),
		C25_KEY(struct c25_config, limits.mappings_per_peer,
			"mappingsPerPeer", read_mappings),
	};

	c25_reader_object(r, json, C25_KEYS(keys), to);
}
