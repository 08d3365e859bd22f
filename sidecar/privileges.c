/* SPDX-License-Identifier: BSD-3-Clause */
/* User, groups, capabilities, and owners and modes of files; see
 * privileges.h. */

#include "privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rundir.h"

#define HELD (CAPNG_EFFECTIVE | CAPNG_PERMITTED)

/* ---- names --------------------------------------------------------------- */

const char *
c25_user_name(uid_t uid, char buf[static C25_USER_NAME_MAX])
{
	const struct passwd *pw = getpwuid(uid);

	if (pw != NULL)
		(void)snprintf(buf, C25_USER_NAME_MAX, "%s", pw->pw_name);
	else
		(void)snprintf(buf, C25_USER_NAME_MAX, "%lu",
			(unsigned long)uid);
	return buf;
}

int
c25_user_find(const char *name, const char *group, uid_t *uid, gid_t *gid,
	struct c25_error *err)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (pw != NULL) {
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
		return 0;
	}
	if (errno != 0 && errno != ENOENT && errno != ESRCH)
		return c25_fail(err, -errno, "user %s: can't be looked up: "
			"%s", name, strerror(errno));
	if (group == NULL)
		group = name;
	/* whether or not the group is there, or just made by another hint */
	return c25_fail(err, -ENOENT, "user %s: no such user: make it with "
		"'groupadd --system --force %s' and 'useradd --system --gid "
		"%s --no-create-home --shell /usr/sbin/nologin %s', or "
		"change \"user\"", name, group, group, name);
}

/* ---- becoming less ------------------------------------------------------- */

