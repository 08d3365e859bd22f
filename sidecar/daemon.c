/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conn25d's life: start, events, reload, stop. What conn25-control asks is
 * answered in verbs.c, which shares struct c25_daemon.
 */

#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "client.h"
#include "confine.h"
#include "conn25/log.h"
#include "health.h"
#include "listeners.h"
#include "notify.h"
#include "rundir.h"
#include "verbs.h"

/* ---- messages ---------------------------------------------------------- */

void
c25_daemon_tell(struct c25_buf *out, const char *format, ...)
{
	char text[C25_CONFIG_LINE_MAX];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	c25_log(C25_LOG_ERROR, "%s", text);
	if (out != NULL)
		c25_buf_format(out, "%s\n", text);
}

/* What only a new start can change. */
static void
tell_restart(const struct c25_daemon *d, const struct c25_config *cfg,
	struct c25_buf *out)
{
	const char *old_group = d->cfg->group, *old_user = d->cfg->user;

	if (strcmp(cfg->run_dir, d->run_dir) != 0)
		c25_daemon_tell(out, "warning: runDir: stays %s until "
			"conn25d is restarted", d->run_dir);
	if (strcmp(cfg->state_dir, d->state_dir) != 0)
		c25_daemon_tell(out, "warning: stateDir: stays %s until "
			"conn25d is restarted", d->state_dir);
	if (d->privileges.root && strcmp(cfg->user == NULL ? "" : cfg->user,
			old_user == NULL ? "" : old_user) != 0)
		c25_daemon_tell(out, "warning: user: stays %s until "
			"conn25d is restarted", d->privileges.user);
	if (d->privileges.root && strcmp(cfg->group == NULL ? "" : cfg->group,
			old_group == NULL ? "" : old_group) != 0)
		c25_daemon_tell(out, "warning: group: stays as it was until "
			"conn25d is restarted");
	if (d->table != NULL && c25_config_is_client(cfg) &&
			cfg->table.max_assignments !=
			c25_table_capacity(d->table))
		c25_daemon_tell(out, "warning: table.maxAssignments: stays "
			"%u until conn25d is restarted",
			c25_table_capacity(d->table));
}

/* ---- the loop --------------------------------------------------------- */

/* Before each sleep of the loop: nothing may be left undone. */
static bool
may_sleep(void *ctx)
{
	struct c25_daemon *d = ctx;
	bool sleep = true;

	if (d->table != NULL && !c25_table_sleep(d->table)) {
		c25_client_work(d);
		sleep = false;
	}
	if (!c25_nat_flush(d->nat))
		sleep = false;
	c25_doorbell_flush(d->doorbell);
	return sleep;
}

/* ---- the key that we sign with ----------------------------------------- */

/* What the configuration names; NULL: nothing is signed. */
static int
key_load(const struct c25_daemon *d, const struct c25_config *cfg,
	struct c25_key **key, struct c25_error *err)
{
	const char *file = cfg->self.private_key_file;
	struct c25_error why = { "" };
	int r;

	*key = NULL;
	if (file == NULL)
		return 0;
	r = c25_key_load(file, geteuid(), key, &why);
	if (r == -EACCES)
		return c25_fail(err, r, "self.privateKeyFile: %s: user %s "
			"can't read it: chown %s %s, and let that "
			"user into its directory", file, d->privileges.user,
			d->privileges.user, file);
	return r == 0 ? 0 : c25_fail(err, r, "self.privateKeyFile: %s",
		why.text);
}

static void
key_use(struct c25_daemon *d, struct c25_key *key)
{
	d->key = key;
	if (key != NULL)
		c25_privileges_secret();
	c25_serve_key(d->serve, key);
	if (d->pusher != NULL)
		c25_pusher_key(d->pusher, key);
}

/* What it names for TLS. */
static int
certificates_load(const struct c25_config *cfg,
	struct c25_certificates **certificates, struct c25_buf *out,
	struct c25_error *err)
{
	struct c25_error warning = { "" };
	int r = c25_certificates_load(cfg, geteuid(), certificates, err);

	if (r == 0 && (*certificates)->server != NULL)
		c25_privileges_secret();
	if (r == 0 && c25_certificates_warn(*certificates, cfg, &warning))
		c25_daemon_tell(out, "warning: %s", warning.text);
	return r;
}

/* ---- lookups of what is verified ---------------------------------------- */

static int
on_lookup(void *ctx, struct c25_verify_name *name, const char *domain,
	enum c25_family family)
{
	struct c25_daemon *d = ctx;

	return c25_resolve_start(d->resolve, name, domain, family);
}

