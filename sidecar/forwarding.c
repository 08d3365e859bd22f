/* SPDX-License-Identifier: BSD-3-Clause */
/* The include file, and the talk with unbound-control's socket; see
 * forwarding.h. */

#include "forwarding.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conn25/log.h"
#include "forwards.h"
#include "privileges.h"
#include "unbound_control.h"

#define RETRY_MS 1000		/* after the first failure; doubles ... */
#define RETRY_MAX_MS 60000	/* ... up to this */
#define LEAVE_ATTEMPTS 6	/* for a minute; then what it has stays */
#define FILE_MODE 0644
#define HEADER "# Written by conn25d"
#define SAID_MAX 160		/* shown of what Unbound says */

enum state { IDLE, LISTING, CHANGING };

/* What a configuration asks for. */
struct setting {
	char *file, *socket;		/* NULL: none */
	char *config;			/* its name, for the file */
	struct c25_forwards zones;
};

struct c25_forwarding {
	struct c25_unbound_ask ask;
	struct c25_timer retry;
	struct setting now, next;
	bool leaving;			/* now.socket is no longer configured:
					 * it is told once more */
	struct c25_forwards found;	/* in the file, by prepare() */
	bool write;			/* next.file.new has been written */
	bool elsewhere;			/* next.file isn't now.file */
	struct c25_forwards former;	/* what Unbound may have besides */
	struct c25_forwards listed;	/* of ours, what it has */
	enum state state;
	struct c25_buf plan;		/* commands, a line each */
	size_t at;			/* in it, the one being said */
	size_t changes;			/* zones in it */
	bool again;			/* begin anew after this command: it
					 * is heard to its end, as Unbound
					 * would complain */
	bool answered;			/* "ok" */
	char said[SAID_MAX];		/* if not, what else; printable */
	unsigned attempts;		/* that failed, one after the other */
	int told;			/* the failure that was logged */
	bool pending;
	uint64_t modules;
	uint64_t total_changes, failures;
};

static void
setting_free(struct setting *s)
{
	free(s->file);
	free(s->socket);
	free(s->config);
	c25_forwards_free(&s->zones);
	*s = (struct setting){ 0 };
}

/* ---- the include file -------------------------------------------------- */

/* The whole of it; empty when there is none. */
static int
file_read(const char *path, struct c25_buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	do {
		if (!c25_buf_reserve(out, 65536)) {
			errno = ENOMEM;
			n = -1;
			break;
		}
		n = read(fd, out->data + out->len, 65536);
		if (n > 0)
			out->len += (size_t)n;
	} while (n > 0);
	n = n < 0 ? -errno : 0;
	(void)close(fd);
	return (int)n;
}

static int
file_write(const char *path, const struct c25_buf *text)
{
	size_t done = 0;
	ssize_t n;
	int fd, r = 0;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		return -errno;
	while (r == 0 && done < text->len) {
		n = write(fd, text->data + done, text->len - done);
		if (n < 0)
			r = -errno;
		else
			done += (size_t)n;
	}
	/* Unbound is another user, whatever the umask */
	if (r == 0 && (fchmod(fd, FILE_MODE) != 0 || fsync(fd) != 0))
		r = -errno;
	(void)close(fd);
	if (r != 0)
		(void)unlink(path);
	return r;
}

static void
directory_sync(const char *path)
{
	char *copy = strdup(path);
	int fd;

	if (copy == NULL)
		return;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	if (fd < 0)
		return;
	(void)fsync(fd);
	(void)close(fd);
}

/* The directory of a path. Returns: whether it is there. */
static bool
directory_stat(const char *path, struct stat *st)
{
	char *copy = strdup(path);
	bool there = copy != NULL && stat(dirname(copy), st) == 0;

	free(copy);
	return there;
}

/* Do two paths name one file, as below /run and /var/run? It needn't be there;
 * what a link of that name leads to doesn't matter, as it is replaced. */
static bool
same_place(const char *a, const char *b)
{
	struct stat in_a, in_b;

	if (strcmp(a, b) == 0)
		return true;
	return strcmp(strrchr(a, '/'), strrchr(b, '/')) == 0 &&
		directory_stat(a, &in_a) && directory_stat(b, &in_b) &&
		in_a.st_dev == in_b.st_dev && in_a.st_ino == in_b.st_ino;
}

/* Where a new one is written. Owns: the caller frees it. */
static char *
file_beside(const char *path)
{
	char *name;

	return asprintf(&name, "%s.new", path) < 0 ? NULL : name;
}

static int
cannot_write(const char *path, int r, struct c25_error *err)
{
	char user[C25_USER_NAME_MAX];

	return c25_fail(err, r, "unbound.includeFile: %s: can't be written: "
		"%s: make its directory, and let user %s write there",
		path, strerror(-r), c25_user_name(geteuid(), user));
}

