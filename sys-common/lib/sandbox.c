/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of a process's set-up. effect. See sandbox.h for the order. */
#include "lib/sandbox.h"

#include <cap-ng.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"

#define SANDBOX_FILES_DEFAULT 64

/* One row a group of sandbox.h; 0 is the base every profile has. */
struct sys_group {
    uint32_t flag;
    const int *calls;
    size_t n;
};

static const int sys_base[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(lseek),
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getrandom),
    SCMP_SYS(futex),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(pipe2),
    SCMP_SYS(tgkill),
    SCMP_SYS(eventfd2),
    SCMP_SYS(wait4),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sysinfo), /* qsort() of glibc 2.36 on more than 1 KiB */
};
static const int sys_socket[] = {
    SCMP_SYS(sendto),      SCMP_SYS(recvfrom),   SCMP_SYS(sendmsg),
    SCMP_SYS(recvmsg),     SCMP_SYS(accept),     SCMP_SYS(accept4),
    SCMP_SYS(shutdown),    SCMP_SYS(getsockopt), SCMP_SYS(getsockname),
    SCMP_SYS(getpeername), SCMP_SYS(setsockopt),
};
static const int sys_file[] = {
    SCMP_SYS(openat),    SCMP_SYS(open),       SCMP_SYS(stat),
    SCMP_SYS(lstat),     SCMP_SYS(statx),      SCMP_SYS(access),
    SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(getdents64),
    SCMP_SYS(readlink),  SCMP_SYS(readlinkat), SCMP_SYS(rename),
    SCMP_SYS(renameat),  SCMP_SYS(unlink),     SCMP_SYS(unlinkat),
    SCMP_SYS(fsync),     SCMP_SYS(ftruncate),  SCMP_SYS(fchmod),
    SCMP_SYS(umask),     SCMP_SYS(dup),        SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
};
static const int sys_ioctl[] = {SCMP_SYS(ioctl)};
static const int sys_readlink[] = {SCMP_SYS(readlink), SCMP_SYS(readlinkat)};
static const int sys_kill[] = {SCMP_SYS(kill)};
static const int sys_connect[] = {SCMP_SYS(bind), SCMP_SYS(connect),
                                  SCMP_SYS(listen)};

static const struct sys_group sys_groups[] = {
    {0, sys_base, ARRAY_LEN(sys_base)},
    {SANDBOX_SYS_SOCKET, sys_socket, ARRAY_LEN(sys_socket)},
    {SANDBOX_SYS_FILE, sys_file, ARRAY_LEN(sys_file)},
    {SANDBOX_SYS_IOCTL, sys_ioctl, ARRAY_LEN(sys_ioctl)},
    {SANDBOX_SYS_READLINK, sys_readlink, ARRAY_LEN(sys_readlink)},
    {SANDBOX_SYS_KILL, sys_kill, ARRAY_LEN(sys_kill)},
    {SANDBOX_SYS_NETLINK | SANDBOX_SYS_UNIX | SANDBOX_SYS_INET, sys_connect,
     ARRAY_LEN(sys_connect)},
};

/* socket(2) only for the families of the profile. */
static const struct {
    uint32_t flag;
    unsigned family;
} sys_families[] = {
    {SANDBOX_SYS_NETLINK, AF_NETLINK},
    {SANDBOX_SYS_UNIX, AF_UNIX},
    {SANDBOX_SYS_INET, AF_INET},
    {SANDBOX_SYS_INET, AF_INET6},
};

static int allow_calls(scmp_filter_ctx ctx, const struct sys_group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->calls[i] < 0)
            continue; /* not a call of this machine */
        int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, g->calls[i], 0);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Memory may be mapped, but never made executable. */
static int allow_memory(scmp_filter_ctx ctx, uint32_t sys)
{
    int r;

    r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                         SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0));
    if (r < 0)
        return r;
    if (sys & SANDBOX_SYS_MMAP_FD)
        return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0));
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0),
                            SCMP_A3(SCMP_CMP_MASKED_EQ, 0x20, 0x20));
}

/* fcntl for descriptor and status flags, prctl for nothing, prlimit to read
 * one's own limits. */
static int allow_narrow(scmp_filter_ctx ctx)
{
    static const unsigned cmds[] = {F_GETFD, F_SETFD, F_GETFL, F_SETFL,
                                    F_DUPFD_CLOEXEC};
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(cmds) && r == 0; i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
                             SCMP_A1(SCMP_CMP_EQ, cmds[i], 0));
    if (r == 0)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
                             SCMP_A2(SCMP_CMP_EQ, 0, 0));
    return r;
}

/* fork() as glibc does it, with no new namespace, and what
 * sandbox_tighten() needs. */
