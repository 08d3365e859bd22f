/* SPDX-License-Identifier: BSD-3-Clause */
/* libunbound on the event loop; see resolve.h. Nobody else knows it. */

#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unbound.h>
#include <unistd.h>

#include "buf.h"
#include "conn25/log.h"
#include "conn25/table.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define HOSTS "/etc/hosts"
#define TYPE_A 1
#define TYPE_AAAA 28
#define CLASS_IN 1
#define STRING(x) STRING_OF(x)
#define STRING_OF(x) #x
#define ADDRESSES_MAX 256	/* looked at in one answer */
#define LOG_MS 60000		/* between two lines about the same */

/* One lookup under way. */
struct lookup {
	struct c25_resolve *r;
	struct lookup *prev, *next;	/* oldest first */
	void *token;
	enum c25_family family;
	int id;				/* libunbound's */
	uint64_t started_ms;
};

/* A libunbound that is ready, and what it was made from. */
struct engine {
	struct ub_ctx *ub;		/* NULL: there is none */
	struct c25_watch *watch;
	struct c25_buf settings;	/* see settings_of() */
	struct stat resolv_conf;	/* as they were read */
	struct stat hosts;
};

struct c25_resolve {
	struct c25_loop *loop;
	enum c25_resolve_use use;
	c25_resolve_fn *answer;
	void *ctx;
	struct engine engine;
	struct engine next;		/* prepared */
	bool prepared;
	struct lookup *first, *last;
	uint64_t failed_logged_ms;
	uint64_t bogus_logged_ms;
};

/* Is it time for another line? */
static bool
may_log(uint64_t *logged_ms)
{
	uint64_t now = c25_now_ms();

	if (*logged_ms != 0 && now - *logged_ms < LOG_MS)
		return false;
	*logged_ms = now;
	return true;
}

/* ---- lookups ------------------------------------------------------------- */

static void
lookup_unlink(struct lookup *l)
{
	*(l->prev != NULL ? &l->prev->next : &l->r->first) = l->next;
	*(l->next != NULL ? &l->next->prev : &l->r->last) = l->prev;
}

/* It is in no list any more. */
static void
lookup_failed(struct lookup *l)
{
	static const struct c25_verify_answer failure = {
		.found = C25_FOUND_FAILURE };
	struct c25_resolve *r = l->r;
	void *token = l->token;

	free(l);
	r->answer(r->ctx, token, &failure);
}

/* Which addresses are in it. */
static size_t
read_addresses(const struct ub_result *res, enum c25_family family,
	struct c25_addr out[static ADDRESSES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; res->havedata && res->data[i] != NULL &&
	    n < ADDRESSES_MAX; i++) {
		const uint8_t *bytes = (const uint8_t *)res->data[i];

		if (family == C25_V4 && res->len[i] == 4)
			out[n++] = c25_addr_v4(bytes);
		else if (family == C25_V6 && res->len[i] == 16)
			out[n++] = c25_addr_v6(bytes);
	}
	return n;
}

/* libunbound's callback, from ub_process(). */
static void
on_found(void *ctx, int error, struct ub_result *res)
{
	struct c25_addr addresses[ADDRESSES_MAX];
	struct c25_verify_answer a = { .found = C25_FOUND_FAILURE,
		.addresses = addresses };
	struct lookup *l = ctx;
	struct c25_resolve *r = l->r;
	void *token = l->token;

	if (error == 0 && res->bogus) {
		a.found = C25_FOUND_BOGUS;
		if (may_log(&r->bogus_logged_ms))
			c25_log(C25_LOG_ERROR, "resolver: %s: DNSSEC "
				"validation failed: %s", res->qname,
				res->why_bogus != NULL ? res->why_bogus :
				"the answer is bogus");
	} else if (error == 0 && (res->rcode == 0 || res->nxdomain)) {
		a.found = C25_FOUND_ANSWER;
		a.count = read_addresses(res, l->family, addresses);
		a.ttl_s = res->ttl > 0 ? (unsigned)res->ttl : 0;
	}
	ub_resolve_free(res);
	lookup_unlink(l);
	free(l);
	r->answer(r->ctx, token, &a);
}

static void
on_readable(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	struct c25_resolve *r = ctx;
	int e = ub_process(r->engine.ub);

	(void)w;
	(void)fd;
	(void)events;
	if (e != 0 && may_log(&r->failed_logged_ms))
		c25_log(C25_LOG_ERROR, "resolver: %s", ub_strerror(e));
}

