/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the filter of system calls, each in a process of its own that has
 * entered it: what must work, what fails, and what kills. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sidecar/privileges.h"
#include "sidecar/sandbox.h"
#include "tests/unit/suite.h"

#define NO_FILTER 200			/* exit status: built without */

/* Each returns 0, or the errno that it failed with. */

static int
result(long r)
{
	return r < 0 ? errno : 0;
}

static int
act_execve(void)
{
	char *argv[] = { (char *)"true", NULL };

	return result(execv("/bin/true", argv));
}

static int
act_ptrace(void)
{
	return result(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int
act_peek(void)
{
	char buf[8];
	struct iovec here = { buf, 8 }, there = { buf, 8 };

	return result(process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static int
act_mount(void)
{
	return result(mount("none", "/mnt", "tmpfs", 0, NULL));
}

static int
act_module(void)
{
	return result(syscall(SYS_finit_module, -1, "", 0));
}

static int
act_bpf(void)
{
	return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int
act_unshare(void)
{
	return result(syscall(SYS_unshare, 0));
}

static int
act_keyctl(void)
{
	return result(syscall(SYS_keyctl, 0, 0, 0));
}

static int
act_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int
act_packet(void)
{
	return result(socket(AF_PACKET, SOCK_RAW, 0));
}

static int
act_kill(void)
{
	return result(kill(getppid(), 0));
}

static int
act_tgkill(void)
{
	return result(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int
act_tgkill_self(void)
{
	return result(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0));
}

static int
act_memfd(void)
{
	return result(syscall(SYS_memfd_create, "x", 0));
}

static int
act_setuid(void)
{
	return result(syscall(SYS_setuid, getuid()));
}

static int
act_capset(void)
{
	return result(syscall(SYS_capset, NULL, NULL));
}

static int
act_uring(void)
{
	return result(syscall(SYS_io_uring_setup, 1, NULL));
}

static int
act_unknown(void)
{
	return result(syscall(100000));
}

static int
act_rwx(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? errno : 0;
}

static int
act_exec_later(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return ENOMEM;
	return result(mprotect(at, 4096, PROT_READ | PROT_EXEC));
}

static int
act_dump_again(void)
{
	return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int
act_secret(void)
{
	c25_privileges_secret();
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : EPERM;
}

static void *
thread(void *ctx)
{
	*(int *)ctx = 1;
	return NULL;
}

static int
act_thread(void)
{
	pthread_t t;
	int ran = 0, r = pthread_create(&t, NULL, thread, &ran);

	if (r == 0)
		r = pthread_join(t, NULL);
	return r != 0 ? r : ran == 1 ? 0 : EIO;
}

/* As dlopen() would. */
static int
act_library(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	return fd < 0 ? EBADF : at == MAP_FAILED ? errno : 0;
}

/* libwebsockets connects to addresses through this. */
static int
act_address(void)
{
	struct addrinfo *list = NULL;
	int r = getaddrinfo("127.0.0.1", NULL, NULL, &list);

	if (r != 0)
		return EHOSTUNREACH;
	freeaddrinfo(list);
	return 0;
}

static int
act_sockets(void)
{
	static const int families[] = { AF_UNIX, AF_INET, AF_NETLINK };
	int fd;

	for (size_t i = 0; i < 3; i++) {
		fd = socket(families[i], families[i] == AF_INET ?
			SOCK_DGRAM : SOCK_RAW, 0);
		if (fd < 0)
			return errno;
		(void)close(fd);
	}
	return 0;
}

static int
act_files(void)
{
	char path[] = "/tmp/check_sandbox.XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0 ||
			ftruncate(fd, 0) != 0 || fchmod(fd, 0640) != 0 ||
			faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0 ||
			unlink(path) != 0)
		return errno;
	return 0;
}

static int
act_abort(void)
{
	abort();
}

static const struct {
	const char *name;
	int (*act)(void);
	int error;			/* that it must fail with */
	int signal;			/* that must end it */
} rows[] = {
	{ "execve", act_execve, 0, SIGSYS },
	{ "ptrace", act_ptrace, 0, SIGSYS },
	{ "process_vm_readv", act_peek, 0, SIGSYS },
	{ "mount", act_mount, 0, SIGSYS },
	{ "finit_module", act_module, 0, SIGSYS },
	{ "bpf", act_bpf, 0, SIGSYS },
	{ "unshare", act_unshare, 0, SIGSYS },
	{ "keyctl", act_keyctl, 0, SIGSYS },
	{ "fork", act_fork, ENOSYS, 0 },
	{ "AF_PACKET", act_packet, ENOSYS, 0 },
	{ "kill", act_kill, ENOSYS, 0 },
	{ "tgkill of another", act_tgkill, ENOSYS, 0 },
	{ "tgkill", act_tgkill_self, 0, 0 },
	{ "memfd_create", act_memfd, ENOSYS, 0 },
	{ "setuid", act_setuid, ENOSYS, 0 },
	{ "capset", act_capset, ENOSYS, 0 },
	{ "io_uring", act_uring, ENOSYS, 0 },
	{ "unknown", act_unknown, ENOSYS, 0 },
	{ "mmap write and exec", act_rwx, ENOSYS, 0 },
	{ "mprotect exec", act_exec_later, ENOSYS, 0 },
	{ "dumpable again", act_dump_again, ENOSYS, 0 },
	{ "secret", act_secret, 0, 0 },
	{ "thread", act_thread, 0, 0 },
	{ "library", act_library, ENOSYS, 0 },
	{ "address", act_address, 0, 0 },
	{ "sockets", act_sockets, 0, 0 },
	{ "files", act_files, 0, 0 },
	{ "abort", act_abort, 0, SIGABRT },
};

static void
confined(int (*act)(void))
{
	struct c25_error err = { "" };

	c25_privileges_begin();
	if (c25_sandbox_enter(&err) != 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		_exit(NO_FILTER + 1);
	}
	_exit(c25_sandbox_on() ? act() : NO_FILTER);
}

START_TEST(system_call)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		confined(rows[_i].act);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_FILTER)
		return;			/* a sanitizer's build */
	if (rows[_i].signal != 0) {
		ck_assert_msg(WIFSIGNALED(status), "%s: status %d",
			rows[_i].name, WEXITSTATUS(status));
		ck_assert_int_eq(WTERMSIG(status), rows[_i].signal);
		return;
	}
	ck_assert_msg(WIFEXITED(status), "%s: signal %d", rows[_i].name,
		WTERMSIG(status));
	ck_assert_msg(WEXITSTATUS(status) == rows[_i].error, "%s: %s",
		rows[_i].name, strerror(WEXITSTATUS(status)));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sandbox");
	TCase *tc = tcase_create("sandbox");

	ADD_ROWS(tc, system_call, rows);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
