/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk that fails or stalls at will: a VFS of SQLite around its default
 * one. Settings are atomic: the store's thread meets them.
 *
 *	fv_install();			before anything is opened
 *	fv_fail(FV_WRITE, SQLITE_FULL, 3);	the third write from now on
 *					fails, and all after it
 *	fv_heal();
 */
#ifndef CONN25_TESTS_FAULTY_VFS_H
#define CONN25_TESTS_FAULTY_VFS_H

#include <check.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

enum fv_op { FV_WRITE = 1, FV_SYNC = 2, FV_READ = 4, FV_SHM = 8 };

static struct {
	sqlite3_vfs vfs, *real;
	_Atomic int ops;		/* that fail; 0: none */
	_Atomic int code;
	_Atomic int countdown;		/* ... from this one on */
	_Atomic bool once;		/* ... and only that */
	_Atomic unsigned failed;	/* how many did */
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool stalled;			/* syncs wait; mutex */
	unsigned waiting;		/* ... so many; mutex */
} fv = { .mutex = PTHREAD_MUTEX_INITIALIZER,
    .cond = PTHREAD_COND_INITIALIZER };

struct fv_file {
	sqlite3_file base;
	sqlite3_file *real;		/* behind this struct */
};

#define FV_REAL(f) (((struct fv_file *)(void *)(f))->real)

/* 0, or the code with which to fail. */
static int
fv_check(enum fv_op op)
{
	if ((atomic_load(&fv.ops) & (int)op) == 0)
		return 0;
	if (atomic_fetch_sub(&fv.countdown, 1) > 1)
		return 0;
	if (atomic_load(&fv.once))
		atomic_store(&fv.ops, 0);
	atomic_fetch_add(&fv.failed, 1);
	return atomic_load(&fv.code);
}

static int
fv_close(sqlite3_file *f)
{
	return FV_REAL(f)->pMethods->xClose(FV_REAL(f));
}

static int
fv_read(sqlite3_file *f, void *to, int len, sqlite3_int64 at)
{
	int r = fv_check(FV_READ);

	return r ? r : FV_REAL(f)->pMethods->xRead(FV_REAL(f), to, len, at);
}

static int
fv_write(sqlite3_file *f, const void *from, int len, sqlite3_int64 at)
{
	int r = fv_check(FV_WRITE);

	return r ? r : FV_REAL(f)->pMethods->xWrite(FV_REAL(f), from, len,
	    at);
}

static int
fv_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return FV_REAL(f)->pMethods->xTruncate(FV_REAL(f), size);
}

static int
fv_sync(sqlite3_file *f, int flags)
{
	int r = fv_check(FV_SYNC);

	(void)pthread_mutex_lock(&fv.mutex);
	fv.waiting++;
	(void)pthread_cond_broadcast(&fv.cond);
	while (fv.stalled)
		(void)pthread_cond_wait(&fv.cond, &fv.mutex);
	fv.waiting--;
	(void)pthread_mutex_unlock(&fv.mutex);
	return r ? r : FV_REAL(f)->pMethods->xSync(FV_REAL(f), flags);
}

static int
fv_size(sqlite3_file *f, sqlite3_int64 *out)
{
	return FV_REAL(f)->pMethods->xFileSize(FV_REAL(f), out);
}

static int
fv_lock(sqlite3_file *f, int level)
{
	return FV_REAL(f)->pMethods->xLock(FV_REAL(f), level);
}

static int
fv_unlock(sqlite3_file *f, int level)
{
	return FV_REAL(f)->pMethods->xUnlock(FV_REAL(f), level);
}

static int
fv_reserved(sqlite3_file *f, int *out)
{
	return FV_REAL(f)->pMethods->xCheckReservedLock(FV_REAL(f), out);
}

static int
fv_control(sqlite3_file *f, int op, void *arg)
{
	return FV_REAL(f)->pMethods->xFileControl(FV_REAL(f), op, arg);
}

static int
fv_sector(sqlite3_file *f)
{
	return FV_REAL(f)->pMethods->xSectorSize(FV_REAL(f));
}

static int
fv_traits(sqlite3_file *f)
{
	return FV_REAL(f)->pMethods->xDeviceCharacteristics(FV_REAL(f));
}

static int
fv_shm_map(sqlite3_file *f, int page, int size, int extend,
    void volatile **out)
{
	int r = fv_check(FV_SHM);

	return r ? r : FV_REAL(f)->pMethods->xShmMap(FV_REAL(f), page, size,
	    extend, out);
}

static int
fv_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return FV_REAL(f)->pMethods->xShmLock(FV_REAL(f), offset, n, flags);
}

static void
fv_shm_barrier(sqlite3_file *f)
{
	FV_REAL(f)->pMethods->xShmBarrier(FV_REAL(f));
}

static int
fv_shm_unmap(sqlite3_file *f, int remove)
{
	return FV_REAL(f)->pMethods->xShmUnmap(FV_REAL(f), remove);
}

static const sqlite3_io_methods fv_methods = { 2, fv_close, fv_read,
    fv_write, fv_truncate, fv_sync, fv_size, fv_lock, fv_unlock, fv_reserved,
    fv_control, fv_sector, fv_traits, fv_shm_map, fv_shm_lock,
    fv_shm_barrier, fv_shm_unmap, NULL, NULL };

static int
fv_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
    int *out)
{
	struct fv_file *file = (struct fv_file *)(void *)f;
	int r;

	(void)vfs;
	file->real = (sqlite3_file *)(void *)(file + 1);
	r = fv.real->xOpen(fv.real, name, file->real, flags, out);
	f->pMethods = r == SQLITE_OK ? &fv_methods : NULL;
	return r;
}

static inline void
fv_install(void)
{
	fv.real = sqlite3_vfs_find(NULL);
	ck_assert_ptr_nonnull(fv.real);
	fv.vfs = *fv.real;
	fv.vfs.zName = "faulty";
	fv.vfs.pNext = NULL;
	fv.vfs.szOsFile += (int)sizeof(struct fv_file);
	fv.vfs.xOpen = fv_open;
	ck_assert_int_eq(sqlite3_vfs_register(&fv.vfs, 1), SQLITE_OK);
}

static inline void
fv_fail(int ops, int code, int countdown, bool once)
{
	atomic_store(&fv.failed, 0);
	atomic_store(&fv.code, code);
	atomic_store(&fv.countdown, countdown);
	atomic_store(&fv.once, once);
	atomic_store(&fv.ops, ops);
}

static inline void
fv_heal(void)
{
	atomic_store(&fv.ops, 0);
}

/* Syncs wait from now on, or go on. */
static inline void
fv_stall(bool stalled)
{
	(void)pthread_mutex_lock(&fv.mutex);
	fv.stalled = stalled;
	(void)pthread_cond_broadcast(&fv.cond);
	(void)pthread_mutex_unlock(&fv.mutex);
}

/* Until somebody waits in a sync. */
static inline void
fv_wait_stalled(void)
{
	(void)pthread_mutex_lock(&fv.mutex);
	while (!fv.stalled || fv.waiting == 0)
		(void)pthread_cond_wait(&fv.cond, &fv.mutex);
	(void)pthread_mutex_unlock(&fv.mutex);
}

#endif
