/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conn25_module.c - the six functions that Unbound's dynlib module calls,
 * with Unbound's conventions (1 is success, ext_state says what comes next),
 * and the check that we are inside the Unbound we were built for. What they
 * do is in state.c and query.c.
 */
#include <string.h>

#include "module/module.h"

#include "module/buildid.h"

#define EXPORT __attribute__((visibility("default")))

int init(struct module_env *env, int id);
void deinit(struct module_env *env, int id);
void operate(struct module_qstate *qstate, enum module_ev event, int id,
	struct outbound_entry *outbound);
void inform_super(struct module_qstate *qstate, int id,
	struct module_qstate *super);
void clear(struct module_qstate *qstate, int id);
size_t get_mem(struct module_env *env, int id);

/* Is this the Unbound we were compiled for? Nothing of Unbound's memory may
 * be touched before this is known: its structs may be laid out otherwise. */
static bool init_same_unbound(void)
{
	char id[C25_BUILDID_TEXT_MAX];

	if (C25_UNBOUND_BUILD_ID[0] == '\0') {
		log_err("conn25: conn25.so was built without knowing its "
			"Unbound: run ./configure --with-unbound-src=DIR and "
			"make again, with DIR a built source tree");
		return false;
	}
	if (c25_buildid_of_program(id) != 0)
		strcpy(id, "none");
	if (strcmp(id, C25_UNBOUND_BUILD_ID) == 0)
		return true;
	log_err("conn25: conn25.so was built for another Unbound (%s, "
		"build-id %s) than this one (build-id %s): build it against "
		"the source tree of this one: ./configure "
		"--with-unbound-src=DIR && make && make install",
		C25_UNBOUND_VERSION, C25_UNBOUND_BUILD_ID, id);
	return false;
}

/* Does module-config, words separated by blanks, have this one? */
static bool init_has_module(const char *conf, const char *name)
{
	size_t len = strlen(name);

	while (conf != NULL && *conf != '\0') {
		size_t word = strcspn(conf, " \t");

		if (word == len && memcmp(conf, name, len) == 0)
			return true;
		conf += word;
		conf += strspn(conf, " \t");
	}
	return false;
}

/* Who may ask without RD set gets referrals from the cache with no module in
 * between, also with addresses of name servers that have a name of ours.
 * Ref: daemon/worker.c answer_norec_from_cache(). */
static bool init_no_snooping(const struct module_env *env)
{
	const struct config_str2list *lists[] = { env->cfg->acls,
		env->cfg->interface_actions };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (const struct config_str2list *a = lists[i]; a != NULL;
		    a = a->next) {
			if (strcmp(a->str2, "allow_snoop") != 0)
				continue;
			log_err("conn25: access-control: %s allow_snoop: "
				"shows what is cached without asking conn25, "
				"and clients would get destination "
				"addresses: write \"allow\"", a->str);
			return false;
		}
	return true;
}

/*
 * Without threads the workers are processes, each with a cache of its own: not
 * supported. Without libevent there has to be a thread that notices a new
 * policy, for which Unbound's caches need their locks.
 */
static bool init_threads(const struct module_env *env)
{
#ifdef THREADS_DISABLED
	if (!C25_HAVE_EVENTS) {
		log_err("conn25: this Unbound was built without threads and "
			"without libevent, so that conn25 could not notice a "
			"new policy: build it with either");
		return false;
	}
	if (env->cfg->num_threads > 1) {
		log_err("conn25: num-threads: %d: this Unbound was built "
			"without threads and would have as many processes, "
			"which conn25 does not support: write "
			"\"num-threads: 1\"", env->cfg->num_threads);
		return false;
	}
#endif
	return true;
}

static bool init_module_config(const struct module_env *env, int id)
{
	const char *conf = env->cfg->module_conf;

	if (id != 0) {
		log_err("conn25: module-config: \"%s\": the dynlib that loads "
			"conn25.so must be the first one, as modules left of "
			"it would hand destination addresses to clients: "
			"write \"dynlib validator iterator\"", conf);
		return false;
	}
	if (init_has_module(conf, "subnetcache")) {
		log_err("conn25: module-config: \"%s\": subnetcache gives each "
			"client network its own answers, which conn25 does "
			"not support: remove it", conf);
		return false;
	}
	if (init_has_module(conf, "cachedb")) {
		log_err("conn25: module-config: \"%s\": cachedb puts stored "
			"answers into the cache past conn25, and clients "
			"would get destination addresses: remove it", conf);
		return false;
	}
	return true;
}

