/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * runDir and stateDir: making them, their locks, and listening Unix sockets.
 * What the messages ask for is what an administrator can do about it.
 */

#include "rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "conn25/table.h"
#include "privileges.h"
#include "store.h"

int
c25_group_find(const char *name, gid_t *out, struct c25_error *err)
{
	const struct group *group;

	errno = 0;
	group = getgrnam(name);
	if (group != NULL) {
		*out = group->gr_gid;
		return 0;
	}
	if (errno != 0 && errno != ENOENT && errno != ESRCH)
		return c25_fail(err, -errno, "group %s: can't be looked up: "
			"%s", name, strerror(errno));
	return c25_fail(err, -ENOENT, "group %s: no such group: make it with "
		"'groupadd --system --force %s', or change \"group\"", name,
		name);
}

int
c25_rundir_group(const char *name, gid_t *out, struct c25_error *err)
{
	*out = (gid_t)-1;
	return name == NULL || geteuid() != 0 ? 0 :
		c25_group_find(name, out, err);
}

/* What is told of runDir and of stateDir apart. */
struct kind {
	const char *key;		/* in the configuration */
	mode_t mode;
	const char *lock;		/* file */
};

static const struct kind run = { "runDir", C25_RUNDIR_MODE, C25_LOCK_FILE };
static const struct kind state = { "stateDir", C25_STATEDIR_MODE,
	C25_STATEDIR_LOCK_FILE };

static int
give_dir(int fd, mode_t mode, uid_t uid, gid_t gid)
{
	/* mkdir() went through the umask; the group needs its bits. */
	if (((uid != (uid_t)-1 || gid != (gid_t)-1) &&
			fchown(fd, uid, gid) != 0) || fchmod(fd, mode) != 0)
		return -errno;
	return 0;
}

static int
make_dir(const struct kind *kind, const char *dir, uid_t uid, gid_t gid,
	struct c25_error *err)
{
	int fd, r;

	if (mkdir(dir, kind->mode) != 0)
		return c25_fail(err, -errno, "%s %s: can't be made: %s: "
			"%s, or change \"%s\"", kind->key, dir,
			strerror(errno), errno == ENOENT ?
			"make the directory it is in" : "make it yourself",
			kind->key);
	/* If somebody puts another in its place, at least no link. */
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = fd < 0 ? -errno : give_dir(fd, kind->mode, uid, gid);
	if (fd >= 0)
		(void)close(fd);
	if (r != 0) {
		(void)rmdir(dir);
		return c25_fail(err, r, "%s %s: can't be given to the "
			"user or group: %s", kind->key, dir, strerror(-r));
	}
	return 0;
}

/* Make it if there is none; what is there is for find_dir() to judge. */
static int
give(const struct kind *kind, const char *dir, uid_t uid, gid_t gid,
	struct c25_error *err)
{
	struct stat st;

	if (stat(dir, &st) == 0 || errno != ENOENT)
		return 0;
	return make_dir(kind, dir, uid, gid, err);
}

static int
find_dir(const struct kind *kind, const char *dir, gid_t gid,
	struct c25_error *err)
{
	char user[C25_USER_NAME_MAX];
	struct stat st;
	int e;

	if (stat(dir, &st) != 0) {
		e = errno;
		if (e == ENOENT)
			return make_dir(kind, dir, (uid_t)-1, gid, err);
		return c25_fail(err, -e, "%s %s: %s: give user %s access, or "
			"change \"%s\"", kind->key, dir, strerror(e),
			c25_user_name(geteuid(), user), kind->key);
	}
	if (!S_ISDIR(st.st_mode))
		return c25_fail(err, -ENOTDIR, "%s %s: is no directory: "
			"remove it, or change \"%s\"", kind->key, dir,
			kind->key);
	if (faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0)
		return 0;
	e = errno;
	(void)c25_user_name(geteuid(), user);
	return c25_fail(err, -e, "%s %s: can't be written: %s: make it "
		"writable for user %s (chown -R %s %s), or change \"%s\"",
		kind->key, dir, strerror(e), user, user, dir, kind->key);
}

int
c25_rundir_check(const char *run_dir, const char *state_dir, uid_t uid,
	struct c25_error *err)
{
	struct stat st;
	int r = 0;

	/* One that isn't there is made as it should be. */
	if (stat(run_dir, &st) == 0 && S_ISDIR(st.st_mode))
		r = c25_privileges_rundir_mode(run_dir, &st, err);
	if (r == 0 && stat(state_dir, &st) == 0 && S_ISDIR(st.st_mode))
		r = c25_privileges_statedir_mode(state_dir, &st, uid, err);
	return r;
}

/* Is it another's, and not for us to write? Of what is ours and read-only, or
 * can't be seen, others will say it. */
static bool
is_theirs(const char *path, int how, struct stat *st)
{
	return stat(path, st) == 0 && st->st_uid != geteuid() &&
		faccessat(AT_FDCWD, path, how, AT_EACCESS) != 0 &&
		(errno == EACCES || errno == EPERM);
}

