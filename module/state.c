/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * state.c - what the process and its worker threads hold: the table's
 * mapping and the policy, shared; and when they are taken anew.
 *
 * Table and policy are one pair: a table without a loadable policy is not
 * attached to, and when the table has been replaced the old pair is kept
 * until the new one is whole. Whoever has none yet takes one that is about to
 * be replaced, too. Where there is a table that can't be used its policy still
 * says which names are ours; they get SERVFAIL. Only without a policy every
 * name passes unchanged.
 *
 * A new pair is handed out first and the cache purged then, both under the
 * lock: a worker that notices the change waits for the lock, so it answers
 * nothing from the old pair any more. What a thread stores under the public
 * key between looking at the policy and the purge is removed by that thread
 * when the query state is done (c25_query_done()).
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "module/module.h"

enum {
	STATE_RETRY_MS = 1000,
	STATE_SOON_MS = 20,	/* a table's successor is being filled */
	STATE_TRIES = 3,	/* when it comes while we attach */
};

static void shared_table_unref(struct c25_shared_table *t)
{
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	c25_table_detach(t->table);
	free(t);
}

static struct c25_shared_table *shared_table_ref(struct c25_shared_table *t)
{
	if (t != NULL)
		atomic_fetch_add(&t->refs, 1);
	return t;
}

/* Log a failure to attach or load once, until it becomes another one. */
static void state_log_error(struct c25_module *m, int code,
	const struct c25_error *err)
{
	if (code == m->last_error)
		return;
	m->last_error = code;
	if (m->policy != NULL && m->table == NULL)
		log_warn("conn25: %s: names of its policy get SERVFAIL until "
			"this is mended", err->text);
	else if (m->policy != NULL)
		log_warn("conn25: %s: the policy of before stays", err->text);
	else if (code == -ENOENT)
		log_info("conn25: %s/%s: not there yet: names pass unchanged "
			"until conn25d has started", m->run_dir,
			C25_TABLE_FILE);
	else
		log_warn("conn25: %s: names pass unchanged until this is "
			"mended", err->text[0] != '\0' ? err->text :
			strerror(-code));
}

/* Take over a pair and forget what the caches know of its names.
 * Locks: the module's is held. */
static void state_install(struct c25_module *m, struct module_env *env,
	struct c25_shared_table *table, struct c25_policy *policy)
{
	size_t purged;

	shared_table_unref(m->table);
	c25_policy_unref(m->policy);
	m->table = table;
	m->policy = policy;
	m->last_error = 0;
	atomic_fetch_add(&m->epoch, 1);
	purged = c25_cache_purge(env, policy);
	log_info("conn25: %s/%s: policy %llu, %zu domains, %zu cached "
		"messages forgotten", m->run_dir, C25_TABLE_FILE,
		(unsigned long long)c25_policy_generation(policy),
		c25_policy_domain_count(policy), purged);
	if (!C25_HAVE_EVENTS && c25_policy_hold(policy) > 0 &&
	    !m->hold_told) {
		m->hold_told = true;
		log_info("conn25: dns.holdMilliseconds: %u: this Unbound was "
			"built without libevent: first answers don't wait "
			"for their connector", c25_policy_hold(policy));
	}
}

/*
 * Attach, and load the policy that is in the table; who has a table already
 * waits for one that stays.
 * Returns: 0; as c25_table_attach() and c25_table_policy().
 */
static int state_pair(const struct c25_module *m, struct c25_table **table,
	struct c25_policy **policy, struct c25_error *err)
{
	int r = -EAGAIN;

	for (int i = 0; i < STATE_TRIES; i++) {
		bool replaced;

		r = m->table != NULL ?
			c25_table_attach(m->run_dir, table, err) :
			c25_table_attach_retired(m->run_dir, table, err);
		if (r != 0)
			break;
		r = c25_table_policy(*table, policy, err);
		if (r == 0)
			break;
		/* with its successor there its policy goes */
		replaced = c25_table_replaced(*table);
		c25_table_detach(*table);
		if (!replaced)
			break;
	}
	return r;
}