/* An inplace_cb_reply_func_type for SERVFAIL: tell why, if it is our doing.
 * Unbound drops edns_opts_front_out when it answers SERVFAIL. */
static int explain_servfail(struct query_info *qinfo,
	struct module_qstate *qstate, struct reply_info *rep, int rcode,
	struct edns_data *edns, struct edns_option **opt_list_out,
	struct comm_reply *repinfo, struct regional *region,
	struct timeval *start_time, int id, void *callback)
{
	const struct c25_query *q = qstate == NULL ? NULL : qstate->minfo[id];

	if (q != NULL && q->failed)
		(void)edns_opt_list_append_ede(opt_list_out, region,
			LDNS_EDE_OTHER, c25_query_failure_text(q->failure));
	return 1;
}

EXPORT int init(struct module_env *env, int id)
{
	struct dynlibmod_env *dynlib;
	struct c25_module *m = NULL;
	int r;

	if (!init_same_unbound() || !init_module_config(env, id) ||
	    !init_no_snooping(env) || !init_threads(env))
		return 0;
	dynlib = env->modinfo[id];
	r = c25_state_create(env, id, dynlib, &m);
	if (r != 0) {
		log_err("conn25: init: %s", strerror(-r));
		return 0;
	}
	dynlib->dyn_env = m;
	if (!dynlib->inplace_cb_register_wrapped((void *)explain_servfail,
	    inplace_cb_reply_servfail, NULL, env, id) ||
	    !dynlib->inplace_cb_register_wrapped((void *)c25_local_reply,
	    inplace_cb_reply_local, NULL, env, id) ||
	    !dynlib->inplace_cb_register_wrapped((void *)c25_learn_response,
	    inplace_cb_query_response, NULL, env, id)) {
		log_err("conn25: init: out of memory");
		deinit(env, id);
		return 0;
	}
	return 1;
}

EXPORT void deinit(struct module_env *env, int id)
{
	struct dynlibmod_env *dynlib = env->modinfo[id];

	if (dynlib == NULL || dynlib->dyn_env == NULL)
		return;
	dynlib->inplace_cb_delete_wrapped(env, inplace_cb_reply_servfail, id);
	dynlib->inplace_cb_delete_wrapped(env, inplace_cb_reply_local, id);
	dynlib->inplace_cb_delete_wrapped(env, inplace_cb_query_response, id);
	c25_state_free(dynlib->dyn_env);
	dynlib->dyn_env = NULL;
}

EXPORT void operate(struct module_qstate *qstate, enum module_ev event,
	int id, struct outbound_entry *outbound)
{
	struct c25_worker *w = c25_state_worker(
		c25_module_of(qstate->env, id), qstate->env);

	if (w == NULL) {
		/* Without state nothing can be told apart. */
		log_err("conn25: out of memory");
		qstate->return_rcode = LDNS_RCODE_SERVFAIL;
		qstate->return_msg = NULL;
		qstate->ext_state[id] = module_finished;
		return;
	}
	switch (event) {
	case module_event_new:
	case module_event_pass:
		c25_query_start(qstate, id, w);
		break;
	case module_event_moddone:
		c25_query_done(qstate, id, w);
		break;
	default:
		log_err("conn25: unexpected event %s", strmodulevent(event));
		qstate->ext_state[id] = module_error;
		break;
	}
}

/* We make no queries of our own, so none of them can finish. */
EXPORT void inform_super(struct module_qstate *qstate, int id,
	struct module_qstate *super)
{
}

EXPORT void clear(struct module_qstate *qstate, int id)
{
	c25_query_clear(qstate, id);
}

EXPORT size_t get_mem(struct module_env *env, int id)
{
	struct c25_module *m = c25_module_of(env, id);

	return m == NULL ? 0 : c25_state_mem(m);
}