static int allow_fork(scmp_filter_ctx ctx)
{
    const unsigned flags = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;
    int r;

    r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                         SCMP_A0(SCMP_CMP_EQ, flags, 0));
    if (r == 0)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(set_robust_list), 0);
    if (r == 0)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                             SCMP_A0(SCMP_CMP_EQ, PR_SET_PDEATHSIG, 0));
    if (r == 0)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(seccomp), 1,
                             SCMP_A0(SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER, 0));
    return r;
}

static int allow_ioctls(scmp_filter_ctx ctx, const struct sandbox *s)
{
    int r = 0;

    for (size_t i = 0; i < s->n_ioctls && r == 0; i++)
        r = seccomp_rule_add(
            ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
            SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, s->ioctls[i]));
    return r;
}

/* @param more  a second filter: no-new-privs is set and stays */
static int enter_seccomp(const struct sandbox *s, bool more)
{
    uint32_t sys = s->sys;
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int r = 0;

    if (!ctx)
        return -ENOMEM;
    /* libxenstore reads in a thread of its own: it is confined as well. */
    r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    if (r == 0 && more)
        r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
    for (size_t i = 0; i < ARRAY_LEN(sys_groups) && r == 0; i++)
        if (sys_groups[i].flag == 0 || (sys & sys_groups[i].flag))
            r = allow_calls(ctx, &sys_groups[i]);
    for (size_t i = 0; i < ARRAY_LEN(sys_families) && r == 0; i++)
        if (sys & sys_families[i].flag)
            r = seccomp_rule_add(
                ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                SCMP_A0(SCMP_CMP_EQ, sys_families[i].family, 0));
    if (r == 0)
        r = allow_memory(ctx, sys);
    if (r == 0)
        r = allow_narrow(ctx);
    if (r == 0 && (sys & SANDBOX_SYS_FORK))
        r = allow_fork(ctx);
    if (r == 0)
        r = allow_ioctls(ctx, s);
    if (r == 0)
        r = seccomp_load(ctx);
    seccomp_release(ctx);
    /* the filter was some hundred KiB while it was made */
    (void)malloc_trim(0);
    return r;
}

static int enter_limits(const struct sandbox *s)
{
    rlim_t files = s->max_files ? s->max_files : SANDBOX_FILES_DEFAULT;
    struct rlimit nofile = {files, files};
    struct rlimit core = {0, 0};
    struct rlimit as = {s->max_memory, s->max_memory};

    if (setrlimit(RLIMIT_NOFILE, &nofile) != 0 ||
        setrlimit(RLIMIT_CORE, &core) != 0)
        return err_last();
    if (s->max_memory && setrlimit(RLIMIT_AS, &as) != 0)
        return err_last();
    return 0;
}

static int enter_root(const char *root)
{
    if (chroot(root) != 0 || chdir("/") != 0)
        return err_last();
    return 0;
}

/* Capabilities survive the id change until enter_caps() picks from them. */
static int enter_ids(const struct sandbox *s)
{
    if (s->uid != SANDBOX_KEEP_ID) {
        if (prctl(PR_SET_KEEPCAPS, 1) != 0 || setgroups(0, NULL) != 0 ||
            setresgid(s->gid, s->gid, s->gid) != 0 ||
            setresuid(s->uid, s->uid, s->uid) != 0)
            return err_last();
    }
    return 0;
}

static int enter_caps(uint64_t keep)
{
    capng_get_caps_process();
    capng_clear(CAPNG_SELECT_BOTH);
    for (unsigned cap = 0; cap <= CAP_LAST_CAP && cap < 64; cap++) {
        if (!(keep >> cap & 1))
            continue;
        if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap))
            return -EINVAL;
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 &&
        errno != EINVAL)
        return err_last();
    if (capng_apply(CAPNG_SELECT_CAPS) != 0)
        return -EPERM;
    return 0;
}

/* No capability may come back by exec: empty the bounding set. */
static int enter_bounding(void)
{
    for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++) {
        if (prctl(PR_CAPBSET_READ, cap) != 1)
            continue;
        if (prctl(PR_CAPBSET_DROP, cap) != 0 && errno != EPERM)
            return err_last();
    }
    return 0;
}

int sandbox_enter(const struct sandbox *s)
{
    int r = enter_limits(s);

    if (r == 0 && s->root)
        r = enter_root(s->root);
    if (r == 0)
        r = enter_bounding();
    if (r == 0)
        r = enter_ids(s);
    if (r == 0)
        r = enter_caps(s->keep_caps);
    if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        r = err_last();
    if (r == 0 && prctl(PR_SET_DUMPABLE, 0) != 0)
        r = err_last();
    if (r == 0)
        r = enter_seccomp(s, false);
    return r;
}

int sandbox_tighten(uint32_t sys, pid_t parent)
{
    const struct sandbox s = {.sys = sys};

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return err_last();
    if (getppid() != parent)
        return -ESRCH;
    return enter_seccomp(&s, true);
}
