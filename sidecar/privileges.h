/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * privileges.h - what conn25d may do: its user and groups, its capabilities,
 * and whether the files it goes by are ones that only those can change who
 * may. The filter of system calls is in sandbox.h.
 *
 * Example (start; whatever conn25d makes is made after the drop):
 *	struct c25_privileges p;
 *
 *	c25_privileges_begin();
 *	if (c25_privileges_find(&p, cfg->user, cfg->group, &err) != 0)
 *		... err says what to do ...
 *	if (p.change)
 *		make the directories for p.uid and p.gid, then
 *		r = c25_privileges_drop(&p, &err);
 *	... sockets, kernel tables ...
 *	r = c25_privileges_settle(&p, cfg->datapath.nftables, &err);
 *
 * Rules
 *   user       changed only when started as root with a user that isn't
 *              root. Started as somebody else (systemd's User=, say) conn25d
 *              stays who it is.
 *   drop       to the user, its primary group (or the one named), and the
 *              groups it is a member of. The bounding set is empty then;
 *              CAP_NET_BIND_SERVICE and CAP_NET_ADMIN are left.
 *   settle     at the end of the start, before there are threads: exactly
 *              CAP_NET_ADMIN with nftables, none without; it stays until the
 *              end, whatever a reload brings. Who runs as root keeps what
 *              root has.
 *   owners     what is there already is never given to anybody: where it
 *              belongs to somebody else, messages say what to chown.
 *   threads    the main one.
 */
#ifndef CONN25_PRIVILEGES_H
#define CONN25_PRIVILEGES_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "conn25/error.h"

#define C25_USER_NAME_MAX 64		/* with its NUL; cut if longer */

struct c25_privileges {
	bool root;			/* started as root */
	bool change;			/* ... with a user to become */
	uid_t uid;			/* who that is, or whose we are */
	gid_t gid;			/* likewise */
	char user[C25_USER_NAME_MAX];	/* the name of uid, or its number */
	bool bind_given_up;		/* for ports below 1024 */
	bool net_admin_given_up;
	char capabilities[1024];		/* for people; from settle on */
};

/*
 * First of all: files are for nobody else unless said so (umask), and no
 * program that is run ever gets more rights (no_new_privs).
 */
void c25_privileges_begin(void);

/*
 * Look up who conn25d is to be; `user` and `group` as configured, NULL when
 * they aren't.
 * Returns: 0; -ENOENT (no such user or group); -errno of the databases.
 */
int c25_privileges_find(struct c25_privileges *p, const char *user,
	const char *group, struct c25_error *err)
	__attribute__((warn_unused_result));

/* Become p->uid. Returns: 0; -EPERM and other -errno, and there may be half
 * of it: end. */
int c25_privileges_drop(struct c25_privileges *p, struct c25_error *err)
	__attribute__((warn_unused_result));

/* Give up what isn't needed any more. Returns: as above. */
int c25_privileges_settle(struct c25_privileges *p, bool nftables,
	struct c25_error *err) __attribute__((warn_unused_result));

/*
 * From now on there is something secret in memory: no core dumps, and no
 * other process of the same user looks into this one. Root still does.
 */
void c25_privileges_secret(void);

/*
 * What failed in a reload with `r`: was it for a privilege that was given up
 * at the start? Then err says so, too. Returns: r.
 */
int c25_privileges_explain(const struct c25_privileges *p, int r,
	struct c25_error *err);

/* The name of a user, or its number. Returns: buf. */
const char *c25_user_name(uid_t uid, char buf[static C25_USER_NAME_MAX]);

/*
 * Look up a user. `group` is which one the commands in err make it with, if it
 * isn't there; NULL: one of its own name.
 * Returns: as c25_privileges_find().
 */
int c25_user_find(const char *name, const char *group, uid_t *uid,
	gid_t *gid, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * Let a process that is the user that p is to become try something: `fn`
 * returns 0 or -errno. Returns: what fn did; -EPERM: it can't become it;
 * -errno: there is no process.
 */
int c25_privileges_try(const struct c25_privileges *p,
	int (*fn)(const void *ctx), const void *ctx)
	__attribute__((warn_unused_result));

/* ---- files: may they be relied on? --------------------------------------- */

/*
 * The configuration: nobody but its owner, and root's group, may write it.
 * When root starts (`root`) root must own it, as whoever can change it tells
 * root what to do.
 * Returns: 0; -EPERM, err says what to do. Pure.
 */
int c25_privileges_config_mode(const char *file, const struct stat *st,
	bool root, struct c25_error *err)
	__attribute__((warn_unused_result));

/* The same of the file; 0 also when it can't be looked at. */
int c25_privileges_config(const char *file, bool root,
	struct c25_error *err) __attribute__((warn_unused_result));

/*
 * runDir: not everybody may write it (the group may: Unbound is in it).
 * Returns: 0; -EPERM. Pure.
 */
int c25_privileges_rundir_mode(const char *dir, const struct stat *st,
	struct c25_error *err) __attribute__((warn_unused_result));

/*
 * stateDir: `uid` owns it ((uid_t)-1: anybody may), and nobody else may write
 * it.
 * Returns: 0; -EPERM. Looks up names for the message only.
 */
int c25_privileges_statedir_mode(const char *dir, const struct stat *st,
	uid_t uid, struct c25_error *err)
	__attribute__((warn_unused_result));

#endif
