/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See svc_run.h. effect. */
#include "init/svc_run.h"

#include <cap-ng.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"

#define SVC_PATH "PATH=/usr/bin:/bin:/usr/sbin:/sbin"
#define SVC_FILES 1024
#define CAP_BIT(n) (UINT64_C(1) << (n))
#define CAPS_OF_INIT                                                           \
    (CAP_BIT(CAP_KILL) | CAP_BIT(CAP_SETGID) | CAP_BIT(CAP_SETUID) |           \
     CAP_BIT(CAP_SETPCAP) | CAP_BIT(CAP_SYS_BOOT) | CAP_BIT(CAP_SYS_ADMIN))

static int bounding_limit(uint64_t keep)
{
    for (unsigned long c = 0; c <= (unsigned long)CAP_LAST_CAP; c++) {
        if ((keep & CAP_BIT(c)) != 0 || prctl(PR_CAPBSET_READ, c) <= 0)
            continue;
        if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
            return err_last();
    }
    return 0;
}

static int caps_set(uint64_t mask)
{
    capng_clear(CAPNG_SELECT_CAPS);
    for (unsigned c = 0; c <= CAP_LAST_CAP; c++) {
        int r;

        if ((mask & CAP_BIT(c)) == 0)
            continue;
        r = capng_update(CAPNG_ADD,
                         CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE,
                         c);
        if (r < 0)
            return -EINVAL;
    }
    return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

/* Ids and capabilities: the bounding set while setpcap is still there, ids
 * with KEEPCAPS, then the exact sets. A root service needs no ambient set:
 * exec gives root all of the bounding set. */
static const char *child_identity(const struct svc_entry *e)
{
    gid_t gid = (gid_t)e->gid;
    bool all = e->caps == SVC_CAPS_ALL;

    if (!all && bounding_limit(e->caps) < 0)
        return "bounding set";
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return "keepcaps";
    if (setgroups(1, &gid) < 0 || setresgid(gid, gid, gid) < 0)
        return "group";
    if (setresuid((uid_t)e->uid, (uid_t)e->uid, (uid_t)e->uid) < 0)
        return "user";
    if (all && e->uid == 0)
        return NULL;
    if (caps_set(e->caps) < 0)
        return "capabilities";
    for (unsigned long c = 0; e->uid != 0 && c <= (unsigned long)CAP_LAST_CAP;
         c++)
        if ((e->caps & CAP_BIT(c)) != 0 &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) < 0)
            return "ambient set";
    return NULL;
}

static const char *child_files(const struct svc_entry *e, int out)
{
    int in;

    if (setsid() < 0)
        return "session";
    if (e->tty) {
        in = open("/dev/console", O_RDWR | O_NOCTTY);
        if (in < 0)
            return "/dev/console";
        /* A failure costs job control only (a console that is no tty). */
        (void)ioctl(in, TIOCSCTTY, 0);
        out = in;
    } else {
        in = open("/dev/null", O_RDONLY);
        if (in < 0)
            return "/dev/null";
    }
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        return "descriptors";
    if (close_range(3, ~0U, 0) < 0)
        return "close";
    return NULL;
}

static const char *child_limits(void)
{
    const struct rlimit core = {0, 0};
    const struct rlimit files = {SVC_FILES, SVC_FILES};

    umask(022);
    if (chdir("/") < 0)
        return "folder";
    if (setrlimit(RLIMIT_CORE, &core) < 0 ||
        setrlimit(RLIMIT_NOFILE, &files) < 0)
        return "limits";
    return NULL;
}

static void child_signals(void)
{
    sigset_t none;

    for (int s = 1; s < 32; s++)
        if (s != SIGKILL && s != SIGSTOP)
            signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void child_fail(const char *what, int code)
{
    char line[128];
    int n = snprintf(line, sizeof(line), "cannot start: %s: %s\n", what,
                     strerror(errno));

    if (n > 0 && write(2, line, (size_t)n) < 0)
        _exit(code);
    _exit(code);
}

static _Noreturn void child_run(const struct svc_entry *e, const char *platform,
                                int out)
{
    char env_path[] = SVC_PATH;
    char env_term[] = "TERM=linux";
    char env_home[] = "HOME=/";
    char env_platform[64];
    char text[SVC_LINE_MAX];
    char *env[] = {env_path, env_platform, NULL, NULL, NULL};
    char *argv[SVC_ARGS_MAX + 1] = {NULL};
    const char *bad;

    child_signals();
    bad = child_files(e, out);
    if (bad == NULL)
        bad = child_limits();
    if (bad == NULL)
        bad = child_identity(e);
    if (bad != NULL)
        child_fail(bad, 126);
    (void)snprintf(env_platform, sizeof(env_platform), "SYSQUBE_PLATFORM=%s",
                   platform);
    if (e->tty) {
        env[2] = env_term;
        env[3] = env_home;
    }
    memcpy(text, e->text, sizeof(text));
    for (unsigned i = 0; i < e->argc; i++)
        argv[i] = text + e->arg[i];
    execve(argv[0], argv, env);
    child_fail(e->text, 127);
}

int svc_run_start(const struct svc_entry *e, const char *platform,
                  pid_t *ret_pid, int *ret_out)
{
    CLEANUP_FD int rd = -1;
    CLEANUP_FD int wr = -1;
    int p[2];
    pid_t pid;
    int r;

    if (!e->tty) {
        if (pipe2(p, O_CLOEXEC) < 0)
            return err_last();
        rd = p[0];
        wr = p[1];
        r = io_set_nonblock(rd, true);
        if (r < 0)
            return r;
    }
    pid = fork();
    if (pid < 0)
        return err_last();
    if (pid == 0)
        child_run(e, platform, wr);
    *ret_pid = pid;
    *ret_out = STEAL_FD(rd);
    return 0;
}

int svc_run_limit(uint64_t keep)
{
    int r;

    if (keep == SVC_CAPS_ALL)
        return 0;
    keep |= CAPS_OF_INIT;
    r = bounding_limit(keep);
    if (r < 0)
        return r;
    /* What PID 1 was not given it cannot set; keep the common part. */
    capng_get_caps_process();
    for (unsigned c = 0; c <= CAP_LAST_CAP; c++)
        if (!capng_have_capability(CAPNG_PERMITTED, c))
            keep &= ~CAP_BIT(c);
    return caps_set(keep);
}