/* There is no table that can be used: at least know whose names are ours.
 * Locks: the module's is held. */
static void state_names(struct c25_module *m, struct module_env *env)
{
	struct c25_policy *policy;

	if (m->table == NULL && c25_table_policy_alone(m->run_dir,
	    m->policy == NULL ? 0 : c25_policy_generation(m->policy),
	    &policy, NULL) == 0)
		state_install(m, env, NULL, policy);
}

/* Locks: the module's is held. */
static void state_attach(struct c25_module *m, struct module_env *env)
{
	struct c25_error err = { .text = "" };
	struct c25_shared_table *t = calloc(1, sizeof(*t));
	struct c25_policy *policy = NULL;
	int r = -ENOMEM;

	if (t == NULL)
		goto out;
	atomic_init(&t->refs, 1);
	r = state_pair(m, &t->table, &policy, &err);
out:
	if (r == 0) {
		state_install(m, env, t, policy);
		return;
	}
	free(t);
	state_names(m, env);
	m->next_load_ms = c25_now_ms() + (r == -EAGAIN ? STATE_SOON_MS :
		STATE_RETRY_MS);
	state_log_error(m, r, &err);
}

/* Load the policy that was published in the table we have.
 * Locks: the module's is held. */
static void state_reload(struct c25_module *m, struct module_env *env)
{
	struct c25_error err = { .text = "" };
	struct c25_policy *policy = NULL;
	int r = c25_table_policy(m->table->table, &policy, &err);

	if (r == 0) {
		state_install(m, env, shared_table_ref(m->table), policy);
		return;
	}
	m->next_load_ms = c25_now_ms() + STATE_RETRY_MS;
	state_log_error(m, r, &err);
}

/* Have the worker hold what the process holds.
 * Locks: the module's is held. */
static void state_take(struct c25_worker *w)
{
	struct c25_module *m = w->module;

	w->epoch = atomic_load(&m->epoch);
	shared_table_unref(w->table);
	c25_policy_unref(w->policy);
	w->table = shared_table_ref(m->table);
	w->policy = m->policy == NULL ? NULL : c25_policy_ref(m->policy);
}

/* Has the table a successor, or another policy? */
static bool state_outdated(const struct c25_shared_table *t,
	const struct c25_policy *policy)
{
	return t != NULL && policy != NULL &&
		(c25_table_retired(t->table) ||
		c25_table_generation(t->table) !=
		c25_policy_generation(policy));
}

int c25_state_create(struct module_env *env, int id,
	struct dynlibmod_env *dynlib, struct c25_module **out)
{
	const char *dir = getenv(C25_RUN_DIR_ENV);
	struct c25_module *m = calloc(1, sizeof(*m));
	int r = -ENOMEM;

	if (m == NULL)
		return -ENOMEM;
	if (dir == NULL || *dir == '\0')
		dir = C25_RUN_DIR_DEFAULT;
	if (strlen(dir) >= sizeof(m->run_dir)) {
		r = -ENAMETOOLONG;
		goto out;
	}
	strcpy(m->run_dir, dir);
	m->id = id;
	m->dynlib = dynlib;
	atomic_init(&m->epoch, 1);
	m->worker_count = env->cfg->num_threads > 1 ?
		(size_t)env->cfg->num_threads : 1;
	m->workers = calloc(m->worker_count, sizeof(*m->workers));
	if (m->workers == NULL)
		goto out;
	r = -pthread_mutex_init(&m->lock, NULL);
	if (r != 0)
		goto out;
	/* The cache may have been kept over a reload: purge it now. */
	(void)c25_state_look(m, env);
	m->watch.stop = m->watch.bell = -1;
	r = c25_watch_start(m, env);
	if (r != 0) {
		c25_state_free(m);
		return r;
	}
	*out = m;
	return 0;
out:
	free(m->workers);
	free(m);
	return r;
}