static int
file_prepare(struct c25_forwarding *f, const struct c25_config *cfg,
	struct c25_error *err)
{
	struct c25_buf old = { 0 }, text = { 0 };
	char *beside = file_beside(f->next.file);
	int r = file_read(f->next.file, &old);

	f->elsewhere = f->now.file != NULL &&
		!same_place(f->now.file, f->next.file);
	c25_forwards_text(&f->next.zones, cfg->file, &text);
	if (beside == NULL || text.failed || r == -ENOMEM) {
		r = c25_fail(err, -ENOMEM, "unbound: out of memory");
	} else if (r != 0) {
		r = c25_fail(err, r, "unbound.includeFile: %s: can't be read: "
			"%s", f->next.file, strerror(-r));
	} else if (old.len > 0 && (old.len < strlen(HEADER) ||
	    memcmp(old.data, HEADER, strlen(HEADER)) != 0)) {
		r = c25_fail(err, -EEXIST, "unbound.includeFile: %s: is there "
			"and not from conn25d: name another file, or remove "
			"it", f->next.file);
	} else if (f->elsewhere || old.len != text.len ||
	    memcmp(old.data, text.data, text.len) != 0) {
		/* what leads to the file of before will be empty */
		r = file_write(beside, &text);
		f->write = r == 0;
		if (r != 0)
			r = cannot_write(f->next.file, r, err);
	}
	/* what an earlier conn25d had Unbound read */
	if (r == 0 && old.len > 0 && (f->now.file == NULL || f->elsewhere) &&
	    c25_forwards_parse(&f->found, old.data, old.len) != 0)
		c25_log(C25_LOG_INFO, "unbound.includeFile: %s: has been "
			"changed: zones that were in it only stay until "
			"Unbound is restarted", f->next.file);
	free(beside);
	c25_buf_free(&old);
	c25_buf_free(&text);
	return r;
}

/* One that isn't written any more: Unbound's restart must not bring back what
 * was in it. */
static void
file_leave(struct c25_forwarding *f)
{
	static const struct c25_forwards none;
	struct c25_buf old = { 0 }, text = { 0 };
	char *beside = file_beside(f->now.file);
	int r = beside == NULL ? -ENOMEM : file_read(f->now.file, &old);

	c25_forwards_text(&none, f->next.config, &text);
	if (r == 0 && text.failed)
		r = -ENOMEM;
	/* gone, or somebody else's by now: not ours to write */
	if (r == 0 && old.len >= strlen(HEADER) &&
	    memcmp(old.data, HEADER, strlen(HEADER)) == 0) {
		r = file_write(beside, &text);
		if (r == 0 && rename(beside, f->now.file) != 0) {
			r = -errno;
			(void)unlink(beside);
		}
		if (r == 0)
			directory_sync(f->now.file);
	}
	if (r == 0)
		c25_log(C25_LOG_INFO, "unbound.includeFile: %s: is no longer "
			"written: remove it from unbound.conf", f->now.file);
	else
		c25_log(C25_LOG_ERROR, "unbound.includeFile: %s: can't be "
			"emptied: %s: remove it, and from unbound.conf, or "
			"its zones come back when Unbound is restarted",
			f->now.file, strerror(-r));
	free(beside);
	c25_buf_free(&old);
	c25_buf_free(&text);
}

static void
file_commit(struct c25_forwarding *f)
{
	char *beside;

	/* first: this may be what the new one leads to */
	if (f->now.file != NULL && (f->next.file == NULL || f->elsewhere))
		file_leave(f);
	if (!f->write)
		return;
	f->write = false;
	beside = file_beside(f->next.file);
	if (beside == NULL || rename(beside, f->next.file) != 0) {
		c25_log(C25_LOG_ERROR, "unbound.includeFile: %s: can't be "
			"replaced: %s: reload again", f->next.file,
			strerror(errno));
	} else {
		directory_sync(f->next.file);
		c25_log(C25_LOG_INFO, "unbound.includeFile: %s: written, %zu "
			"forward zones", f->next.file, f->next.zones.count);
	}
	free(beside);
}

/* ---- telling Unbound --------------------------------------------------- */

static void
rest(struct c25_forwarding *f)
{
	c25_unbound_stop(&f->ask);
	c25_timer_stop(&f->retry);
	c25_forwards_free(&f->listed);
	c25_buf_free(&f->plan);
	f->state = IDLE;
	f->again = false;
}

/* Half of a plan may have been told, and the cache not been flushed: all that
 * may be there of ours is told once more. */
static void
interrupt(struct c25_forwarding *f)
{
	if (f->state != CHANGING)
		return;
	if (c25_forwards_merge(&f->former, &f->now.zones) != 0)
		c25_log(C25_LOG_ERROR, "unbound: out of memory: restart it, "
			"as old answers may be in its cache");
	for (size_t i = 0; i < f->former.count; i++)
		f->former.items[i].changed = true;
}

