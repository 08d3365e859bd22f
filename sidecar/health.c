/* SPDX-License-Identifier: BSD-3-Clause */
/* What conn25d knows about itself: see health.h. */

#include "health.h"

#include <string.h>
#include <time.h>

#include "conn25/log.h"
#include "conn25/name.h"
#include "datapath_host.h"

#define APPS_NAMED 3		/* of those that are down, or refused */
/* Unbound may come after us, or be restarted: until then nothing is amiss. */
#define ALONE_MS 10000
#define SHORT_MS 60000		/* so long what was exhausted is shown */
#define SHORT_TOLD_MS 600000	/* ... and isn't logged again */

/* Does none of the app's connectors answer? Without any nobody is missed. */
static bool
app_down(const struct c25_daemon *d, const struct c25_policy *policy,
	uint32_t app)
{
	uint32_t n = 0;
	const uint16_t *list = c25_policy_app_connectors(policy, app, &n);

	for (uint32_t i = 0; i < n; i++)
		if (c25_table_connector_health(d->table, list[i]) !=
				C25_HEALTH_DOWN)
			return false;
	return n > 0;
}

/* Is any connector down? If not, no app needs to be looked at. */
static bool
any_down(const struct c25_daemon *d)
{
	struct c25_push_info info;
	size_t cursor = 0;

	while (c25_push_next(c25_pusher_push(d->pusher), &cursor, &info))
		if (info.health == C25_HEALTH_DOWN)
			return true;
	return false;
}

/* Returns: how many apps are down; the first ones named in `out`. */
static uint64_t
apps_down(const struct c25_daemon *d, struct c25_buf *out)
{
	struct c25_policy *policy;
	uint64_t down = 0;
	size_t i;

	if (d->table == NULL || !any_down(d))
		return 0;
	policy = c25_push_policy(c25_pusher_push(d->pusher));
	for (i = 0; policy != NULL && i < c25_policy_app_count(policy); i++) {
		if (!app_down(d, policy, (uint32_t)i))
			continue;
		if (down++ < APPS_NAMED && out != NULL)
			c25_buf_format(out, "app %s: none of its connectors "
				"answers\n", c25_policy_app(policy,
				(uint32_t)i));
	}
	if (down > APPS_NAMED && out != NULL)
		c25_buf_format(out, "and %llu more apps\n",
			(unsigned long long)(down - APPS_NAMED));
	return down;
}

/* Say one reason. */
static unsigned
reason(struct c25_buf *out, bool holds, const char *text)
{
	if (!holds)
		return 0;
	if (out != NULL)
		c25_buf_format(out, "%s\n", text);
	return 1;
}

/* Has no Unbound had the module connected for a while, though it should? */
static bool
alone(const struct c25_daemon *d)
{
	uint64_t since_ms = c25_doorbell_idle_since(d->doorbell);

	if (since_ms == 0 || !c25_config_is_client(d->cfg))
		return false;
	/* nobody is let in before the start is over, which may take long */
	if (since_ms < d->start_ms)
		since_ms = d->start_ms;
	return c25_now_ms() - since_ms >= ALONE_MS;
}

unsigned
c25_health_reasons(struct c25_daemon *d, struct c25_buf *out)
{
	struct c25_store_stats store;
	unsigned n = 0;

	c25_store_stats(c25_persist_store(d->persist), &store);
	n += reason(out, d->replaced_told, "table: was removed or replaced: "
		"restart conn25d");
	n += reason(out, d->reclaim_told, "table: can't be reclaimed: see "
		"the log");
	n += reason(out, store.failing, "store: the database can't be "
		"written: see the log");
	n += reason(out, !c25_nat_built(d->nat), "datapath: the kernel's "
		"table isn't built: see the log");
	n += reason(out, c25_forwarding_failing(d->forwarding), "unbound: "
		"can't be told of forward zones: see the log");
	n += reason(out, alone(d), "no Unbound has the module connected: see "
		"Unbound's log, and module-config in its configuration");
	return n + (unsigned)apps_down(d, out);
}

/* ---- degraded ----------------------------------------------------------- */

static const char *const shortages[] = {
	[C25_POOL_V4_MAGIC] = "v4MagicIPPool is exhausted: new names get "
		"SERVFAIL: add addresses to it and reload",
	[C25_POOL_V4_TRANSIT] = "v4TransitIPPool is exhausted, or that of a "
		"connector: new names get SERVFAIL: add addresses to it and "
		"reload",
	[C25_POOL_V6_MAGIC] = "v6MagicIPPool is exhausted: new names get "
		"SERVFAIL: add addresses to it and reload",
	[C25_POOL_V6_TRANSIT] = "v6TransitIPPool is exhausted, or that of a "
		"connector: new names get SERVFAIL: add addresses to it and "
		"reload",
	[C25_POOL_KINDS] = "table is full: new names get SERVFAIL: raise "
		"table.maxAssignments and restart conn25d",
	[C25_TABLE_FOREIGN] = "table: an assignment had an address that is in "
		"no pool: it has ended: see who may write to the table, and "
		"restart conn25d and Unbound",
};

