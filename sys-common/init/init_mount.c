/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See init_mount.h. effect. */
#include "init/init_mount.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "lib/err.h"
#include "lib/mem.h"

#define ON_XEN 1u
#define ON_NETNS 2u
#define ON_BOTH 3u
#define PLAIN (MS_NOSUID | MS_NODEV | MS_NOEXEC)

struct mount_line {
    const char *source;
    const char *target;
    const char *type; /* NULL: a bind mount */
    unsigned long flags;
    const char *options;
    unsigned on;
    bool needed;
    bool quiet; /* absence is ordinary */
};

/* Sizes: RAM is the only store, so a runaway file must not end the VM. */
static const struct mount_line lines[] = {
    {"proc", "/proc", "proc", PLAIN, NULL, ON_BOTH, true, false},
    {"sysfs", "/sys", "sysfs", PLAIN, NULL, ON_BOTH, false, false},
    {"devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755", ON_XEN,
     true, false},
    {"devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
     "newinstance,ptmxmode=0666,mode=0620", ON_BOTH, false, true},
    {"tmpfs", "/run", "tmpfs", PLAIN, "mode=0755,size=8m", ON_BOTH, true,
     false},
    {"tmpfs", "/tmp", "tmpfs", PLAIN, "mode=1777,size=25%", ON_BOTH, false,
     false},
    {"xenfs", "/proc/xen", "xenfs", PLAIN, NULL, ON_XEN, false, true},
    {"/mnt/vchan", "/run/vchan", NULL, MS_BIND, NULL, ON_NETNS, false, false},
};

static bool is_here(const struct mount_line *l, enum svc_platform platform)
{
    return (l->on & (platform == SVC_XEN ? ON_XEN : ON_NETNS)) != 0;
}

static int mount_one(const struct mount_line *l)
{
    /* The root is read-only on netns, where the folders are in the image;
     * a missing one shows in the mount itself. */
    (void)mkdir(l->target, 0755);
    if (mount(l->source, l->target, l->type, l->flags, l->options) < 0)
        return errno == EBUSY ? 0 : err_last();
    return 0;
}

int init_mount_all(enum svc_platform platform, init_mount_cb failed)
{
    int first = 0;

    for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
        int r;

        if (!is_here(&lines[i], platform))
            continue;
        r = mount_one(&lines[i]);
        if (r == 0)
            continue;
        if (!lines[i].quiet)
            failed(lines[i].target, r);
        if (lines[i].needed && first == 0)
            first = r;
    }
    return first;
}

void init_mount_undo(enum svc_platform platform)
{
    unsigned i = ARRAY_LEN(lines);

    while (i-- > 0)
        if (is_here(&lines[i], platform))
            (void)umount2(lines[i].target, MNT_DETACH);
}