/* Is it only that there is no Unbound? */
static bool
absent(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED;
}

static const char *
remedy(int r)
{
	if (absent(r))
		return "it is told when it comes; if it is there, see "
			"control-interface in unbound.conf";
	if (r == -EACCES)
		return "add conn25d's user to the group of the socket, and "
			"restart conn25d";
	return "trying again";
}

/* Its socket isn't configured any more, and it has been told, or can't be. */
static void
leave(struct c25_forwarding *f)
{
	rest(f);
	free(f->now.socket);
	f->now.socket = NULL;
	f->leaving = false;
	f->pending = false;
	f->attempts = 0;
	f->told = 0;
	c25_forwards_free(&f->former);
}

static void
failed(struct c25_forwarding *f, int r)
{
	uint64_t ms = RETRY_MAX_MS;

	interrupt(f);
	rest(f);
	f->failures++;
	/* where there is no Unbound there are no zones */
	if (f->leaving && (absent(r) || f->attempts >= LEAVE_ATTEMPTS)) {
		if (!absent(r))
			c25_log(C25_LOG_ERROR, "unbound: %s: forward zones of "
				"ours can't be taken out: %s: restart it",
				f->now.socket, f->said[0] != '\0' ? f->said :
				strerror(-r));
		leave(f);
		return;
	}
	if (r != f->told)
		c25_log(absent(r) ? C25_LOG_INFO : C25_LOG_ERROR,
			"unbound: %s: can't be told of forward zones: %s: %s",
			f->now.socket, f->said[0] != '\0' ? f->said :
			strerror(-r), remedy(r));
	f->told = r;
	if (f->attempts < 6)
		ms = (uint64_t)RETRY_MS << f->attempts++;
	c25_timer_set(&f->retry, ms);
}

static void
finished(struct c25_forwarding *f)
{
	size_t changes = f->changes;

	rest(f);
	f->pending = false;
	f->attempts = 0;
	f->told = 0;
	f->total_changes += changes;
	c25_forwards_free(&f->former);
	if (changes > 0)
		c25_log(C25_LOG_INFO, "unbound: told of %zu changes, has %zu "
			"forward zones of ours", changes, f->now.zones.count);
	if (f->leaving)
		leave(f);
}

static void
too_many(struct c25_forwarding *f)
{
	size_t n = f->changes;

	rest(f);
	c25_log(C25_LOG_ERROR, "unbound: %zu changes of forward zones are "
		"more than it can be told while it runs: %s", n,
		f->now.file != NULL || f->leaving ? "restart it" : "set "
		"unbound.includeFile, include that, and restart it");
	if (f->leaving)
		leave(f);
}

static int
ask(struct c25_forwarding *f, const char *command, size_t len)
{
	f->answered = false;
	f->said[0] = '\0';
	return c25_unbound_ask(&f->ask, f->now.socket, command, len);
}

/* Say the next command of the plan. */
static void
next_command(struct c25_forwarding *f)
{
	const char *command = f->plan.data + f->at, *end;
	int r;

	if (f->at == f->plan.len) {
		finished(f);
		return;
	}
	end = strchr(command, '\n');
	f->at = (size_t)(end + 1 - f->plan.data);
	r = ask(f, command, (size_t)(end - command));
	if (r != 0)
		failed(f, r);
}

static int
on_line(void *ctx, const char *line, size_t len)
{
	struct c25_forwarding *f = ctx;
	size_t n = 0;
	int r;

	if (f->again)
		return 0;
	if (f->state == LISTING) {
		r = c25_forwards_listed(&f->listed, &f->now.zones, &f->former,
			line, len);
		if (r != -EPROTO)
			return r;
	} else if (f->answered || (len >= 2 && memcmp(line, "ok", 2) == 0)) {
		f->answered = true;
		return 0;
	}
	for (; n < len && n < sizeof(f->said) - 1; n++)
		f->said[n] = line[n] >= ' ' && line[n] <= '~' ? line[n] : '?';
	f->said[n] = '\0';
	return -EPROTO;
}

static void begin(struct c25_forwarding *f);

static void
on_done(void *ctx, int r)
{
	struct c25_forwarding *f = ctx;

	if (f->again) {
		begin(f);
		return;
	}
	if (r == 0 && f->state == CHANGING && !f->answered)
		r = -EPROTO;
	if (r != 0) {
		failed(f, r);
		return;
	}
	if (f->state == LISTING) {
		c25_forwards_sort(&f->listed);
		f->changes = c25_forwards_plan(&f->now.zones, &f->former,
			&f->listed, &f->plan);
		if (f->plan.failed) {
			failed(f, -ENOMEM);
			return;
		}
		if (f->changes > C25_FORWARDS_PLAN_MAX) {
			too_many(f);
			return;
		}
		f->state = CHANGING;
		f->at = 0;
	}
	next_command(f);
}

