/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of each process's set-up: chroot to an empty folder, ids, limits,
 * capabilities, no-new-privs, seccomp (libcap-ng, libseccomp). effect. Fed
 * by our own constants only. docs/privsep.md says who uses which profile.
 * Order: limits, chroot, groups, ids, capabilities (bounding set first),
 * no_new_privs, dumpable off, seccomp. */
#ifndef SQ_LIB_SANDBOX_H
#define SQ_LIB_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** Groups of system calls a profile may name; SANDBOX_SYS_BASE is always
 *  there (memory, read/write on open descriptors, poll, time, exit). */
#define SANDBOX_SYS_SOCKET 0x01u    /* send/recv on open sockets, accept4 */
#define SANDBOX_SYS_NETLINK 0x02u   /* socket(AF_NETLINK), bind, ... */
#define SANDBOX_SYS_FILE 0x04u      /* openat, stat, readdir, rename, unlink */
#define SANDBOX_SYS_IOCTL 0x08u     /* ioctl on open descriptors */
#define SANDBOX_SYS_UNIX 0x10u      /* socket(AF_UNIX), connect, bind, listen */
#define SANDBOX_SYS_INET 0x20u      /* socket(AF_INET/6), connect, bind */
#define SANDBOX_SYS_KILL 0x40u      /* kill */
#define SANDBOX_SYS_READLINK 0x100u /* readlink: libusb asks a name */
#define SANDBOX_SYS_MMAP_FD 0x80u   /* mmap of descriptors (grant pages) */
#define SANDBOX_SYS_FORK 0x400u     /* fork, sandbox_tighten() after it */

/** No id change (the process already runs as it should). */
#define SANDBOX_KEEP_ID ((uid_t)-1)

struct sandbox {
    uid_t uid;          /* SANDBOX_KEEP_ID to stay */
    gid_t gid;          /* with uid */
    uint64_t keep_caps; /* bit n = capability n stays permitted+effective */
    const char *root;   /* chroot target, NULL for none */
    uint32_t sys;       /* SANDBOX_SYS_* */
    const unsigned long *ioctls; /* the only requests that ioctl(2) may name;
                                  * not together with SANDBOX_SYS_IOCTL */
    size_t n_ioctls;
    uint64_t max_memory; /* RLIMIT_AS in bytes, 0 for none */
    uint32_t max_files;  /* RLIMIT_NOFILE, 0 for 64 */
};

/** Enter the sandbox; irreversible. A forbidden call later ends the process
 *  with SIGSYS (log line by the kernel).
 *  @return 0; -errno of the step that failed: the caller must then exit, as
 *  the process may be half confined. */
int sandbox_enter(const struct sandbox *s);

/** In a child that was forked within a sandbox with SANDBOX_SYS_FORK: end
 *  with the parent, and allow from now on no more than @p sys.
 *  @param parent  process id of the parent
 *  @return 0; -errno: the child must then exit */
int sandbox_tighten(uint32_t sys, pid_t parent);

#endif
