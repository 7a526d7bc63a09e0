/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The toolstack's shutdown request: node control/shutdown of our own domain.
 * effect (libxenstore). Fed by dom0 (trusted). spec/xen-toolstack.md,
 * section 3. Does not shut anything down itself. */
#ifndef SQ_INIT_INIT_XEN_H
#define SQ_INIT_INIT_XEN_H

#include "init/svc_plan.h"

struct init_xen;

/** Connect to xenstore and watch the node.
 *  @param ret  freed by init_xen_free() (NULL is fine)
 *  @return 0; -errno: no xenstore here */
int init_xen_new(struct init_xen **ret);
void init_xen_free(struct init_xen *x);

/** Descriptor to watch for reading. */
int init_xen_fd(const struct init_xen *x);

/** Take in what came, acknowledge a command by emptying the node.
 *  @return what dom0 asks for; SVC_END_NONE for nothing */
enum svc_end init_xen_poll(struct init_xen *x);

#endif
