/* SPDX-License-Identifier: BSD-3-Clause */
/* The filter of system calls: which there are, and loading it; see sandbox.h.
 */

#include "sandbox.h"

#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn25/log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static bool on;

/* Names that an architecture or this libseccomp doesn't know are left out. */
static const char *const allowed[] = {
	/* files: conn25d's own, and what libraries read (time zones,
	 * certificates, who answers DNS) */
	"openat", "open", "openat2", "close", "close_range", "read",
	"pread64", "readv", "preadv", "preadv2", "write", "pwrite64",
	"writev", "pwritev", "pwritev2", "lseek", "_llseek", "fcntl",
	"fcntl64", "flock", "dup", "dup2", "dup3", "fsync", "fdatasync",
	"sync_file_range", "ftruncate", "ftruncate64", "fallocate",
	"fadvise64", "stat", "lstat", "fstat", "newfstatat", "stat64",
	"lstat64", "fstat64", "fstatat64", "statx", "statfs", "fstatfs",
	"access", "faccessat", "faccessat2", "readlink", "readlinkat",
	"getdents", "getdents64", "getcwd", "umask", "mkdir", "mkdirat",
	"rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2",
	"chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown",
	"fchownat", "lchown", "utimensat", "pipe", "pipe2",
	"sendfile", "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
	/* sockets; which families, see rules() */
	"bind", "connect", "listen", "accept", "accept4", "shutdown",
	"getsockname", "getpeername", "getsockopt", "setsockopt", "sendto",
	"recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg",
	/* waiting, time */
	"poll", "ppoll", "select", "_newselect", "pselect6", "epoll_create",
	"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
	"epoll_pwait2", "eventfd", "eventfd2", "signalfd", "signalfd4",
	"timerfd_create", "timerfd_settime", "timerfd_gettime",
	"clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep",
	"gettimeofday", "time", "times", "getrusage", "restart_syscall",
	/* memory; mmap and mprotect, see rules() */
	"brk", "munmap", "mremap", "madvise", "msync", "mincore", "mlock",
	"mlock2", "munlock", "membarrier",
	/* threads */
	"futex", "futex_waitv", "futex_wait", "futex_wake", "futex_requeue",
	"set_robust_list", "get_robust_list", "rseq", "set_tid_address",
	"sched_yield", "sched_getaffinity",
	"sched_getparam", "sched_getscheduler", "sched_get_priority_min",
	"sched_get_priority_max", "getcpu", "exit", "exit_group",
	/* signals: to itself only */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn",
	"rt_sigtimedwait", "rt_sigpending", "sigaltstack", "gettid",
	/* questions */
	"getpid", "getppid", "getpgrp", "getuid", "geteuid", "getgid",
	"getegid", "getresuid", "getresgid", "getgroups", "capget", "uname",
	"sysinfo", "getrandom", "getrlimit", "ugetrlimit", "getpriority",
};

/* Nothing that conn25d or a library in it has a use for. */
static const char *const deadly[] = {
	"execve", "execveat", "ptrace", "process_vm_readv",
	"process_vm_writev", "kcmp", "pidfd_getfd", "init_module",
	"finit_module", "delete_module", "kexec_load", "kexec_file_load",
	"mount", "umount", "umount2", "pivot_root", "chroot", "move_mount",
	"open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
	"mount_setattr", "setns", "unshare", "bpf", "perf_event_open",
	"userfaultfd", "keyctl", "add_key", "request_key", "reboot",
	"swapon", "swapoff", "acct", "ioperm", "iopl", "quotactl",
	"quotactl_fd", "open_by_handle_at", "syslog", "settimeofday",
	"stime", "clock_settime", "clock_settime64", "sethostname",
	"setdomainname", "vhangup", "lookup_dcookie", "nfsservctl",
	"uselib", "mknod", "mknodat",
};

static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };

/* What of ioctl(2) is asked of terminals and sockets. */
static const unsigned long ioctls[] = { TCGETS, FIONREAD, FIONBIO, FIOCLEX,
	SIOCGIFINDEX, SIOCGIFNAME };

