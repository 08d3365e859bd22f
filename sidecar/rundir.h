/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rundir.h - runDir, the directory that conn25d and Unbound share, and
 * stateDir, which is conn25d's alone: making them, making sure that one
 * conn25d at a time uses them, and Unix sockets in runDir.
 *
 * Example:
 *	gid_t gid;
 *	int lock_fd;
 *
 *	if (c25_rundir_group(cfg->group, &gid, &err) != 0 ||
 *	    c25_rundir_make(cfg->run_dir, gid, &err) != 0 ||
 *	    c25_rundir_lock(cfg->run_dir, &lock_fd, &err) != 0)
 *		c25_log(C25_LOG_ERROR, "%s", err.text);
 *
 * Rules: c25_rundir_listen() in the main thread, as it changes the umask for
 * a moment. Whoever has the lock of a directory may replace what an earlier
 * conn25d left behind there, and nobody else.
 */
#ifndef CONN25_RUNDIR_H
#define CONN25_RUNDIR_H

#include <stdbool.h>
#include <sys/types.h>

#include "conn25/error.h"

#define C25_RUNDIR_MODE 0750
#define C25_STATEDIR_MODE 0700
#define C25_SOCKET_MODE 0660
/* Not C25_LOCK_FILE: both directories may be one. */
#define C25_STATEDIR_LOCK_FILE "conn25.db.lock"

/* A group by its name. Returns: as c25_rundir_group(). */
int c25_group_find(const char *name, gid_t *out, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * The group that our files get: the named one when started as root, else
 * (gid_t)-1, which keeps the process's own.
 * Returns: 0; -ENOENT (no such group); -errno of the group database.
 */
int c25_rundir_group(const char *name, gid_t *out, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * Make the directory if there is none; one that is there stays as it is.
 * Its parent must exist. Returns: 0; -errno: not there and can't be made, no
 * directory, or not writable.
 */
int c25_rundir_make(const char *run_dir, gid_t gid, struct c25_error *err)
	__attribute__((warn_unused_result));

/*
 * Take runDir/conn25d.lock (flock, freed by the kernel at exit) and write our
 * process id into it.
 * Owns: the caller closes *fd at its end.
 * Returns: 0; -EBUSY (another conn25d: err names it); -errno.
 */
int c25_rundir_lock(const char *run_dir, int *fd, struct c25_error *err)
	__attribute__((warn_unused_result));

/* The same of stateDir, for nobody but our own user. */
int c25_statedir_make(const char *state_dir, struct c25_error *err)
	__attribute__((warn_unused_result));
int c25_statedir_lock(const char *state_dir, int *fd, struct c25_error *err)
	__attribute__((warn_unused_result));
/* Is the lock still in the directory, so that others would find it? */
bool c25_statedir_locked(const char *state_dir, int fd);

/*
 * Before conn25d becomes another user: make what of both directories isn't
 * there, for that user. What is there stays as it is; see c25_rundir_check().
 * Returns: 0; -errno, err says which can't be made.
 */
int c25_rundir_give(const char *run_dir, const char *state_dir, uid_t uid,
	gid_t gid, struct c25_error *err) __attribute__((warn_unused_result));

/*
 * May a conn25d of this user ((uid_t)-1: not known) rely on its directories,
 * going by their owners and modes?
 * Returns: 0 (also where there is none yet); -EPERM, err says why.
 */
int c25_rundir_check(const char *run_dir, const char *state_dir, uid_t uid,
	struct c25_error *err) __attribute__((warn_unused_result));

#define C25_RUNDIR_CANT_TELL (-1)

/*
 * Which process has locked either directory? For c25_rundir_reach(), and as
 * root while it is that, who may enter both.
 * Returns: its id; 0: none that can be seen; C25_RUNDIR_CANT_TELL.
 */
long c25_rundir_user(const char *run_dir, const char *state_dir);

/*
 * Can the process as it is write both directories, and what an earlier conn25d
 * may have left there, as another user? `user` is of c25_rundir_user().
 * Returns: 0 (also where there is none yet); -EACCES, err says whose the first
 * of these is, and how they get back into one hand.
 */
int c25_rundir_reach(const char *run_dir, const char *state_dir, long user,
	struct c25_error *err) __attribute__((warn_unused_result));

/*
 * A listening, non-blocking, close-on-exec Unix socket of `type` (SOCK_STREAM
 * or SOCK_SEQPACKET), mode 0660; replaces a socket that was left behind, but
 * nothing that is no socket.
 * Owns: the caller closes the fd and unlinks the path.
 * Returns: the fd; -errno with err set.
 */
int c25_rundir_listen(const char *path, int type, gid_t gid,
	struct c25_error *err) __attribute__((warn_unused_result));

#endif