void
c25_privileges_begin(void)
{
	(void)umask(0077);
	/* there since Linux 3.5, and never refused */
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int
c25_privileges_find(struct c25_privileges *p, const char *user,
	const char *group, struct c25_error *err)
{
	int r = 0;

	*p = (struct c25_privileges){ .root = geteuid() == 0,
		.uid = geteuid(), .gid = getegid() };
	if (p->root && user != NULL) {
		r = c25_user_find(user, group, &p->uid, &p->gid, err);
		p->change = r == 0 && p->uid != 0;
		/* root stays in its group; rundir.h has what is shared */
		if (r == 0 && !p->change)
			p->gid = getegid();
	}
	if (r == 0 && p->change && group != NULL)
		r = c25_rundir_group(group, &p->gid, err);
	if (p->change)
		(void)snprintf(p->user, sizeof(p->user), "%s", user);
	else
		(void)c25_user_name(p->uid, p->user);
	return r;
}

/* Is it permitted to us now? */
static bool
may(unsigned capability)
{
	return capng_have_capability(CAPNG_PERMITTED, capability) == 1;
}

/* What is to be left: of these two, those that there are. */
static int
want(bool net_admin, bool bind)
{
	int r;

	if (capng_get_caps_process() != 0)
		return -EIO;
	net_admin = net_admin && may(CAP_NET_ADMIN);
	bind = bind && may(CAP_NET_BIND_SERVICE);
	capng_clear(CAPNG_SELECT_CAPS);
	r = net_admin ? capng_update(CAPNG_ADD, HELD, CAP_NET_ADMIN) : 0;
	if (r == 0 && bind)
		r = capng_update(CAPNG_ADD, HELD, CAP_NET_BIND_SERVICE);
	return r == 0 ? 0 : -EIO;
}

int
c25_privileges_drop(struct c25_privileges *p, struct c25_error *err)
{
	bool bounds;

	if (capng_get_caps_process() != 0)
		return c25_fail(err, -EIO, "user %s: capabilities can't be "
			"read: is /proc mounted?", p->user);
	/* Started with a bounding set of somebody's choice, it may be that
	 * this can't be emptied; no_new_privs makes up for it. */
	bounds = may(CAP_SETPCAP);
	if (initgroups(p->user, p->gid) != 0)
		return c25_fail(err, -errno, "user %s: its groups can't be "
			"taken: %s: start conn25d with CAP_SETGID and "
			"CAP_SETUID, or as that user", p->user,
			strerror(errno));
	errno = 0;
	if (want(true, true) != 0 || capng_change_id((int)p->uid,
			(int)p->gid, bounds ? CAPNG_CLEAR_BOUNDING :
			CAPNG_NO_FLAG) != 0)
		return c25_fail(err, errno != 0 ? -errno : -EPERM, "user %s: "
			"can't become it: %s: start conn25d with CAP_SETGID "
			"and CAP_SETUID, or as that user", p->user,
			strerror(errno != 0 ? errno : EPERM));
	/* It can be debugged until it has a secret, as if started as this
	 * user; a change of user takes that away. */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return 0;
}

int
c25_privileges_try(const struct c25_privileges *p,
	int (*fn)(const void *ctx), const void *ctx)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return -errno;
	if (child == 0) {
		if (initgroups(p->user, p->gid) != 0 || setgid(p->gid) != 0 ||
		    setuid(p->uid) != 0)
			_exit(EPERM);
		_exit(-fn(ctx));
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static void
describe(struct c25_privileges *p)
{
	char *text;

	switch (capng_have_capabilities(CAPNG_SELECT_CAPS)) {
	case CAPNG_NONE:
		(void)snprintf(p->capabilities, sizeof(p->capabilities),
			"none");
		return;
	case CAPNG_FULL:
		(void)snprintf(p->capabilities, sizeof(p->capabilities),
			"all");
		return;
	default:
		break;
	}
	text = capng_print_caps_text(CAPNG_PRINT_BUFFER, CAPNG_EFFECTIVE);
	(void)snprintf(p->capabilities, sizeof(p->capabilities), "%s",
		text != NULL ? text : "?");
	free(text);
}

int
c25_privileges_settle(struct c25_privileges *p, bool nftables,
	struct c25_error *err)
{
	int r = capng_get_caps_process() == 0 ? 0 : -EIO;

	if (r == 0 && geteuid() != 0) {
		p->net_admin_given_up = may(CAP_NET_ADMIN) && !nftables;
		p->bind_given_up = may(CAP_NET_BIND_SERVICE);
		r = want(nftables, false);
		/* what can't be inherited isn't ambient either */
		if (r == 0 && capng_apply(CAPNG_SELECT_CAPS) != 0)
			r = -EPERM;
	}
	if (r != 0)
		return c25_fail(err, r, "capabilities: can't be given up: %s",
			strerror(-r));
	describe(p);
	return 0;
}

void
c25_privileges_secret(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int
c25_privileges_explain(const struct c25_privileges *p, int r,
	struct c25_error *err)
{
	char why[sizeof(err->text)];

	if ((r != -EACCES && r != -EPERM) || !p->bind_given_up)
		return r;
	(void)snprintf(why, sizeof(why), "%s", err->text);
	return c25_fail(err, r, "%s, or restart conn25d, which could use "
		"lower ones until its start was over", why);
}

/* ---- files --------------------------------------------------------------- */

int
c25_privileges_config_mode(const char *file, const struct stat *st,
	bool root, struct c25_error *err)
{
	unsigned mode = (unsigned)st->st_mode & 07777;

	if ((mode & S_IWOTH) != 0)
		return c25_fail(err, -EPERM, "%s: mode %04o lets everybody "
			"change the configuration: chmod o-w", file, mode);
	if (!root)
		return 0;
	if (st->st_uid != 0)
		return c25_fail(err, -EPERM, "%s: belongs to user %lu, and "
			"root goes by it: chown root", file,
			(unsigned long)st->st_uid);
	if ((mode & S_IWGRP) != 0 && st->st_gid != 0)
		return c25_fail(err, -EPERM, "%s: mode %04o lets group %lu "
			"change the configuration, and root goes by it: "
			"chmod g-w", file, mode, (unsigned long)st->st_gid);
	return 0;
}

int
c25_privileges_config(const char *file, bool root, struct c25_error *err)
{
	struct stat st;

	/* Not there, or a pipe: whoever reads it will say, or made it. */
	if (stat(file, &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	return c25_privileges_config_mode(file, &st, root, err);
}

int
c25_privileges_rundir_mode(const char *dir, const struct stat *st,
	struct c25_error *err)
{
	unsigned mode = (unsigned)st->st_mode & 07777;

	if ((mode & S_IWOTH) == 0)
		return 0;
	return c25_fail(err, -EPERM, "runDir %s: mode %04o lets everybody "
		"put sockets and a table there: chmod o-w, or use a "
		"directory of its own", dir, mode);
}

int
c25_privileges_statedir_mode(const char *dir, const struct stat *st,
	uid_t uid, struct c25_error *err)
{
	char theirs[C25_USER_NAME_MAX], ours[C25_USER_NAME_MAX];
	unsigned mode = (unsigned)st->st_mode & 07777;

	(void)c25_user_name(st->st_uid, theirs);
	if (uid == 0 && st->st_uid != uid)
		return c25_fail(err, -EPERM, "stateDir %s: belongs to user "
			"%s, and conn25d runs as root: write \"user\": "
			"\"%s\", or stop that user's conn25d, if it runs, and "
			"chown -R root %s", dir, theirs, theirs, dir);
	if (uid != (uid_t)-1 && st->st_uid != uid)
		return c25_fail(err, -EPERM, "stateDir %s: belongs to user "
			"%s, and conn25d runs as %s: chown -R %s %s", dir,
			theirs, c25_user_name(uid, ours), ours, dir);
	if ((mode & (S_IWGRP | S_IWOTH)) != 0)
		return c25_fail(err, -EPERM, "stateDir %s: mode %04o lets "
			"others put a database there: chmod go-w", dir,
			mode);
	return 0;
}