static void
on_resolved(void *ctx, void *token, const struct c25_verify_answer *a)
{
	struct c25_daemon *d = ctx;

	c25_verify_answer(c25_serve_verify(d->serve), token, a, c25_now_ms());
}

/* ---- configuration ----------------------------------------------------- */

/*
 * Make a checked configuration the one in force; also the first one.
 * Owns: cfg is the daemon's on success only.
 */
static int
apply(struct c25_daemon *d, struct c25_config *cfg, struct c25_buf *out,
	struct c25_error *err)
{
	struct c25_daemon_listener fresh[C25_LISTENERS];
	struct c25_certificates *certificates = NULL;
	struct c25_key *key, *old = d->key;
	bool opened = false;
	int r;

	if (cfg->datapath.nftables && d->privileges.net_admin_given_up)
		return c25_fail(err, -EPERM, "datapath.nftables: needs the "
			"capability CAP_NET_ADMIN, which conn25d keeps only "
			"if it is on at the start: restart conn25d");
	r = c25_nat_check(d->nat, cfg, err);
	if (r == 0)
		r = c25_resolve_prepare(d->resolve, cfg, err);
	if (r == 0)
		r = c25_forwarding_prepare(d->forwarding, cfg, err);
	if (r == 0)
		r = c25_resolve_prepare(d->names, cfg, err);
	if (r == 0)
		r = key_load(d, cfg, &key, err);
	if (r != 0)
		return r;
	r = certificates_load(cfg, &certificates, out, err);
	if (r == 0)
		r = c25_privileges_explain(&d->privileges,
			c25_listeners_open(d, cfg, fresh, err), err);
	if (r != 0) {
		c25_certificates_free(certificates);
		c25_key_free(key);
		return r;
	}
	if (d->table == NULL && c25_client_needed(d, cfg)) {
		r = c25_client_open(d, cfg, out, err);
		if (r != 0)
			goto undo;
		opened = true;
	}
	key_use(d, key);
	if (d->table != NULL) {
		r = c25_client_publish(d, cfg, certificates, err);
		if (r != 0)
			goto undo;
	}
	/* Nothing but memory can be missing from here on. */
	r = c25_serve_configure(d->serve, cfg, err);
	if (r != 0)
		goto undo;
	/* serve points into cfg now: there is no way back but to end. */
	r = c25_nat_configure(d->nat, cfg, d->table,
		c25_serve_mappings(d->serve), err);
	if (r != 0 && d->cfg == NULL)
		goto undo;
	if (r != 0)
		c25_daemon_tell(out, "%s: the kernel keeps the rules of "
			"before: reload again", err->text);
	if (c25_resolve_commit(d->resolve))
		c25_verify_forget(c25_serve_verify(d->serve));
	c25_forwarding_commit(d->forwarding);
	(void)c25_resolve_commit(d->names);
	c25_listeners_commit(d, cfg, certificates, fresh);
	c25_config_free(d->cfg);
	d->cfg = cfg;
	c25_certificates_free(d->certificates);
	d->certificates = certificates;
	c25_log_to(cfg->log.syslog ? C25_LOG_SYSLOG : C25_LOG_STDERR);
	c25_key_free(old);
	return 0;
undo:
	key_use(d, old);
	c25_key_free(key);
	if (opened)
		c25_client_close(d);
	c25_listeners_drop(d, fresh);
	c25_certificates_free(certificates);
	return r;
}

int
c25_daemon_reload(struct c25_daemon *d, struct c25_buf *out)
{
	struct c25_config_errors errs = { 0 };
	char line[C25_CONFIG_LINE_MAX];
	struct c25_config *cfg;
	struct c25_error err = { "" };
	size_t i;
	int r;

	r = c25_config_load(d->options->file, &cfg, &errs);
	for (i = 0; i < c25_config_error_count(&errs); i++)
		c25_daemon_tell(out, "%s",
			c25_config_error_line(&errs, i, line));
	c25_config_errors_free(&errs);
	if (r != 0) {
		if (r == -EACCES)
			c25_daemon_tell(out, "%s: conn25d runs as user %s: "
				"let that user read it", d->options->file,
				d->privileges.user);
		c25_log(C25_LOG_ERROR, "reload: %s: not taken: everything "
			"stays as it was", d->options->file);
		return r;
	}
	r = c25_confine_config(d, &err);
	if (r == 0) {
		tell_restart(d, cfg, out);
		r = apply(d, cfg, out, &err);
	}
	if (r != 0) {
		c25_resolve_cancel(d->resolve);
		c25_forwarding_cancel(d->forwarding);
		c25_resolve_cancel(d->names);
		c25_daemon_tell(out, "%s", err.text);
		c25_log(C25_LOG_ERROR, "reload: %s: not taken: everything "
			"stays as it was", d->options->file);
		c25_config_free(cfg);
		return r;
	}
	c25_health_configured(d);
	c25_log(C25_LOG_INFO, "reload: %s: in force", d->options->file);
	return 0;
}