/* The names of threads and memory, and what lessens rights. */
static const int prctls[] = { PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE,
	PR_CAPBSET_READ, PR_GET_SECCOMP,
	0x53564d41 /* PR_SET_VMA, which glibc uses from 2.41 on */ };

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static int
names(scmp_filter_ctx ctx, uint32_t action, const char *const *list,
	size_t count)
{
	int number, r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		number = seccomp_syscall_resolve_name(list[i]);
		if (number != __NR_SCMP_ERROR)
			r = seccomp_rule_add(ctx, action, number, 0);
	}
	return r;
}

/* Allow a call where argument `n` has this value. */
static int
where(scmp_filter_ctx ctx, int number, unsigned n, uint64_t value)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 1,
		SCMP_CMP(n, SCMP_CMP_EQ, value));
}

/* ... and where it has none of these bits. */
static int
without(scmp_filter_ctx ctx, int number, unsigned n, uint64_t bits)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 1,
		SCMP_CMP(n, SCMP_CMP_MASKED_EQ, bits, 0));
}

/* Calls that are allowed with some arguments only. */
static int
rules(scmp_filter_ctx ctx)
{
	int r = 0;
	size_t i;

	for (i = 0; r == 0 && i < COUNT(families); i++) {
		r = where(ctx, SCMP_SYS(socket), 0, (uint64_t)families[i]);
		if (r == 0)
			r = where(ctx, SCMP_SYS(socketpair), 0,
				(uint64_t)families[i]);
	}
	for (i = 0; r == 0 && i < COUNT(ioctls); i++)
		r = where(ctx, SCMP_SYS(ioctl), 1, ioctls[i]);
	for (i = 0; r == 0 && i < COUNT(prctls); i++)
		r = where(ctx, SCMP_SYS(prctl), 0, (uint64_t)prctls[i]);
	/* secrets may be hidden, and never shown again */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 2,
			SCMP_A0(SCMP_CMP_EQ, PR_SET_DUMPABLE),
			SCMP_A1(SCMP_CMP_EQ, 0));
	/* limits may be asked for, not set */
	if (r == 0)
		r = where(ctx, SCMP_SYS(prlimit64), 2, 0);
	/* What is executed is there already: libraries, too. */
	if (r == 0)
		r = without(ctx, SCMP_SYS(mmap), 2, PROT_EXEC);
	if (r == 0)
		r = without(ctx, SCMP_SYS(mprotect), 2, PROT_EXEC);
	/* Threads, no processes. What clone3() is to do can't be seen from
	 * here; without it the C library takes clone(). */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
			SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD,
			CLONE_THREAD));
	/* abort(); to this process only */
	if (r == 0)
		r = where(ctx, SCMP_SYS(tgkill), 0, (uint64_t)getpid());
	return r;
}

static int
build(scmp_filter_ctx ctx)
{
	/* Level 3 is Linux 4.14, with seccomp(2) itself not filtered away: a
	 * filter around us may do that. Without it nothing can be deadly, nor
	 * be noted, nor be loaded for other threads: there are none yet. */
	bool all = seccomp_api_get() >= 3;
	int r = 0;

	if (all)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
			SCMP_ACT_KILL_PROCESS);
	if (r == 0 && all)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	/* Not always: the C library tries clone3() for each thread. */
	if (r == 0 && all && c25_log_get_verbosity() >= C25_LOG_DETAIL)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, 1);
	if (r == 0)	/* a tree: some comparisons in place of hundreds */
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = names(ctx, SCMP_ACT_ALLOW, allowed, COUNT(allowed));
	if (r == 0 && all)
		r = names(ctx, SCMP_ACT_KILL_PROCESS, deadly, COUNT(deadly));
	return r == 0 ? rules(ctx) : r;
}

int
c25_sandbox_enter(struct c25_error *err)
{
	scmp_filter_ctx ctx;
	int r;

#ifdef SANITIZED
	c25_log(C25_LOG_DETAIL, "seccomp: off, as the sanitizer of this build "
		"needs more system calls");
	return 0;
#endif
	ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (ctx == NULL)
		return c25_fail(err, -ENOMEM, "seccomp: out of memory");
	r = build(ctx);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	if (r != 0)
		return c25_fail(err, r, "seccomp: the filter of system calls "
			"can't be loaded: %s: use a kernel with "
			"CONFIG_SECCOMP_FILTER, or start conn25d with -S to "
			"do without", strerror(-r));
	on = true;
	return 0;
}

bool
c25_sandbox_on(void)
{
	return on;
}
