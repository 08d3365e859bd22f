/* SPDX-License-Identifier: BSD-3-Clause */
/* Private keys: files, memory, signing; see keys.h. */
#include "keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES (C25_KEY_TEXT_MAX - 1)	/* without its newline */
#define FILE_MAX (LINE_BYTES + 2)		/* one more than may be */

/* What must not be seen; from sodium_malloc(), as all that is secret. */
struct secret {
	uint8_t key[crypto_sign_SECRETKEYBYTES];
	uint8_t seed[crypto_sign_SEEDBYTES];
	char text[FILE_MAX + 1];
};

struct c25_key {
	struct secret *secret;
	uint8_t public[C25_KEY_BYTES];
	char text[C25_KEY_TEXT_MAX];		/* of the public key */
};

_Static_assert(crypto_sign_PUBLICKEYBYTES == C25_KEY_BYTES, "Ed25519");
_Static_assert(crypto_sign_BYTES == C25_SIGNATURE_BYTES, "Ed25519");

/* A key with room for its secret. */
static struct c25_key *
key_new(void)
{
	struct c25_key *key = calloc(1, sizeof(*key));

	if (key == NULL || sodium_init() < 0 ||
	    (key->secret = sodium_malloc(sizeof(*key->secret))) == NULL) {
		free(key);
		return NULL;
	}
	return key;
}

/* Complete it from secret->seed, of which nothing else is left. */
static void
key_finish(struct c25_key *key)
{
	struct secret *s = key->secret;

	(void)crypto_sign_seed_keypair(key->public, s->key, s->seed);
	sodium_memzero(s->seed, sizeof(s->seed));
	sodium_memzero(s->text, sizeof(s->text));
	(void)sodium_bin2base64(key->text, sizeof(key->text), key->public,
		sizeof(key->public), sodium_base64_VARIANT_ORIGINAL);
	(void)sodium_mprotect_readonly(s);
}

void
c25_key_free(struct c25_key *key)
{
	if (key == NULL)
		return;
	sodium_free(key->secret);
	free(key);
}

struct c25_key *
c25_key_from_seed(const uint8_t seed[static C25_KEY_BYTES])
{
	struct c25_key *key = key_new();

	if (key == NULL)
		return NULL;
	memcpy(key->secret->seed, seed, sizeof(key->secret->seed));
	key_finish(key);
	return key;
}

/* ---- reading ------------------------------------------------------------ */

/* May it be trusted? */
static int
check_file(int fd, const char *path, uid_t owner, const char *what,
	struct c25_error *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return c25_fail(err, -errno, "%s: %s", path,
			strerror(errno));
	if (!S_ISREG(st.st_mode))
		return c25_fail(err, -EINVAL, "%s: is no regular file: %s",
			path, what);
	if ((st.st_mode & 077) != 0)
		return c25_fail(err, -EPERM, "%s: mode %04o lets others at "
			"the private key: chmod 600, or make a new key if "
			"somebody may have read it", path,
			(unsigned)st.st_mode & 07777);
	if (owner != C25_KEY_ANY_OWNER && st.st_uid != owner &&
	    st.st_uid != 0)
		return c25_fail(err, -EPERM, "%s: belongs to user %u, who "
			"could read and replace it: chown it to user %u, or "
			"to root", path, (unsigned)st.st_uid,
			(unsigned)owner);
	return 0;
}

int
c25_key_open(const char *path, uid_t owner, const char *what,
	struct c25_error *err)
{
	int fd, r;

	/* it may be a FIFO: don't wait for its other end */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return c25_fail(err, -errno, "%s: can't be read: %s: %s",
			path, strerror(errno), errno == ENOENT ? what :
			"it must belong to the user that conn25d runs as");
	r = check_file(fd, path, owner, what, err);
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

/* The line of the file into s->text. Returns: its length, or -errno. */
static ssize_t
read_line(int fd, struct secret *s)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, s->text + len, FILE_MAX - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
	} while (n != 0 && len < FILE_MAX);
	if (len > 0 && s->text[len - 1] == '\n')
		len--;
	return (ssize_t)len;
}

static int
read_key(int fd, const char *path, struct secret *s, struct c25_error *err)
{
	ssize_t len = read_line(fd, s);
	size_t n = 0;

	if (len < 0)
		return c25_fail(err, (int)len, "%s: can't be read: %s", path,
			strerror((int)-len));
	if (len != LINE_BYTES || sodium_base642bin(s->seed, sizeof(s->seed),
	    s->text, (size_t)len, NULL, &n, NULL,
	    sodium_base64_VARIANT_ORIGINAL) != 0 || n != sizeof(s->seed))
		return c25_fail(err, -EINVAL, "%s: is no private key, which "
			"is one line of %d characters: make one with "
			"conn25-control keygen", path, LINE_BYTES);
	return 0;
}

int
c25_key_load(const char *path, uid_t owner, struct c25_key **out,
	struct c25_error *err)
{
	struct c25_key *key = NULL;
	int fd, r = 0;

	*out = NULL;
	fd = c25_key_open(path, owner, "make it with conn25-control keygen",
		err);
	if (fd < 0)
		return fd;
	if ((key = key_new()) == NULL)
		r = c25_fail(err, -ENOMEM, "%s: out of memory", path);
	if (r == 0)
		r = read_key(fd, path, key->secret, err);
	(void)close(fd);
	if (r != 0) {
		c25_key_free(key);
		return r;
	}
	key_finish(key);
	*out = key;
	return 0;
}

/* ---- writing ------------------------------------------------------------ */

static int
write_line(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

int
c25_key_generate(const char *path, char text[static C25_KEY_TEXT_MAX],
	struct c25_error *err)
{
	struct c25_key *key = key_new();
	struct secret *s;
	int fd, r;

	if (key == NULL)
		return c25_fail(err, -ENOMEM, "%s: out of memory", path);
	s = key->secret;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		0600);
	if (fd < 0) {
		r = c25_fail(err, -errno, "%s: can't be made: %s%s", path,
			strerror(errno), errno == EEXIST ? ": a key is never "
			"overwritten, remove it first" : "");
		goto out;
	}
	randombytes_buf(s->seed, sizeof(s->seed));
	(void)sodium_bin2base64(s->text, sizeof(s->text), s->seed,
		sizeof(s->seed), sodium_base64_VARIANT_ORIGINAL);
	s->text[LINE_BYTES] = '\n';
	/* whatever the umask */
	r = fchmod(fd, 0600) == 0 ? write_line(fd, s->text, LINE_BYTES + 1) :
		-errno;
	if (close(fd) != 0 && r == 0)
		r = -errno;
	if (r != 0) {
		(void)unlink(path);
		c25_fail(err, r, "%s: can't be written: %s", path,
			strerror(-r));
		goto out;
	}
	key_finish(key);
	memcpy(text, key->text, sizeof(key->text));
out:
	c25_key_free(key);
	return r;
}

/* ---- using -------------------------------------------------------------- */

const uint8_t *
c25_key_public(const struct c25_key *key)
{
	return key->public;
}

const char *
c25_key_text(const struct c25_key *key)
{
	return key->text;
}

void
c25_key_sign(const struct c25_key *key, const void *data, size_t len,
	uint8_t signature[static C25_SIGNATURE_BYTES])
{
	(void)crypto_sign_detached(signature, NULL, data, len,
		key->secret->key);
}