/* Returns: its name, or its number. */
static const char *
group_name(gid_t gid, char buf[static C25_USER_NAME_MAX])
{
	const struct group *group = getgrgid(gid);

	if (group != NULL)
		(void)snprintf(buf, C25_USER_NAME_MAX, "%s", group->gr_name);
	else
		(void)snprintf(buf, C25_USER_NAME_MAX, "%lu",
			(unsigned long)gid);
	return buf;
}

#define CANT_TELL C25_RUNDIR_CANT_TELL
#define NOBODY 0

/*
 * Which process has locked a directory? The kernel is asked, as the lock file
 * may not be ours to read, and to try it would keep another conn25d out. It
 * names no process of another pid namespace, and its devices aren't those of
 * stat() on every file system; inodes are.
 * Returns: its id; NOBODY that could be seen; CANT_TELL.
 */
static long
lock_user(const struct kind *kind, const char *dir)
{
	unsigned major_dev, minor_dev;
	unsigned long long inode;
	char path[4096], line[256];
	struct stat st;
	FILE *locks;
	long pid, found = NOBODY;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, kind->lock);
	if (stat(path, &st) != 0)
		return errno == ENOENT ? NOBODY : CANT_TELL;
	if ((locks = fopen("/proc/locks", "re")) == NULL)
		return CANT_TELL;
	while (found <= 0 && fgets(line, sizeof(line), locks) != NULL)
		if (sscanf(line, "%*d: FLOCK ADVISORY WRITE %ld %x:%x:%llu",
				&pid, &major_dev, &minor_dev, &inode) == 4 &&
				inode == st.st_ino)
			found = pid > 0 && makedev(major_dev, minor_dev) ==
				st.st_dev ? pid : CANT_TELL;
	if (ferror(locks) != 0 && found == NOBODY)
		found = CANT_TELL;
	(void)fclose(locks);
	return found;
}

long
c25_rundir_user(const char *run_dir, const char *state_dir)
{
	long user = lock_user(&run, run_dir);
	long other = user > 0 ? user : lock_user(&state, state_dir);

	return other != NOBODY ? other : user;
}

/* Returns: -EACCES, err says what to do. */
static int
tell_theirs(const char *run_dir, const char *state_dir, const char *what,
	uid_t owner, long user, struct c25_error *err)
{
	char theirs[C25_USER_NAME_MAX], ours[C25_USER_NAME_MAX];
	char group[C25_USER_NAME_MAX];
	bool one = strcmp(run_dir, state_dir) == 0;
	const char *also = one ? "" : state_dir, *space = one ? "" : " ";

	(void)c25_user_name(owner, theirs);
	(void)c25_user_name(geteuid(), ours);
	(void)group_name(getegid(), group);
	if (user > 0)
		return c25_fail(err, -EACCES, "%s: belongs to user %s, and "
			"conn25d runs as %s: another conn25d uses it: stop "
			"process %ld first, then chown -R %s:%s %s%s%s", what,
			theirs, ours, user, ours, group, run_dir, space, also);
	if (user == CANT_TELL)
		return c25_fail(err, -EACCES, "%s: belongs to user %s, and "
			"conn25d runs as %s: another conn25d made it, and may "
			"be using it: stop that one, if it runs, then chown "
			"-R %s:%s %s%s%s", what, theirs, ours, ours, group,
			run_dir, space, also);
	return c25_fail(err, -EACCES, "%s: belongs to user %s, and conn25d "
		"runs as %s: another conn25d left it, and none is seen to use "
		"it: chown -R %s:%s %s%s%s", what, theirs, ours, ours, group,
		run_dir, space, also);
}

int
c25_rundir_reach(const char *run_dir, const char *state_dir, long user,
	struct c25_error *err)
{
	static const struct {
		bool state;
		const char *file;	/* "": the directory */
	} all[] = {
		{ false, "" }, { true, "" },
		{ false, C25_LOCK_FILE }, { false, C25_TABLE_FILE },
		{ true, C25_STATEDIR_LOCK_FILE }, { true, C25_STORE_FILE },
		{ true, C25_STORE_FILE "-wal" },
		{ true, C25_STORE_FILE "-shm" },
	};
	char what[4096];
	struct stat st;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		bool is_dir = all[i].file[0] == '\0';
		const char *key = !is_dir ? "" : all[i].state ? "stateDir " :
			"runDir ";

		(void)snprintf(what, sizeof(what), "%s%s%s%s", key,
			all[i].state ? state_dir : run_dir, is_dir ? "" : "/",
			all[i].file);
		if (is_theirs(what + strlen(key), is_dir ? W_OK | X_OK :
				R_OK | W_OK, &st))
			return tell_theirs(run_dir, state_dir, what,
				st.st_uid, user, err);
	}
	return 0;
}

int
c25_rundir_give(const char *run_dir, const char *state_dir, uid_t uid,
	gid_t gid, struct c25_error *err)
{
	int r = give(&run, run_dir, uid, gid, err);

	return r != 0 ? r : give(&state, state_dir, uid, gid, err);
}

