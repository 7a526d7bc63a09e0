/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operations of the control socket, over manager and jobs. glue. Fed by
 * request lines of the administrator. */
#ifndef SQ_DOM0_SERVE_H
#define SQ_DOM0_SERVE_H

#include "dom0/control.h"
#include "dom0/job.h"
#include "dom0/manager.h"

struct serve {
    struct loop *loop;
    struct manager *m;
    struct jobs *jobs;
};

/** Answer one line; @p arg is a struct serve. */
void serve_line(struct control_client *c, struct text line, void *arg);
/** A client went; @p arg is a struct serve. */
void serve_gone(struct control_client *c, void *arg);

#endif