int
c25_resolve_start(struct c25_resolve *r, void *token, const char *domain,
	enum c25_family family)
{
	struct lookup *l;
	int e;

	if (r->engine.ub == NULL)
		return -ENOSYS;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return -ENOMEM;
	*l = (struct lookup){ .r = r, .token = token, .family = family,
		.started_ms = c25_now_ms() };
	e = ub_resolve_async(r->engine.ub, domain, family == C25_V6 ?
		TYPE_AAAA : TYPE_A, CLASS_IN, l, on_found, &l->id);
	if (e != 0) {
		if (may_log(&r->failed_logged_ms))
			c25_log(C25_LOG_ERROR, "resolver: %s: can't be looked "
				"up: %s", domain, ub_strerror(e));
		free(l);
		return e == UB_NOMEM ? -ENOMEM : -EIO;
	}
	l->prev = r->last;
	*(l->prev != NULL ? &l->prev->next : &r->first) = l;
	r->last = l;
	return 0;
}

void
c25_resolve_forget(struct c25_resolve *r, const void *token)
{
	struct lookup *l, *next;

	for (l = r->first; l != NULL; l = next) {
		next = l->next;
		if (l->token != token)
			continue;
		(void)ub_cancel(r->engine.ub, l->id);
		lookup_unlink(l);
		free(l);
	}
}

/* ---- what it is made from ------------------------------------------------ */