/* See what it has, and make it right; from the beginning. */
static void
begin(struct c25_forwarding *f)
{
	static const char command[] = "list_forwards";
	int r;

	rest(f);
	f->pending = f->now.socket != NULL &&
		(f->now.zones.count > 0 || f->former.count > 0);
	if (!f->pending) {
		if (f->leaving)
			leave(f);
		return;
	}
	f->state = LISTING;
	r = ask(f, command, sizeof(command) - 1);
	if (r != 0)
		failed(f, r);
}

/* ... when what is being said has been answered. */
static void
begin_anew(struct c25_forwarding *f)
{
	f->attempts = 0;
	f->again = f->state != IDLE;
	if (!f->again)
		begin(f);
}

static void
on_retry(void *ctx)
{
	begin(ctx);
}

/* ---- life -------------------------------------------------------------- */

int
c25_forwarding_new(struct c25_loop *loop, struct c25_forwarding **out)
{
	struct c25_forwarding *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -ENOMEM;
	c25_unbound_init(&f->ask, loop, on_line, on_done, f);
	c25_timer_init(&f->retry, loop, on_retry, f);
	*out = f;
	return 0;
}

void
c25_forwarding_free(struct c25_forwarding *f)
{
	if (f == NULL)
		return;
	c25_forwarding_cancel(f);
	rest(f);
	c25_unbound_end(&f->ask);
	setting_free(&f->now);
	c25_forwards_free(&f->former);
	free(f);
}

static int
copied(char **to, const char *from)
{
	*to = from != NULL ? strdup(from) : NULL;
	return from != NULL && *to == NULL ? -ENOMEM : 0;
}

int
c25_forwarding_prepare(struct c25_forwarding *f, const struct c25_config *cfg,
	struct c25_error *err)
{
	int r;

	c25_forwarding_cancel(f);
	if ((r = copied(&f->next.file, cfg->unbound.include_file)) != 0 ||
	    (r = copied(&f->next.socket, cfg->unbound.control_socket)) != 0 ||
	    (r = copied(&f->next.config, cfg->file)) != 0 ||
	    (r = c25_forwards_make(&f->next.zones, cfg)) != 0)
		r = c25_fail(err, r, "unbound: out of memory");
	else if (f->next.file != NULL)
		r = file_prepare(f, cfg, err);
	if (r != 0)
		c25_forwarding_cancel(f);
	return r;
}

void
c25_forwarding_cancel(struct c25_forwarding *f)
{
	char *beside;

	if (f == NULL)
		return;
	if (f->write) {
		beside = file_beside(f->next.file);
		if (beside != NULL)
			(void)unlink(beside);
		free(beside);
	}
	f->write = false;
	setting_free(&f->next);
	c25_forwards_free(&f->found);
}

/* The socket isn't configured any more: what Unbound has of ours is put right
 * over it, once, before it is forgotten. */
static void
keep_socket(struct c25_forwarding *f)
{
	f->leaving = f->next.socket == NULL && f->now.socket != NULL;
	if (!f->leaving)
		return;
	f->next.socket = f->now.socket;
	f->now.socket = NULL;
	/* with a file it is to have what is in there, without it nothing */
	if (f->next.file == NULL)
		c25_forwards_free(&f->next.zones);
}

void
c25_forwarding_commit(struct c25_forwarding *f)
{
	file_commit(f);
	interrupt(f);
	if (c25_forwards_merge(&f->former, &f->now.zones) != 0 ||
	    c25_forwards_merge(&f->former, &f->found) != 0)
		c25_log(C25_LOG_ERROR, "unbound: out of memory: zones that "
			"were removed stay until it is restarted");
	keep_socket(f);
	setting_free(&f->now);
	f->now = f->next;
	f->next = (struct setting){ 0 };
	c25_forwards_free(&f->found);
	f->told = 0;
	f->pending = true;		/* until that is looked at */
	begin_anew(f);
}

void
c25_forwarding_arrived(struct c25_forwarding *f, uint64_t modules)
{
	if (f == NULL || modules == f->modules)
		return;
	f->modules = modules;
	interrupt(f);
	begin_anew(f);
}

bool
c25_forwarding_failing(const struct c25_forwarding *f)
{
	return f != NULL && f->told != 0 && !absent(f->told) && !f->leaving;
}

void
c25_forwarding_stats(const struct c25_forwarding *f,
	struct c25_forwarding_stats *out)
{
	*out = (struct c25_forwarding_stats){ 0 };
	if (f == NULL)
		return;
	out->zones = f->now.zones.count;
	out->pending = f->pending;
	out->changes = f->total_changes;
	out->failures = f->failures;
}