/* Is the overlay there? Log when that changes. */
static void
look_for_overlay(struct c25_daemon *d)
{
	bool lacks = c25_datapath_lacks_overlay(d->cfg);

	if (lacks && !d->overlay_told)
		c25_log(C25_LOG_ERROR, "datapath: overlay %s: there is no such "
			"interface: packets can't leave until it is set up, "
			"or datapath.overlay corrected",
			d->cfg->datapath.overlay);
	else if (!lacks && d->overlay_told)
		c25_log(C25_LOG_ERROR, "datapath: overlay %s: is there now",
			d->cfg->datapath.overlay);
	d->overlay_told = lacks;
}

void
c25_health_configured(struct c25_daemon *d)
{
	memset(d->short_ms, 0, sizeof(d->short_ms));
	d->overlay_told = false;
	look_for_overlay(d);
}

/* What connectors refuse, of each app. */
static void
refused(const struct c25_daemon *d, struct c25_buf *out)
{
	char name[C25_NAME_TEXT_MAX], addr[C25_ADDR_TEXT_MAX];
	struct c25_push_refusal r;
	const struct c25_assignment *a = &r.assignment;
	unsigned apps = 0;
	size_t cursor = 0;

	while (d->table != NULL && c25_push_next_refused(
			c25_pusher_push(d->pusher), &cursor, &r)) {
		if (++apps > APPS_NAMED)
			continue;
		(void)c25_addr_format(&a->destination, addr);
		(void)c25_name_to_text(a->domain.wire, a->domain.len, name);
		if (r.code == 0)
			c25_buf_format(out, "app %s: no connector takes %s "
				"of %s: %s\n", r.app, addr, name, r.remedy);
		else
			c25_buf_format(out, "app %s: no connector takes %s "
				"of %s, code %u (%s): %s\n", r.app, addr,
				name, r.code, r.meaning, r.remedy);
	}
	if (apps > APPS_NAMED)
		c25_buf_format(out, "and %u more apps with what no connector "
			"takes\n", apps - APPS_NAMED);
}

void
c25_health_degraded(const struct c25_daemon *d, struct c25_buf *out)
{
	uint64_t now = c25_now_ms();

	if (d->overlay_told)
		c25_buf_format(out, "datapath: overlay %s: there is no such "
			"interface: packets can't leave until it is set up, "
			"or datapath.overlay corrected\n",
			d->cfg->datapath.overlay);
	for (int i = 0; i <= C25_TABLE_FOREIGN; i++)
		if (d->short_ms[i] != 0 && now - d->short_ms[i] < SHORT_MS)
			c25_buf_format(out, "%s\n", shortages[i]);
	refused(d, out);
}

void
c25_health_tick(struct c25_daemon *d)
{
	unsigned found = d->table == NULL ? 0 : c25_table_short(d->table);
	uint64_t now = c25_now_ms();

	look_for_overlay(d);
	for (int i = 0; i <= C25_TABLE_FOREIGN; i++) {
		if ((found & 1u << i) == 0)
			continue;
		d->short_ms[i] = now;
		if (d->short_told_ms[i] != 0 &&
				now - d->short_told_ms[i] < SHORT_TOLD_MS)
			continue;
		d->short_told_ms[i] = now;
		c25_log(C25_LOG_ERROR, "%s", shortages[i]);
	}
}

/* ---- figures ------------------------------------------------------------ */

void
c25_health_figures(struct c25_daemon *d, struct c25_report_stats *out)
{
	struct timespec wall;
	struct c25_pushq *push;
	int i;

	*out = (struct c25_report_stats){ 0 };
	(void)clock_gettime(CLOCK_REALTIME, &wall);
	out->now_ms = (uint64_t)wall.tv_sec * 1000 +
		(uint64_t)wall.tv_nsec / 1000000;
	out->up_ms = c25_now_ms() - d->start_ms;
	out->elapsed_ms = c25_now_ms() - d->reset_ms;
	out->ready = c25_health_reasons(d, NULL) == 0;
	out->apps_down = apps_down(d, NULL);
	out->modules = c25_doorbell_count(d->doorbell);
	out->serve = *c25_serve_stats(d->serve);
	c25_verify_stats(c25_serve_verify(d->serve), &out->verify);
	out->mappings = c25_mappings_count(c25_serve_mappings(d->serve));
	c25_store_stats(c25_persist_store(d->persist), &out->store);
	c25_nat_stats(d->nat, &out->nat);
	c25_forwarding_stats(d->forwarding, &out->forwarding);
	if (d->table == NULL)
		return;
	push = c25_pusher_push(d->pusher);
	out->push = *c25_push_stats(push);
	out->parked = c25_push_parked(push);
	c25_table_usage(d->table, &out->usage);
	c25_table_held(d->table, &out->hold);
	for (i = 0; i < C25_STAT_COUNT; i++)
		out->total[i] = c25_table_stat(d->table, (enum c25_stat)i);
}

size_t
c25_health_peers(struct c25_daemon *d,
	struct c25_report_peer peers[static C25_CONNECTORS_MAX])
{
	struct c25_push_info info;
	size_t cursor = 0, n = 0;

	if (d->table == NULL)
		return 0;
	while (n < C25_CONNECTORS_MAX && c25_push_next(
			c25_pusher_push(d->pusher), &cursor, &info))
		peers[n++] = (struct c25_report_peer){ .name = info.name,
			.reg = info.reg,
			.healthy = info.healthy,
			.preferred = info.health == C25_HEALTH_GOOD,
			.queued = info.queued, .acked = info.acked,
			.failed = info.failed };
	return n;
}