/* ---- events ------------------------------------------------------------ */

static void
on_signal(struct c25_watch *w, int fd, unsigned events, void *ctx)
{
	struct c25_daemon *d = ctx;
	struct signalfd_siginfo info;

	(void)w;
	(void)events;
	if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		(void)!c25_daemon_reload(d, NULL);
		return;
	}
	c25_log(C25_LOG_INFO, "stopping: SIG%s received",
		sigabbrev_np((int)info.ssi_signo));
	c25_daemon_stop(d);
}

static void
on_tick(void *ctx)
{
	struct c25_daemon *d = ctx;
	struct c25_error warning = { "" };

	if (c25_certificates_tick(d->certificates, d->cfg, c25_now_ms(),
	    &warning))
		c25_log(C25_LOG_ERROR, "warning: %s", warning.text);
	c25_serve_tick(d->serve, c25_now_ms());
	c25_resolve_tick(d->resolve, c25_now_ms());
	c25_resolve_tick(d->names, c25_now_ms());
	c25_persist_tick(d->persist);
	c25_health_tick(d);
	c25_forwarding_arrived(d->forwarding,
		c25_doorbell_arrivals(d->doorbell));
	if (d->keep != NULL)
		c25_keep_tick(d->keep, c25_now_ms());
	if (d->table != NULL && !d->replaced_told &&
			c25_table_replaced(d->table)) {
		d->replaced_told = true;
		c25_log(C25_LOG_ERROR, "table: %s/%s was removed or "
			"replaced: restart conn25d", d->run_dir,
			C25_TABLE_FILE);
	}
	c25_timer_set(&d->tick, C25_TICK_MS);
}

/* Mappings were accepted: the kernel has them before the peer knows. */
static void
on_mappings(void *ctx)
{
	struct c25_daemon *d = ctx;

	/* or refuses them */
	c25_nat_flush_first(d->nat);
}

static void
on_control(void *ctx, const struct c25_control_line *line,
	struct c25_control_reply *r)
{
	c25_verbs_run(ctx, line, r);
}

void
c25_daemon_stop(struct c25_daemon *d)
{
	c25_loop_stop(d->loop);
}

/* ---- start and stop ---------------------------------------------------- */

/* Signals become events; the mask was set by block_signals(). */
static int
signals_open(struct c25_daemon *d, const sigset_t *mask,
	struct c25_error *err)
{
	int fd, r;

	fd = signalfd(-1, mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return c25_fail(err, -errno, "signals: %s", strerror(errno));
	r = c25_loop_watch(d->loop, fd, C25_READ, on_signal, d, &d->signals);
	if (r != 0) {
		(void)close(fd);
		return c25_fail(err, r, "signals: %s", strerror(-r));
	}
	return 0;
}

/* Everything that needs no table. */
static int
start_base(struct c25_daemon *d, const struct c25_config *cfg,
	const sigset_t *mask, struct c25_error *err)
{
	char path[4096];
	int r;

	d->run_dir = strdup(cfg->run_dir);
	d->state_dir = strdup(cfg->state_dir);
	if (d->run_dir == NULL || d->state_dir == NULL)
		return c25_fail(err, -ENOMEM, "out of memory");
	if ((r = c25_confine_user(d, cfg, err)) != 0 ||
			(r = c25_rundir_make(d->run_dir, d->gid, err)) != 0 ||
			(r = c25_rundir_lock(d->run_dir, &d->lock_fd, err))
			!= 0 ||
			(r = c25_loop_new(&d->loop, err)) != 0 ||
			(r = signals_open(d, mask, err)) != 0 ||
			(r = c25_serve_new(&d->serve, err)) != 0)
		return r;
	if (c25_nat_new(d->loop, &d->nat) != 0 ||
			c25_forwarding_new(d->loop, &d->forwarding) != 0 ||
			c25_resolve_new(d->loop, C25_RESOLVE_VERIFY,
			on_resolved, d, &d->resolve) != 0 ||
			c25_resolve_new(d->loop, C25_RESOLVE_NAMES,
			c25_pusher_found, NULL, &d->names) != 0)
		return c25_fail(err, -ENOMEM, "out of memory");
	c25_serve_before_reply(d->serve, on_mappings, d);
	c25_verify_resolver(c25_serve_verify(d->serve), on_lookup, d);
	(void)snprintf(path, sizeof(path), "%s/%s", d->run_dir,
		C25_CONTROL_FILE);
	return c25_control_open(d->loop, path, d->gid, on_control, d,
		&d->control, err);
}

/* What an earlier conn25d knew: before anybody can ask for it. */
static int
start_state(struct c25_daemon *d, const struct c25_config *cfg,
	struct c25_error *err)
{
	int r = c25_serve_configure(d->serve, cfg, err);