void c25_state_free(struct c25_module *m)
{
	c25_watch_stop(m);
	for (size_t i = 0; i < m->worker_count; i++) {
		struct c25_worker *w = m->workers[i];

		if (w == NULL)
			continue;
		c25_bell_close(w);
		c25_wait_close(w);
		c25_recent_close(w);
		shared_table_unref(w->table);
		c25_policy_unref(w->policy);
		free(w);
	}
	shared_table_unref(m->table);
	c25_policy_unref(m->policy);
	pthread_mutex_destroy(&m->lock);
	free(m->workers);
	free(m);
}

struct c25_worker *c25_state_worker(struct c25_module *m,
	struct module_env *env)
{
	size_t number = (size_t)env->alloc->thread_num;
	struct c25_worker *w;

	if (number >= m->worker_count)
		return NULL;
	w = atomic_load_explicit(&m->workers[number], memory_order_relaxed);
	if (w != NULL)
		return w;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return NULL;
	w->module = m;
	w->env = env;
	w->number = (unsigned)number;
	w->iterator = modstack_find(&env->mesh->mods, "iterator");
	w->respip = modstack_find(&env->mesh->mods, "respip");
	w->bell.fd = -1;
	c25_recent_open(w);
	/* pairs with c25_state_mem(), which other threads call */
	atomic_store_explicit(&m->workers[number], w, memory_order_release);
	return w;
}

/* Locks: the module's is held. */
static void state_look(struct c25_module *m, struct module_env *env)
{
	if (m->table == NULL || c25_table_replaced(m->table->table))
		state_attach(m, env);
	else if (state_outdated(m->table, m->policy))
		state_reload(m, env);
}

uint64_t c25_state_look(struct c25_module *m, struct module_env *env)
{
	uint64_t generation;

	pthread_mutex_lock(&m->lock);
	state_look(m, env);
	generation = m->policy == NULL ? 0 :
		c25_policy_generation(m->policy);
	pthread_mutex_unlock(&m->lock);
	return generation;
}

void c25_state_poll(struct c25_worker *w)
{
	struct c25_module *m = w->module;
	uint64_t now_ms = c25_now_ms();
	bool mine;

	pthread_mutex_lock(&m->lock);
	mine = now_ms >= m->next_poll_ms;
	if (mine)
		m->next_poll_ms = now_ms + STATE_RETRY_MS;
	pthread_mutex_unlock(&m->lock);
	if (mine)
		(void)c25_state_look(m, w->env);
}

const struct c25_policy *c25_state_policy(struct c25_worker *w)
{
	struct c25_module *m = w->module;

	if (*w->env->now != w->polled) {
		w->polled = *w->env->now;
		w->second_ends_ms = c25_now_ms() + 1000;
		c25_state_poll(w);
		c25_bell_keep(w);
	}
	if (w->epoch == atomic_load(&m->epoch) &&
	    !state_outdated(w->table, w->policy))
		return w->policy;
	pthread_mutex_lock(&m->lock);
	if (state_outdated(m->table, m->policy) &&
	    (m->last_error == 0 || c25_now_ms() >= m->next_load_ms))
		state_look(m, w->env);
	state_take(w);
	pthread_mutex_unlock(&m->lock);
	return w->policy;
}

void c25_state_count(struct c25_worker *w, enum c25_stat stat, uint64_t n)
{
	if (w->table != NULL && n > 0)
		c25_table_count(w->table->table, w->number, stat, n);
}

size_t c25_state_mem(const struct c25_module *m)
{
	size_t mem = sizeof(*m) + m->worker_count * sizeof(*m->workers);

	for (size_t i = 0; i < m->worker_count; i++) {
		const struct c25_worker *w = atomic_load_explicit(
			&m->workers[i], memory_order_acquire);

		if (w != NULL)
			mem += sizeof(*w) + w->recent_bytes;
	}
	return mem;
}