int
c25_rundir_make(const char *run_dir, gid_t gid, struct c25_error *err)
{
	return find_dir(&run, run_dir, gid, err);
}

int
c25_statedir_make(const char *state_dir, struct c25_error *err)
{
	return find_dir(&state, state_dir, (gid_t)-1, err);
}

/* Who holds the lock, from what it wrote; 0 when that can't be told. */
static long
lock_holder(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtol(text, NULL, 10);
}

/* Is the file we locked still the one that others would find? */
static bool
lock_current(int fd, const char *path)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && stat(path, &there) == 0 &&
		ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

static int
lock_open(const struct kind *kind, const char *path, int *out,
	struct c25_error *err)
{
	int e, fd;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return c25_fail(err, -errno, "%s: can't be opened: %s: give "
			"conn25d's user access, or change \"%s\"", path,
			strerror(errno), kind->key);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		e = errno;
		if (e == EWOULDBLOCK) {
			e = EBUSY;
			c25_fail(err, 0, "%s: held by conn25d with process "
				"id %ld: stop that one first, or use another "
				"\"%s\" (and \"nftables\" in one of both)",
				path, lock_holder(fd), kind->key);
		} else {
			c25_fail(err, 0, "%s: can't be locked: %s", path,
				strerror(e));
		}
		(void)close(fd);
		return -e;
	}
	*out = fd;
	return 0;
}

static int
lock_dir(const struct kind *kind, const char *dir, int *out,
	struct c25_error *err)
{
	char path[4096];
	int fd = -1, n, r, tries;

	n = snprintf(path, sizeof(path), "%s/%s", dir, kind->lock);
	if (n < 0 || (size_t)n >= sizeof(path))
		return c25_fail(err, -ENAMETOOLONG, "%s %s: too long",
			kind->key, dir);
	for (tries = 0; tries < 10; tries++) {
		r = lock_open(kind, path, &fd, err);
		if (r != 0)
			return r;
		if (lock_current(fd, path))
			break;
		(void)close(fd);	/* removed meanwhile: once more */
	}
	if (tries == 10)
		return c25_fail(err, -EBUSY, "%s: is being removed by "
			"somebody all the time", path);
	/* For people; nothing depends on it. */
	if (ftruncate(fd, 0) == 0)
		(void)!dprintf(fd, "%ld\n", (long)getpid());
	*out = fd;
	return 0;
}

int
c25_rundir_lock(const char *run_dir, int *out, struct c25_error *err)
{
	return lock_dir(&run, run_dir, out, err);
}

int
c25_statedir_lock(const char *state_dir, int *out, struct c25_error *err)
{
	return lock_dir(&state, state_dir, out, err);
}

bool
c25_statedir_locked(const char *state_dir, int fd)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", state_dir, state.lock);
	return fd >= 0 && lock_current(fd, path);
}

/* Remove the socket that an earlier conn25d left behind. */
static int
remove_stale(const char *path, struct c25_error *err)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return 0;	/* bind() will say what is wrong, if it is */
	if (!S_ISSOCK(st.st_mode))
		return c25_fail(err, -EEXIST, "%s: is in the way and no "
			"socket: remove it", path);
	if (unlink(path) != 0)
		return c25_fail(err, -errno, "%s: an old socket that can't "
			"be removed: %s: remove it", path, strerror(errno));
	return 0;
}

/*
 * Give the socket that was just made to the group. What lies at the path may
 * be another's link by now, where the group may write runDir.
 */
static int
give_socket(const char *path, gid_t gid)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), r = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0 ||
	    (S_ISSOCK(st.st_mode) && fchownat(fd, "", (uid_t)-1, gid,
	    AT_EMPTY_PATH) != 0))
		r = -errno;
	else if (!S_ISSOCK(st.st_mode))
		r = -EEXIST;
	(void)close(fd);
	return r;
}

int
c25_rundir_listen(const char *path, int type, gid_t gid,
	struct c25_error *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	bool bound = false;
	mode_t mask;
	int fd = -1, r;

	if (strlen(path) >= sizeof(sun.sun_path))
		return c25_fail(err, -ENAMETOOLONG, "%s: too long for a "
			"socket: use a shorter \"runDir\"", path);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	r = remove_stale(path, err);
	if (r != 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		goto fail;
	/* The mode is right from the beginning: chmod() would follow a link.
	 * Nobody can connect before listen(). */
	mask = umask(0777 & ~C25_SOCKET_MODE);
	r = bind(fd, (const struct sockaddr *)&sun, sizeof(sun));
	(void)umask(mask);
	if (r != 0)
		goto fail;
	bound = true;
	if (gid != (gid_t)-1) {
		errno = -give_socket(path, gid);
		if (errno != 0)
			goto fail;
	}
	if (listen(fd, SOMAXCONN) != 0)
		goto fail;
	return fd;
fail:
	r = -errno;
	c25_fail(err, 0, "%s: can't be made a socket: %s: give conn25d's "
		"user access, or change \"runDir\"", path, strerror(-r));
	if (fd >= 0)
		(void)close(fd);
	if (bound)
		(void)unlink(path);
	return r;
}
