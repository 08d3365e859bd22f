/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads and frees a configuration, and answers questions about one. How it
 * is read and checked is in the other config_*.c, see config_private.h.
 */

#include "config_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conn25/table.h"
#include "mapping.h"

#define READ_STEP 65536		/* bytes, for what has no size of its own */

/* ---- memory ------------------------------------------------------------- */

struct c25_config_block {
	struct c25_config_block *next;
	alignas(max_align_t) char data[];
};

void *
c25_config_alloc(struct c25_config *cfg, size_t n, size_t size_bytes)
{
	struct c25_config_block *block;
	size_t bytes;

	if (n == 0 || __builtin_mul_overflow(n, size_bytes, &bytes) ||
	    __builtin_add_overflow(bytes, sizeof(*block), &bytes))
		return NULL;
	block = calloc(1, bytes);
	if (block == NULL)
		return NULL;
	block->next = cfg->blocks;
	cfg->blocks = block;
	return block->data;
}

void
c25_config_free(struct c25_config *cfg)
{
	if (cfg == NULL)
		return;
	while (cfg->blocks != NULL) {
		struct c25_config_block *block = cfg->blocks;

		cfg->blocks = block->next;
		free(block);
	}
	free(cfg);
}

/* ---- parsing ------------------------------------------------------------ */

/* A configuration with what holds when the file says nothing. */
static struct c25_config *
config_new(const char *file)
{
	struct c25_config *cfg = calloc(1, sizeof(*cfg));
	char *name = NULL;

	if (cfg != NULL)
		name = c25_config_alloc(cfg, strlen(file) + 1, 1);
	if (name == NULL) {
		c25_config_free(cfg);
		return NULL;
	}
	cfg->file = memcpy(name, file, strlen(file));
	cfg->run_dir = C25_RUN_DIR_DEFAULT;
	cfg->state_dir = C25_STATE_DIR_DEFAULT;
	cfg->listen.transit_ip.text = "";
	cfg->listen.admin.text = "";
	cfg->dns.max_ttl_s = 300;
	cfg->dns.hold_ms = 250;
	cfg->limits.transit_ip = cfg->limits.admin = C25_LIMITS_DEFAULT;
	cfg->limits.mappings_per_peer = C25_MAPPINGS_PER_PEER;
	cfg->table.max_assignments = 65536;
	return cfg;
}

/* Start afresh for `file`. */
static int
errors_begin(struct c25_config_errors *errs, const char *file)
{
	bool advice = errs->advice;

	c25_config_errors_free(errs);
	errs->advice = advice;
	errs->file = strdup(file);
	return errs->file != NULL ? 0 : -ENOMEM;
}

/* `clean` is a copy of the text, which is written to. */
static int
parse_clean(char *clean, size_t len, struct c25_config *cfg,
	struct c25_config_errors *errs)
{
	struct c25_config_reader r = {
		.cfg = cfg, .errs = errs,
		.finder = { .text = clean, .len = len },
	};
	struct c25_jsonc_error syntax;
	cJSON *tree;
	int code = c25_jsonc_parse(clean, len, &tree, &syntax);

	if (code == -EINVAL)
		c25_config_error_add(errs, syntax.at, false, "syntax: %s",
			syntax.text);
	if (code != 0)
		return code;
	c25_config_read(&r, tree);
	if (!r.no_memory && cJSON_IsObject(tree))
		c25_config_check(&r);
	cJSON_Delete(tree);
	free(r.tags.items);
	free(r.peer_apps.items);
	free(r.peer_addrs.items);
	free(r.domain_at);
	return r.no_memory ? -ENOMEM : errs->errors > 0 ? -EINVAL : 0;
}

int
c25_config_parse(const char *text, size_t len, const char *file,
	struct c25_config **out, struct c25_config_errors *errs)
{
	struct c25_config *cfg = NULL;
	char *clean = NULL;
	int r;

	*out = NULL;
	r = errors_begin(errs, file);
	if (r != 0)
		return r;
	if (len > C25_CONFIG_SIZE_MAX) {
		c25_config_error_add(errs, C25_AT_FILE, false,
			"configuration: is larger than %u MiB: is this the "
			"right file?", C25_CONFIG_SIZE_MAX >> 20);
		return -EFBIG;
	}
	cfg = config_new(file);
	clean = malloc(len + 1);
	r = -ENOMEM;
	if (cfg != NULL && clean != NULL) {
		memcpy(clean, text, len);
		clean[len] = '\0';
		r = parse_clean(clean, len, cfg, errs);
	}
	if (r == -ENOMEM)
		c25_config_error_add(errs, C25_AT_FILE, false,
			"configuration: not enough memory for it");
	c25_config_errors_settle(errs, text, len);
	free(clean);
	if (r == 0)
		*out = cfg;
	else
		c25_config_free(cfg);
	return r;
}

