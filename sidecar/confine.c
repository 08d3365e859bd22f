/* SPDX-License-Identifier: BSD-3-Clause */
/* Confining a struct c25_daemon at its start; see confine.h. */

#include "confine.h"

#include <string.h>
#include <unistd.h>

#include "conn25/log.h"
#include "rundir.h"
#include "sandbox.h"
#include "tls.h"

/* Who isn't root has to live with what there is, but is told. */
static int
judged(const struct c25_daemon *d, int r, const struct c25_error *err)
{
	if (r == 0 || d->privileges.root)
		return r;
	c25_log(C25_LOG_ERROR, "warning: %s", err->text);
	return 0;
}

int
c25_confine_config(const struct c25_daemon *d, struct c25_error *err)
{
	return judged(d, c25_privileges_config(d->options->file,
		d->privileges.root, err), err);
}

/* Started by somebody else than the configuration has in mind? */
static bool
is_another(const struct c25_privileges *p, const struct c25_config *cfg)
{
	return !p->root && cfg->user != NULL &&
		strcmp(cfg->user, p->user) != 0;
}

/* As who we are now: what a conn25d of another user has left first, as the
 * rest follows from it. `user` is of c25_rundir_user(). */
static int
check_dirs(const struct c25_daemon *d, const struct c25_config *cfg,
	long user, struct c25_error *err)
{
	const struct c25_privileges *p = &d->privileges;
	int r = c25_rundir_reach(cfg->run_dir, cfg->state_dir, user, err);

	if (r != 0 && is_another(p, cfg))
		return c25_fail(err, r, "user: is %s, and %s, who has started "
			"conn25d, can't use %s and %s: start it as root or as "
			"%s", cfg->user, p->user, cfg->run_dir,
			cfg->state_dir, cfg->user);
	return r != 0 ? r : judged(d, c25_rundir_check(cfg->run_dir,
		cfg->state_dir, p->uid, err), err);
}

int
c25_confine_user(struct c25_daemon *d, const struct c25_config *cfg,
	struct c25_error *err)
{
	struct c25_privileges *p = &d->privileges;
	long user = c25_rundir_user(cfg->run_dir, cfg->state_dir);
	int r = c25_privileges_find(p, cfg->user, cfg->group, err);

	if (r == 0)
		r = c25_confine_config(d, err);
	if (r == 0 && !p->change)
		r = check_dirs(d, cfg, user, err);
	if (r != 0)
		return r;
	if (p->root && cfg->user == NULL)
		c25_log(C25_LOG_INFO, "user: conn25d runs as root: make a "
			"user for it and name that in \"user\"");
	if (is_another(p, cfg))
		c25_log(C25_LOG_INFO, "user: stays %s: only root can become "
			"%s", p->user, cfg->user);
	if (!p->change)
		return c25_rundir_group(cfg->group, &d->gid, err);
	r = c25_rundir_give(cfg->run_dir, cfg->state_dir, p->uid, p->gid,
		err);
	if (r == 0)
		r = c25_privileges_drop(p, err);
	if (r == 0)
		r = check_dirs(d, cfg, user, err);
	if (r == 0 && access(cfg->file, R_OK) != 0)
		c25_log(C25_LOG_ERROR, "%s: user %s can't read it, so that "
			"it can't be reloaded: chgrp it to that user's group "
			"and chmod 640, and open the directory likewise",
			cfg->file, p->user);
	return r;
}

int
c25_confine_all(struct c25_daemon *d, const struct c25_config *cfg,
	struct c25_error *err)
{
	int r = c25_privileges_settle(&d->privileges, cfg->datapath.nftables,
		err);

	if (r != 0)
		return r;
	if (d->options->no_sandbox) {
		c25_log(C25_LOG_INFO, "seccomp: off, as -S says");
		return 0;
	}
	c25_tls_init();
	return c25_sandbox_enter(err);
}
