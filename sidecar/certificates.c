/* SPDX-License-Identifier: BSD-3-Clause */
/* The TLS files of a configuration; see certificates.h. */
#include "certificates.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "conn25/table.h"

#define SOON_S (14 * 86400)	/* renewed by then, by whoever renews */

static int
load_server(struct c25_certificates *c, const struct c25_config *cfg,
	uid_t owner, struct c25_error *err)
{
	struct c25_error why = { "" };
	int r;

	if (!cfg->listen.transit_ip.tls)
		return 0;
	r = c25_tls_server_load(cfg->listen.certificate_file,
		cfg->listen.private_key_file, owner, &c->server, &why);
	return r == 0 ? 0 : c25_fail(err, r, "listen.tls: %s", why.text);
}

static int
load_trust(struct c25_certificates *c, const struct c25_config *cfg,
	size_t i, struct c25_error *err)
{
	const struct c25_config_connector *k = &cfg->connectors[i];
	struct c25_error why = { "" };
	int r;

	if (!k->url.tls || (k->tls.ca_file == NULL && k->tls.pins.count == 0))
		return 0;
	r = c25_tls_trust_load(k->tls.ca_file, k->tls.pins.items,
		k->tls.pins.count, &c->trust[i], &why);
	return r == 0 ? 0 : c25_fail(err, r, "connector %s: tls.caFile: %s",
		k->name, why.text);
}

int
c25_certificates_load(const struct c25_config *cfg, uid_t owner,
	struct c25_certificates **out, struct c25_error *err)
{
	struct c25_certificates *c = calloc(1, sizeof(*c));
	int r;

	*out = NULL;
	if (c == NULL || (c->trust = calloc(cfg->connector_count + 1,
	    sizeof(struct c25_tls_trust *))) == NULL) {
		free(c);
		return c25_fail(err, -ENOMEM, "out of memory");
	}
	c->count = cfg->connector_count;
	c->told_ms = c25_now_ms();
	r = load_server(c, cfg, owner, err);
	for (size_t i = 0; r == 0 && i < c->count; i++)
		r = load_trust(c, cfg, i, err);
	if (r != 0) {
		c25_certificates_free(c);
		return r;
	}
	*out = c;
	return 0;
}

void
c25_certificates_free(struct c25_certificates *c)
{
	if (c == NULL)
		return;
	c25_tls_server_unref(c->server);
	for (size_t i = 0; i < c->count; i++)
		c25_tls_trust_unref(c->trust[i]);
	free(c->trust);
	free(c);
}

int
c25_certificates_warn(const struct c25_certificates *c,
	const struct c25_config *cfg, struct c25_error *err)
{
	int64_t left;

	if (c->server == NULL)
		return 0;
	left = c25_tls_server_left_s(c->server, time(NULL));
	if (left >= SOON_S)
		return 0;
	if (left < 0)
		c25_fail(err, 0, "listen.tls: %s: the certificate has "
			"expired: clients with a pin alone accept it, others "
			"don't: renew it and reload",
			cfg->listen.certificate_file);
	else
		c25_fail(err, 0, "listen.tls: %s: the certificate expires in "
			"%lld days: renew it and reload",
			cfg->listen.certificate_file, (long long)left / 86400);
	return 1;
}

int
c25_certificates_tick(struct c25_certificates *c,
	const struct c25_config *cfg, uint64_t now_ms, struct c25_error *err)
{
	if (c == NULL || now_ms < c->told_ms + C25_CERTIFICATES_EVERY_MS)
		return 0;
	c->told_ms = now_ms;
	return c25_certificates_warn(c, cfg, err);
}
