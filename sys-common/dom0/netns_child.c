/* SPDX-License-Identifier: GPL-2.0-or-later */
/* First process of a qube on the netns platform. effect. See
 * netns_child.h. /dev holds the few nodes a program needs, bound from this
 * machine; everything else is mounted by the qube's init. */
#include "dom0/netns_child.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"

enum step {
    STEP_NAME,
    STEP_PRIVATE,
    STEP_ROOT,
    STEP_VCHAN,
    STEP_DEV,
    STEP_NODE,
    STEP_CONSOLE,
    STEP_READONLY,
    STEP_PIVOT,
    STEP_TTY,
    STEP_READY
};

static const char *const step_names[] = {
    [STEP_NAME] = "setting the host name",
    [STEP_PRIVATE] = "private mounts",
    [STEP_ROOT] = "binding the image's root folder",
    [STEP_VCHAN] = "binding the vchan folder to /mnt/vchan",
    [STEP_DEV] = "mounting /dev",
    [STEP_NODE] = "binding a device node",
    [STEP_CONSOLE] = "binding /dev/console",
    [STEP_READONLY] = "making the root read-only",
    [STEP_PIVOT] = "pivot_root",
    [STEP_TTY] = "console as terminal",
    [STEP_READY] = "ready",
};

const char *netns_step_name(int step)
{
    if (step < 0 || (size_t)step >= ARRAY_LEN(step_names))
        return "unknown step";
    return step_names[step];
}

static void fail(int report, enum step step)
{
    struct netns_report r = {(int)step, errno ? errno : EIO};

    (void)!write(report, &r, sizeof(r));
    _exit(71);
}

/* A device node of this machine under the new root. */
static int bind_node(const char *root, const char *leaf, const char *source)
{
    char path[PATH_MAX];
    int fd;

    snprintf(path, sizeof(path), "%s/dev/%s", root, leaf);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    close(fd);
    return mount(source, path, NULL, MS_BIND, NULL);
}

static int make_dev(const char *root)
{
    static const char *const nodes[] = {"null",   "zero",    "full",
                                        "random", "urandom", "tty"};
    char path[PATH_MAX], source[32];

    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        snprintf(source, sizeof(source), "/dev/%s", nodes[i]);
        if (bind_node(root, nodes[i], source))
            return -1;
    }
    snprintf(path, sizeof(path), "%s/dev/ptmx", root);
    if (symlink("pts/ptmx", path))
        return -1;
    snprintf(path, sizeof(path), "%s/dev/pts", root);
    if (mkdir(path, 0755))
        return -1;
    snprintf(path, sizeof(path), "%s/dev/shm", root);
    return mkdir(path, 01777);
}

static void enter_root(const struct netns_setup *s, int report)
{
    char path[PATH_MAX];

    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        fail(report, STEP_PRIVATE);
    if (mount(s->root, s->root, NULL, MS_BIND, NULL))
        fail(report, STEP_ROOT);
    snprintf(path, sizeof(path), "%s/mnt/vchan", s->root);
    if (mount(s->vchan_dir, path, NULL, MS_BIND, NULL))
        fail(report, STEP_VCHAN);
    snprintf(path, sizeof(path), "%s/dev", s->root);
    if (mount("dev", path, "tmpfs", MS_NOSUID | MS_NOEXEC,
              "mode=0755,size=64k"))
        fail(report, STEP_DEV);
    if (make_dev(s->root))
        fail(report, STEP_NODE);
    if (bind_node(s->root, "console", s->console_path))
        fail(report, STEP_CONSOLE);
    if (mount(NULL, s->root, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
        fail(report, STEP_READONLY);
    if (chdir(s->root) || syscall(SYS_pivot_root, ".", ".") ||
        umount2(".", MNT_DETACH) || chdir("/"))
        fail(report, STEP_PIVOT);
}

static void take_console(const struct netns_setup *s, int report)
{
    if (setsid() < 0 || ioctl(s->console, TIOCSCTTY, 1) ||
        dup2(s->console, 0) < 0 || dup2(s->console, 1) < 0 ||
        dup2(s->console, 2) < 0)
        fail(report, STEP_TTY);
}

static void reset_signals(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        (void)signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void netns_child(const struct netns_setup *s, int go, int report)
{
    char init[] = "/init", platform[] = "SYSQUBE_PLATFORM=netns";
    char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", term[] = "TERM=vt220";
    char *const argv[] = {init, NULL};
    char *const envp[] = {platform, path, term, NULL};
    struct netns_report ready = {STEP_READY, 0};
    char byte;

    /* Nothing stays behind when the orchestrator is killed. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    reset_signals();
    umask(022);
    if (sethostname(s->name, strlen(s->name)))
        fail(report, STEP_NAME);
    enter_root(s, report);
    take_console(s, report);
    if (write(report, &ready, sizeof(ready)) != sizeof(ready))
        _exit(71);
    if (read(go, &byte, 1) != 1)
        _exit(0);
    /* the daemon's descriptors are all CLOEXEC; be sure all the same */
    (void)syscall(SYS_close_range, 3u, ~0u, 0u);
    execve("/init", argv, envp);
    perror("/init");
    _exit(71);
}