	return r != 0 ? r : c25_persist_open(d->state_dir, d->run_dir,
		d->serve, &d->persist, err);
}

static void
stop_all(struct c25_daemon *d)
{
	unsigned i;

	/* first, as the store's thread reads the table */
	c25_persist_close(d->persist);
	c25_nat_free(d->nat, d->cfg != NULL && d->cfg->datapath.nftables &&
		d->cfg->datapath.remove_at_stop);
	c25_client_close(d);
	for (i = 0; i < C25_LISTENERS; i++)
		c25_http_unlisten(d->listeners[i].http);
	c25_resolve_free(d->resolve);
	c25_forwarding_free(d->forwarding);
	c25_resolve_free(d->names);
	c25_serve_free(d->serve);
	c25_control_close(d->control);	/* who waits for the end sees it */
	c25_watch_close(d->signals);
	c25_loop_free(d->loop);
	c25_config_free(d->cfg);
	c25_certificates_free(d->certificates);
	c25_key_free(d->key);
	free(d->run_dir);
	free(d->state_dir);
	if (d->lock_fd >= 0)
		(void)close(d->lock_fd);
}

/* Print all errors as a compiler does, not as log lines. */
static int
load_first(const char *file, struct c25_config **cfg)
{
	struct c25_config_errors errs = { 0 };
	char line[C25_CONFIG_LINE_MAX];
	size_t i;
	int r;

	r = c25_config_load(file, cfg, &errs);
	for (i = 0; i < c25_config_error_count(&errs); i++)
		(void)fprintf(stderr, "%s\n",
			c25_config_error_line(&errs, i, line));
	c25_config_errors_free(&errs);
	return r;
}

static int
start(struct c25_daemon *d, const sigset_t *mask, struct c25_error *err)
{
	struct c25_config *cfg;
	int r;

	if (load_first(d->options->file, &cfg) != 0)
		return -EINVAL;
	r = start_base(d, cfg, mask, err);
	if (r == 0)
		r = c25_client_start(d, cfg, err);
	if (r == 0)
		r = start_state(d, cfg, err);
	if (r == 0)
		r = apply(d, cfg, NULL, err);
	if (r != 0) {
		c25_config_free(cfg);
		return r;
	}
	r = c25_confine_all(d, d->cfg, err);
	if (r == 0)
		r = c25_persist_start(d->persist, err);
	if (r != 0)
		return r;
	c25_loop_before_sleep(d->loop, may_sleep, d);
	c25_timer_init(&d->tick, d->loop, on_tick, d);
	c25_timer_set(&d->tick, C25_TICK_MS);
	d->start_ms = d->reset_ms = c25_now_ms();
	c25_health_configured(d);
	return 0;
}

int
c25_daemon_run(const struct c25_daemon_options *options)
{
	struct c25_daemon d = { .options = options, .gid = (gid_t)-1,
		.lock_fd = -1 };
	struct c25_error err = { "" };
	sigset_t mask;
	int r;

	c25_privileges_begin();
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGHUP);
	(void)sigaddset(&mask, SIGINT);
	(void)sigaddset(&mask, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
	/* A file that may not grow is an error like a full disk. */
	(void)signal(SIGXFSZ, SIG_IGN);
	r = start(&d, &mask, &err);
	if (r == 0) {
		c25_log(C25_LOG_INFO, "running: version %s, runDir %s",
			C25_VERSION, d.run_dir);
		c25_notify("READY=1");
		r = c25_loop_run(d.loop);
		c25_notify("STOPPING=1");
		if (r != 0)
			c25_fail(&err, r, "event loop: %s", strerror(-r));
	}
	if (r != 0 && err.text[0] != '\0')
		c25_log(C25_LOG_ERROR, "%s", err.text);
	stop_all(&d);
	if (r == 0)
		c25_log(C25_LOG_INFO, "stopped");
	return r == 0 ? 0 : 1;
}
