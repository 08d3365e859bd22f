/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keys.h - this host's Ed25519 private key: its file, and signing with it.
 * What is signed is decided by httpsig.h.
 *
 * The file is one line, the 32 bytes of the seed in base64 (44 characters).
 * It is made by `conn25-control keygen FILE`; the public key that is printed
 * there goes into "publicKey" on the other hosts.
 *
 * Example:
 *	struct c25_key *key;
 *
 *	if (c25_key_load(path, geteuid(), &key, &err) != 0)
 *		c25_log(C25_LOG_ERROR, "%s", err.text);
 *	c25_key_sign(key, text, len, signature);
 *	c25_key_free(key);
 *
 * Rules
 *   secrecy    the secret is in memory of its own: left out of core dumps,
 *              locked so that it isn't swapped out where RLIMIT_MEMLOCK
 *              allows that, read-only, and zeroed when freed; what was read
 *              from the file likewise. No message has any of it.
 *   file       read only if nobody but its owner (and root) can read it, and
 *              the owner is whom we trust.
 *   threads    a loaded key never changes.
 */
#ifndef CONN25_KEYS_H
#define CONN25_KEYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "conn25/error.h"

#define C25_SIGNATURE_BYTES 64
#define C25_KEY_TEXT_MAX 45		/* base64 of a key, with its NUL */

struct c25_key;

#define C25_KEY_ANY_OWNER ((uid_t)-1)

/*
 * Read a key file. `owner` may own it besides root.
 * Owns: the key is the caller's; NULL on failure.
 * Returns: 0; -ENOENT, -EACCES and other -errno of reading; -EPERM (others
 * may read or write it, another owner); -EINVAL (no key in it, no regular
 * file); -ENOMEM. err says what to do.
 */
int c25_key_load(const char *path, uid_t owner, struct c25_key **out,
	struct c25_error *err) __attribute__((warn_unused_result));
void c25_key_free(struct c25_key *key);		/* NULL is fine */

/*
 * Open a file with a private key of any kind, under the rule above: what
 * c25_key_load() does first. `what` says what it should be, for messages.
 * Returns: the fd; -errno as c25_key_load().
 */
int c25_key_open(const char *path, uid_t owner, const char *what,
	struct c25_error *err) __attribute__((warn_unused_result));

/*
 * Make a new key and write it to a file that isn't there yet, mode 0600.
 * Returns: 0 and its public key as text; -EEXIST; other -errno of writing,
 * and no file is left; -ENOMEM.
 */
int c25_key_generate(const char *path, char text[static C25_KEY_TEXT_MAX],
	struct c25_error *err) __attribute__((warn_unused_result));

/* From a seed; for tests. Returns: NULL: no memory. */
struct c25_key *c25_key_from_seed(const uint8_t seed[static C25_KEY_BYTES]);

/* The public key, as bytes and as a configuration has it. */
const uint8_t *c25_key_public(const struct c25_key *key);
const char *c25_key_text(const struct c25_key *key);

/* Ref: RFC 8032 5.1.6, as RFC 9421 3.3.6 wants it. */
void c25_key_sign(const struct c25_key *key, const void *data, size_t len,
	uint8_t signature[static C25_SIGNATURE_BYTES]);

#endif
