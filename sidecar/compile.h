/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * compile.h - from configuration to policy: arrange what config.h read as
 * the input of c25_policy_compile() (conn25/policy.h), which does the work.
 *
 * Example (conn25d):
 *	uint16_t regs[C25_CONNECTORS_MAX];
 *
 *	for (i = 0; i < cfg->connector_count; i++) {
 *		r = c25_table_connector_reg(t, cfg->connectors[i].name);
 *		if (r < 0)
 *			... the registry is full ...
 *		regs[i] = (uint16_t)r;
 *	}
 *	r = c25_compile(cfg, regs, c25_table_next_generation(t),
 *		c25_table_hash_key(t), &blob, &len, &err);
 *	if (r == 0)
 *		r = c25_table_publish(t, blob, len, &err);
 *	free(blob);
 *
 * Rules: pure; any thread.
 */
#ifndef CONN25_COMPILE_H
#define CONN25_COMPILE_H

#include <stddef.h>
#include <stdint.h>

#include "conn25/error.h"
#include "config.h"

/*
 * Compile a configuration. `connector_regs` has the registry index of each
 * configured connector, in their order; NULL: the index in the file itself
 * (for conn25-checkconf, which has no table). A configuration without the
 * client role gives a policy that matches nothing.
 * Owns: *blob is malloc'ed, the caller frees it.
 * Returns: 0; -ENOMEM; and what c25_policy_compile() returns, with err set.
 */
int c25_compile(const struct c25_config *cfg, const uint16_t *connector_regs,
	uint64_t generation, const uint8_t hash_key[static 16],
	uint8_t **blob, size_t *len_bytes, struct c25_error *err)
	__attribute__((warn_unused_result));

#endif