static void
add_anchors(struct c25_buf *out, const char *file)
{
	struct stat st;

	c25_buf_format(out, "a%s\n", file);
	if (stat(file, &st) == 0)
		c25_buf_format(out, "#%lld.%09ld %lld\n",
			(long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
			(long long)st.st_size);
}

/*
 * As lines, a letter and a text: f a forwarder, r the file that names them, a
 * a file of trust anchors, i a name at and below which nothing is signed, h a
 * file of names. A line with # only tells when such a file was written.
 */
static void
settings_of(const struct c25_resolve *r, const struct c25_config *cfg,
	struct c25_buf *out)
{
	char text[C25_ADDR_TEXT_MAX];

	c25_buf_clear(out);
	for (size_t i = 0; i < cfg->resolver.forward_count; i++)
		c25_buf_format(out, "f%s@%u\n", c25_addr_format(
			&cfg->resolver.forward[i].addr, text),
			cfg->resolver.forward[i].port);
	if (cfg->resolver.forward_count == 0)
		c25_buf_lit(out, "r" RESOLV_CONF "\n");
	if (r->use == C25_RESOLVE_NAMES)
		c25_buf_lit(out, "h" HOSTS "\n");
	for (size_t i = 0; i < cfg->resolver.anchors.count; i++)
		add_anchors(out, cfg->resolver.anchors.items[i]);
	if (!cfg->resolver.anchors_given &&
	    access(C25_RESOLVE_ANCHOR, R_OK) == 0)
		add_anchors(out, C25_RESOLVE_ANCHOR);
	for (size_t i = 0; i < cfg->resolver.insecure.count; i++)
		c25_buf_format(out, "i%s\n", cfg->resolver.insecure.items[i]);
}

/* One of these lines. Returns: a code of libunbound, 0 for good. */
static int
apply_line(struct engine *e, const char *line, struct c25_error *err)
{
	const char *text = line + 1;
	int code = 0;

	switch (line[0]) {
	case 'f':
		code = ub_ctx_set_fwd(e->ub, text);
		break;
	case 'r':
		if (stat(text, &e->resolv_conf) != 0)
			memset(&e->resolv_conf, 0, sizeof(e->resolv_conf));
		code = ub_ctx_resolvconf(e->ub, text);
		break;
	case 'h':
		/* a host may do without */
		if (stat(text, &e->hosts) != 0)
			memset(&e->hosts, 0, sizeof(e->hosts));
		else
			code = ub_ctx_hosts(e->ub, text);
		break;
	case 'a':
		/* libunbound would only say that something is wrong */
		if (access(text, R_OK) != 0)
			return c25_fail(err, UB_READFILE, "resolver: "
				"trustAnchors: %s: %s: correct the path, or "
				"let conn25d read it", text, strerror(errno));
		code = ub_ctx_add_ta_file(e->ub, text);
		break;
	case 'i':
		code = ub_ctx_set_option(e->ub, "domain-insecure:", text);
		break;
	}
	if (code != 0 && line[0] == 'r')
		c25_fail(err, code, "resolver: %s: %s: name the servers in "
			"resolver.forward", text, ub_strerror(code));
	else if (code != 0)
		c25_fail(err, code, "resolver: %s: %s", text,
			ub_strerror(code));
	return code;
}

static int
apply_options(struct ub_ctx *ub, enum c25_resolve_use use)
{
	const char *const options[][2] = {
		/* see resolve.h */
		{ "cache-max-ttl:", use == C25_RESOLVE_NAMES ?
			STRING(C25_RESOLVE_TTL_S) : "1" },
		{ "cache-max-negative-ttl:", "1" },
		{ "do-not-query-localhost:", "no" },
		/* as many sockets as there are lookups, and some */
		{ "outgoing-range:", "160" },
		/* a server that was away is asked again soon */
		{ "infra-host-ttl:", "5" },
		{ "infra-cache-max-rtt:", "1000" },
	};
	int code = ub_ctx_async(ub, 1);

	for (size_t i = 0; code == 0 && i < sizeof(options) /
	    sizeof(*options); i++)
		code = ub_ctx_set_option(ub, options[i][0], options[i][1]);
	if (code == 0)
		code = ub_ctx_debugout(ub, NULL);
	return code;
}

/* Names that a public resolver should not ask for, but a local one may know.
 * Also the first call that reads the trust anchors. */
static int
apply_zones(struct ub_ctx *ub)
{
	int code = ub_ctx_zone_remove(ub, "home.arpa.");

	return code != 0 ? code : ub_ctx_zone_remove(ub, "test.");
}

static void
engine_free(struct engine *e)
{
	c25_watch_close(e->watch);
	if (e->ub != NULL)
		ub_ctx_delete(e->ub);
	c25_buf_free(&e->settings);
	*e = (struct engine){ 0 };
}

static int
engine_start(struct engine *e, enum c25_resolve_use use,
	struct c25_error *err)
{
	char *copy = strdup(e->settings.data), *line, *rest = copy;
	int code;

	e->ub = ub_ctx_create();
	if (copy == NULL || e->ub == NULL) {
		free(copy);
		return c25_fail(err, -ENOMEM, "resolver: can't be made: no "
			"memory or no file descriptors left");
	}
	code = apply_options(e->ub, use);
	if (code != 0)
		c25_fail(err, code, "resolver: %s: is libunbound older than "
			"that of Debian 12?", ub_strerror(code));
	while (code == 0 && (line = strsep(&rest, "\n")) != NULL)
		code = *line != '\0' ? apply_line(e, line, err) : 0;
	if (code == 0 && (code = apply_zones(e->ub)) != 0)
		c25_fail(err, code, "resolver: trustAnchors: %s: is each a "
			"file of DS or DNSKEY records?", ub_strerror(code));
	free(copy);
	return code == 0 ? 0 : code == UB_NOMEM ? -ENOMEM : -EINVAL;
}

/* An engine for these settings, which are the engine's from then on. */
static int
engine_new(struct c25_resolve *r, struct c25_buf *settings,
	struct engine *e, struct c25_error *err)
{
	int res, fd = -1;

	*e = (struct engine){ .settings = *settings };
	*settings = (struct c25_buf){ 0 };
	res = engine_start(e, r->use, err);
	/* The watch closes what it watches, and so does libunbound. */
	if (res == 0 && (fd = fcntl(ub_fd(e->ub), F_DUPFD_CLOEXEC, 0)) < 0)
		res = c25_fail(err, -errno, "resolver: %s", strerror(errno));
	if (res == 0 && (res = c25_loop_watch(r->loop, fd, C25_READ,
	    on_readable, r, &e->watch)) != 0) {
		(void)close(fd);
		c25_fail(err, res, "resolver: %s", strerror(-res));
	}
	if (res != 0)
		engine_free(e);
	return res;
}

/* ---- life ---------------------------------------------------------------- */

int
c25_resolve_new(struct c25_loop *loop, enum c25_resolve_use use,
	c25_resolve_fn *answer, void *ctx, struct c25_resolve **out)
{
	struct c25_resolve *r = calloc(1, sizeof(*r));

	*out = r;
	if (r == NULL)
		return -ENOMEM;
	r->loop = loop;
	r->use = use;
	r->answer = answer;
	r->ctx = ctx;
	return 0;
}

void
c25_resolve_free(struct c25_resolve *r)
{
	struct lookup *l;

	if (r == NULL)
		return;
	engine_free(&r->next);
	engine_free(&r->engine);
	while ((l = r->first) != NULL) {
		r->first = l->next;
		free(l);
	}
	free(r);
}

static bool
verifies(const struct c25_config *cfg)
{
	for (size_t i = 0; i < cfg->app_count; i++)
		if (cfg->apps[i].verify_destinations)
			return c25_config_is_connector(cfg);
	return false;
}

/* Is there a connector with a name to look up? */
static bool
has_names(const struct c25_config *cfg)
{
	for (size_t i = 0; i < cfg->connector_count; i++)
		if (c25_addr_len(&cfg->connectors[i].url.addr) == 0)
			return true;
	return false;
}

int
c25_resolve_prepare(struct c25_resolve *r, const struct c25_config *cfg,
	struct c25_error *err)
{
	struct c25_buf settings = { 0 };
	const struct c25_buf *old = &r->engine.settings;
	int res = 0;

	c25_resolve_cancel(r);
	if (r->use == C25_RESOLVE_VERIFY ? !verifies(cfg) : !has_names(cfg)) {
		r->prepared = r->engine.ub != NULL;
		return 0;
	}
	settings_of(r, cfg, &settings);
	if (settings.failed)
		res = c25_fail(err, -ENOMEM, "resolver: out of memory");
	else if (settings.len != old->len ||
	    memcmp(settings.data, old->data, old->len) != 0)
		r->prepared = (res = engine_new(r, &settings, &r->next,
			err)) == 0;
	c25_buf_free(&settings);
	return res;
}

bool
c25_resolve_commit(struct c25_resolve *r)
{
	struct engine old = r->engine;
	struct lookup *l = r->first, *next;
	bool had = old.ub != NULL;

	if (!r->prepared)
		return false;
	r->engine = r->next;
	r->next = (struct engine){ 0 };
	r->prepared = false;
	/* Its thread is joined: no callback can come for these. Who learns
	 * that they have failed may begin others, with the new one. */
	r->first = r->last = NULL;
	engine_free(&old);
	for (; l != NULL; l = next) {
		next = l->next;
		lookup_failed(l);
	}
	return had;
}

void
c25_resolve_cancel(struct c25_resolve *r)
{
	engine_free(&r->next);
	r->prepared = false;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
		a->st_size == b->st_size &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
		a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Has it changed since it was read? Only told once. */
static bool
has_changed(const char *file, struct stat *read)
{
	struct stat st;

	if (stat(file, &st) != 0 || same_file(&st, read))
		return false;
	*read = st;
	return true;
}

/* Other servers or names from now on, if a file that has them changed. */
static void
look_at_files(struct c25_resolve *r)
{
	const struct c25_buf *now = &r->engine.settings;
	struct c25_buf settings = { 0 };
	struct c25_error err = { "" };
	bool servers, names;

	if (r->engine.ub == NULL)
		return;
	servers = now->data[0] == 'r' &&
		has_changed(RESOLV_CONF, &r->engine.resolv_conf);
	names = r->use == C25_RESOLVE_NAMES &&
		has_changed(HOSTS, &r->engine.hosts);
	if (!servers && !names)
		return;
	c25_buf_add(&settings, now->data, now->len);
	if (settings.failed || engine_new(r, &settings, &r->next, &err) != 0) {
		c25_log(C25_LOG_ERROR, "%s: what was read before is used",
			settings.failed ? "resolver: out of memory" :
			err.text);
		c25_buf_free(&settings);
		return;
	}
	r->prepared = true;
	(void)c25_resolve_commit(r);
	c25_log(C25_LOG_INFO, "resolver: %s has changed and was read again",
		servers ? RESOLV_CONF : HOSTS);
}

void
c25_resolve_tick(struct c25_resolve *r, uint64_t now_ms)
{
	struct lookup *l;

	while ((l = r->first) != NULL &&
	    now_ms - l->started_ms >= C25_RESOLVE_GIVE_UP_MS) {
		(void)ub_cancel(r->engine.ub, l->id);
		lookup_unlink(l);
		lookup_failed(l);
	}
	look_at_files(r);
}
