/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mark in runDir that says whether mappings are accepted and not written
 * yet: a page of a file, mapped, so that setting it is one store and it still
 * is there when the process has been killed. In stateDir that store could
 * wait for the disk; runDir is a tmpfs.
 */

#include "store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MARK_MAGIC "C25MARK1"

struct mark_d {
	char magic[8];
	char epoch[40];			/* whose mark this is; NUL-padded */
	_Atomic uint32_t unsaved;
	uint32_t pad;
};
_Static_assert(sizeof(struct mark_d) == 56, "layout of the mark");

struct c25_mark {
	struct mark_d *d;
};

int
c25_mark_open(const char *run_dir, struct c25_mark **out,
	struct c25_error *err)
{
	struct c25_mark *m = calloc(1, sizeof(*m));
	char path[4096];
	void *at = MAP_FAILED;
	int e, fd;

	*out = NULL;
	if (m == NULL)
		return c25_fail(err, -ENOMEM, "out of memory");
	(void)snprintf(path, sizeof(path), "%s/%s", run_dir,
		C25_STORE_MARK_FILE);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
		O_NONBLOCK, 0600);
	/* The block now: without it a store would be a SIGBUS. */
	e = fd < 0 ? errno : posix_fallocate(fd, 0, sizeof(*m->d));
	if (e == 0) {
		at = mmap(NULL, sizeof(*m->d), PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, 0);
		e = at == MAP_FAILED ? errno : 0;
	}
	if (fd >= 0)
		(void)close(fd);
	if (e != 0) {
		free(m);
		return c25_fail(err, -e, "%s: can't be made: %s: %s", path,
			strerror(e), e == ENOSPC ? "make room there" :
			"remove it");
	}
	m->d = at;
	*out = m;
	return 0;
}

void
c25_mark_close(struct c25_mark *m)
{
	if (m == NULL)
		return;
	(void)munmap(m->d, sizeof(*m->d));
	free(m);
}

bool
c25_mark_found(const struct c25_mark *m, const char *epoch)
{
	return m != NULL &&
		memcmp(m->d->magic, MARK_MAGIC, sizeof(m->d->magic)) == 0 &&
		strncmp(m->d->epoch, epoch, sizeof(m->d->epoch)) == 0 &&
		atomic_load(&m->d->unsaved) != 0;
}

void
c25_mark_begin(struct c25_mark *m, const char *epoch)
{
	if (m == NULL)
		return;
	/* Killed half way: no epoch is that of a database. */
	memset(m->d, 0, sizeof(*m->d));
	memcpy(m->d->magic, MARK_MAGIC, sizeof(m->d->magic));
	(void)snprintf(m->d->epoch, sizeof(m->d->epoch), "%s", epoch);
}

void
c25_mark_set(struct c25_mark *m, bool unsaved)
{
	if (m != NULL)
		atomic_store(&m->d->unsaved, unsaved);
}