/* ---- loading ------------------------------------------------------------ */

/* Read all of fd, which may be a pipe. */
static int
read_all(int fd, size_t expected, char **out, size_t *len)
{
	size_t room = expected + 1, n = 0;
	char *buf = NULL, *grown;
	ssize_t got;
	int r = -ENOMEM;

	for (;;) {
		if (buf == NULL || n == room) {
			room = buf == NULL ? room : room + room / 2 +
				READ_STEP;
			grown = realloc(buf, room);
			if (grown == NULL)
				break;
			buf = grown;
		}
		got = read(fd, buf + n, room - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			r = -errno;
			break;
		}
		if (got == 0) {
			*out = buf;
			*len = n;
			return 0;
		}
		n += (size_t)got;
		if (n > C25_CONFIG_SIZE_MAX) {
			r = -EFBIG;
			break;
		}
	}
	free(buf);
	return r;
}

static int
read_file(const char *file, char **out, size_t *len)
{
	struct stat st;
	int r, fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0)
		r = -errno;
	else if (S_ISDIR(st.st_mode))
		r = -EISDIR;
	else if (S_ISREG(st.st_mode) && st.st_size > C25_CONFIG_SIZE_MAX)
		r = -EFBIG;
	else
		r = read_all(fd, S_ISREG(st.st_mode) ? (size_t)st.st_size :
			READ_STEP, out, len);
	(void)close(fd);
	return r;
}

static const char *
remedy(int code)
{
	switch (code) {
	case -ENOENT:
		return "name another with -c, or begin with the sample "
			"contrib/conn25.json";
	case -EACCES:
	case -EPERM:
		return "let this user read it";
	case -EISDIR:
		return "name the file in it";
	case -EFBIG:
		return "is this the right file?";
	default:
		return "is this the right file, and the disk all right?";
	}
}

int
c25_config_load(const char *file, struct c25_config **out,
	struct c25_config_errors *errs)
{
	char *text = NULL;
	size_t len = 0;
	int r;

	*out = NULL;
	r = read_file(file, &text, &len);
	if (r == 0) {
		r = c25_config_parse(text, len, file, out, errs);
		free(text);
		return r;
	}
	if (errors_begin(errs, file) != 0)
		return -ENOMEM;
	c25_config_error_add(errs, C25_AT_FILE, false, "configuration: "
		"can't be read (%s): %s", strerror(-r), remedy(r));
	c25_config_errors_settle(errs, "", 0);
	return r;
}

/* ---- questions ---------------------------------------------------------- */

bool
c25_config_is_client(const struct c25_config *cfg)
{
	return cfg->pools[C25_POOL_V4_MAGIC].count > 0 ||
		cfg->pools[C25_POOL_V6_MAGIC].count > 0;
}

bool
c25_config_is_connector(const struct c25_config *cfg)
{
	return cfg->listen.transit_ip.set && cfg->peer_count > 0;
}

static bool
strings_have(const struct c25_config_strings *s, const char *text)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->items[i], text) == 0)
			return true;
	return false;
}

static bool
strings_meet(const struct c25_config_strings *a,
	const struct c25_config_strings *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (strings_have(b, a->items[i]))
			return true;
	return false;
}

bool
c25_config_app_self(const struct c25_config *cfg, size_t app)
{
	return app < cfg->app_count && c25_config_is_connector(cfg) &&
		strings_meet(&cfg->apps[app].connectors, &cfg->self.tags);
}

size_t
c25_config_app_connectors(const struct c25_config *cfg, size_t app,
	uint16_t out[static C25_CONNECTORS_MAX])
{
	const struct c25_config_app *a;
	size_t n = 0;
	bool any;

	if (app >= cfg->app_count)
		return 0;
	a = &cfg->apps[app];
	any = strings_have(&a->connectors, "*");
	for (size_t i = 0; i < cfg->connector_count; i++) {
		uint16_t c = cfg->connector_order[i];

		if (any || strings_meet(&a->connectors,
		    &cfg->connectors[c].tags))
			out[n++] = c;
	}
	return n;
}

bool
c25_config_app_allows(const struct c25_config *cfg, size_t app,
	const struct c25_addr *destination)
{
	const struct c25_config_app *a;

	if (app >= cfg->app_count || c25_addr_is_forbidden(destination))
		return false;
	a = &cfg->apps[app];
	for (size_t i = 0; i < a->destinations.count; i++)
		if (c25_range_contains(&a->destinations.items[i].range,
		    destination))
			return true;
	return !a->destinations_given;
}

uint32_t
c25_config_app_find(const struct c25_config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->app_count; i++)
		if (strcmp(cfg->apps[i].name, name) == 0)
			return (uint32_t)i;
	return C25_APP_NONE;
}
