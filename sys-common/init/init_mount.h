/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file systems of an appliance. effect (mount, umount). Fed by our own
 * constants only. On netns the orchestrator has made the namespaces, the
 * root (read-only) and /dev; everything else is mounted here. */
#ifndef SQ_INIT_INIT_MOUNT_H
#define SQ_INIT_INIT_MOUNT_H

#include "init/svc_table.h"

/** Called for each mount that failed. @p err is a negative errno. */
typedef void (*init_mount_cb)(const char *target, int err);

/** Mount what the platform needs, in order: /proc /sys /dev (xen) /dev/pts
 *  /run /tmp, xenfs on /proc/xen (xen, only where the kernel has it), and
 *  on netns the folder /mnt/vchan bound to /run/vchan. What is already
 *  mounted (EBUSY) counts as done.
 *  @param failed  may be called for optional mounts too
 *  @return 0; -errno of the first failure that services cannot do without
 *  (/proc, /run, and /dev on xen); the others are tried all the same */
int init_mount_all(enum svc_platform platform, init_mount_cb failed);

/** Unmount in the reverse order, lazily where busy. */
void init_mount_undo(enum svc_platform platform);

#endif
