/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Start one service of the table as its own session with the ids and
 * capabilities of its line. effect (fork, exec, libcap-ng). Fed by the
 * image's table only. Does not wait for it and reads nothing from it. */
#ifndef SQ_INIT_SVC_RUN_H
#define SQ_INIT_SVC_RUN_H

#include <stdint.h>
#include <sys/types.h>

#include "init/svc_table.h"

/** Fork and exec. The child has: its own session; /dev/null as input and a
 *  pipe as output and error (+tty: /dev/console as all three and as
 *  controlling terminal); no other descriptor; the group of the table as
 *  its only group; capabilities of the table in the bounding, permitted and
 *  (not root) ambient sets; an environment of PATH, SYSQUBE_PLATFORM (and
 *  TERM, HOME with +tty); no core dumps, 1024 descriptors at most. What
 *  fails in the child is said on its error output and ends it with 126,
 *  a failing exec with 127.
 *  @param platform  value of SYSQUBE_PLATFORM
 *  @param ret_pid   the child; the caller reaps it
 *  @param ret_out   reading end of the pipe, non-blocking, caller closes;
 *                   -1 with +tty
 *  @return 0; -errno of pipe or fork, nothing was started */
int svc_run_start(const struct svc_entry *e, const char *platform,
                  pid_t *ret_pid, int *ret_out);

/** Give up for ever every capability that is neither in @p keep nor needed
 *  by PID 1 itself (kill, setgid, setuid, setpcap, sys_boot, and sys_admin
 *  for umount).
 *  @param keep  union of the table's masks; SVC_CAPS_ALL keeps everything
 *  @return 0; -EPERM */
int svc_run_limit(uint64_t keep);

#endif
