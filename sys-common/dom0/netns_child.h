/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the first process of a new qube does between clone and exec of
 * /init: mounts, pivot_root, console. effect. Fed by the netns platform. */
#ifndef SQ_DOM0_NETNS_CHILD_H
#define SQ_DOM0_NETNS_CHILD_H

struct netns_setup {
    const char *name;         /* host name */
    const char *root;         /* image tree */
    const char *vchan_dir;    /* folder of the vchan sockets, host's view */
    const char *console_path; /* pty slave */
    int console;              /* the same, open */
};

/** One record over the report pipe: err 0 is "ready, waiting". */
struct netns_report {
    int step;
    int err; /* positive errno */
};

/** Set up, report, wait for one byte on @p go, exec /init. Never returns;
 *  ends with 71 on failure, 0 when @p go closes without a byte. */
void netns_child(const struct netns_setup *s, int go, int report)
    __attribute__((noreturn));

/** Text of a step number; static, never NULL. */
const char *netns_step_name(int step);

#endif
