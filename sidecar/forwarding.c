/* SPDX-License-Identifier: BSD-3-Clause */
/* The include file, and which Unbounds are told; see forwarding.h. */

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
#include "teller.h"

#define FILE_MODE 0644
#define HEADER "# Written by conn25d"

/* What a configuration asks for. */
struct setting {
	char *file, *socket;		/* NULL: none */
	char *config;			/* its name, for the file */
	struct c25_forwards zones;
};

struct c25_forwarding {
	struct c25_loop *loop;
	struct setting now, next;	/* now.socket and, while there is a
					 * teller, now.zones are the teller's */
	struct c25_forwards found;	/* in the file, by prepare() */
	bool write;			/* next.file.new has been written */
	bool elsewhere;			/* next.file isn't now.file */
	struct c25_teller *teller;	/* NULL: no socket is configured */
	struct c25_teller *fresh;	/* by prepare(), if one is needed */
	struct c25_teller **leaving;	/* whose sockets are configured no
					 * more; there is room for another */
	size_t leaving_count;
	struct c25_forwards former;	/* what Unbound may have, for the next
					 * teller */
	struct c25_teller_totals totals;
	uint64_t modules;
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

/* ---- who is told ------------------------------------------------------- */

/* One that isn't configured any more has been told, or can't be. The one that
 * is may be the same Unbound, by another socket: it looks again. */
static void
on_left(void *ctx, struct c25_teller *t)
{
	struct c25_forwarding *f = ctx;

	for (size_t i = 0; i < f->leaving_count; i++)
		if (f->leaving[i] == t)
			f->leaving[i] = f->leaving[--f->leaving_count];
	c25_teller_free(t);
	if (f->teller != NULL)
		c25_teller_again(f->teller);
}

/* Room for what commit() needs, which can't fail. */
static int
tellers_prepare(struct c25_forwarding *f)
{
	struct c25_teller **more = reallocarray(f->leaving,
		f->leaving_count + 1, sizeof(*more));

	if (more == NULL)
		return -ENOMEM;
	f->leaving = more;
	return f->next.socket == NULL ? 0 : c25_teller_new(f->loop, on_left,
		f, &f->totals, &f->fresh);
}

/* Who has that socket: the one of before, one that is being left, or a new
 * one. */
static struct c25_teller *
teller_of(struct c25_forwarding *f, const char *socket)
{
	struct c25_teller *t = f->teller;

	if (t != NULL && same_place(c25_teller_socket(t), socket))
		return t;
	for (size_t i = 0; i < f->leaving_count; i++) {
		t = f->leaving[i];
		if (same_place(c25_teller_socket(t), socket)) {
			f->leaving[i] = f->leaving[--f->leaving_count];
			return t;
		}
	}
	t = f->fresh;
	f->fresh = NULL;
	return t;
}

static void
out_of_memory(int r)
{
	if (r != 0)
		c25_log(C25_LOG_ERROR, "unbound: out of memory: zones that "
			"were removed stay until it is restarted");
}

/* What it has of ours is put right once more, before it is forgotten. */
static void
leave(struct c25_forwarding *f, struct c25_teller *t)
{
	struct c25_forwards zones = { 0 };

	/* without a socket it is to have what is in its file; if there is
	 * another socket, that is of another Unbound */
	if (f->teller == NULL && f->now.file != NULL)
		out_of_memory(c25_forwards_merge(&zones, &f->now.zones));
	f->leaving[f->leaving_count++] = t;
	c25_teller_leave(t, &zones);
}

static void
tellers_commit(struct c25_forwarding *f, struct c25_forwards *before)
{
	struct c25_teller *old = f->teller;

	f->teller = f->now.socket != NULL ? teller_of(f, f->now.socket) : NULL;
	out_of_memory(c25_forwards_merge(&f->former, before));
	out_of_memory(c25_forwards_merge(&f->former, &f->found));
	/* they may be the same Unbound, of which one socket was wrong */
	if (old != NULL && f->teller != NULL && old != f->teller)
		out_of_memory(c25_teller_knows(old, &f->former));
	if (f->teller != NULL) {
		out_of_memory(c25_teller_former(f->teller, &f->former));
		c25_forwards_free(&f->former);
		c25_teller_tell(f->teller, &f->now.socket, &f->now.zones);
	}
	if (old != NULL && old != f->teller)
		leave(f, old);
}

/* ---- life -------------------------------------------------------------- */

int
c25_forwarding_new(struct c25_loop *loop, struct c25_forwarding **out)
{
	struct c25_forwarding *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -ENOMEM;
	f->loop = loop;
	*out = f;
	return 0;
}

void
c25_forwarding_free(struct c25_forwarding *f)
{
	if (f == NULL)
		return;
	c25_forwarding_cancel(f);
	for (size_t i = 0; i < f->leaving_count; i++)
		c25_teller_free(f->leaving[i]);
	free(f->leaving);
	c25_teller_free(f->teller);
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
	    (r = c25_forwards_make(&f->next.zones, cfg)) != 0 ||
	    (r = tellers_prepare(f)) != 0)
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
	c25_teller_free(f->fresh);
	f->fresh = NULL;
}

void
c25_forwarding_commit(struct c25_forwarding *f)
{
	struct c25_forwards before = f->now.zones;

	file_commit(f);
	/* without either Unbound isn't told */
	if (f->next.file == NULL && f->next.socket == NULL)
		c25_forwards_free(&f->next.zones);
	f->now.zones = (struct c25_forwards){ 0 };
	setting_free(&f->now);
	f->now = f->next;
	f->next = (struct setting){ 0 };
	tellers_commit(f, &before);
	c25_forwards_free(&before);
	c25_forwarding_cancel(f);
}

void
c25_forwarding_arrived(struct c25_forwarding *f, uint64_t modules)
{
	if (f == NULL || modules == f->modules)
		return;
	f->modules = modules;
	if (f->teller != NULL)
		c25_teller_again(f->teller);
	/* from the last one on, as each may be taken out */
	for (size_t i = f->leaving_count; i-- > 0;)
		c25_teller_again(f->leaving[i]);
}

bool
c25_forwarding_failing(const struct c25_forwarding *f)
{
	return f != NULL && f->teller != NULL &&
		c25_teller_failing(f->teller);
}

void
c25_forwarding_stats(const struct c25_forwarding *f,
	struct c25_forwarding_stats *out)
{
	*out = (struct c25_forwarding_stats){ 0 };
	if (f == NULL)
		return;
	out->zones = f->teller != NULL ? c25_teller_count(f->teller) :
		f->now.zones.count;
	out->pending = f->leaving_count > 0 ||
		(f->teller != NULL && c25_teller_pending(f->teller));
	out->changes = f->totals.changes;
	out->failures = f->totals.failures;
}
