/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Port forwards from dom0's keys into the kernel. effect (QubesDB and
 * nfnetlink). Fed by dom0's keys; what they say is judged by
 * uplink_forward.c. */
#ifndef SQ_NETVM_FORWARD_APPLY_H
#define SQ_NETVM_FORWARD_APPLY_H

#include "qubesdb/qdb_client.h"

struct forward_apply;

/** Before the sandbox: opens its netlink socket. The table must be there.
 *  @param q    borrowed
 *  @param ret  lives as long as the process
 *  @return 0; -ENOMEM; -errno of the socket */
int forward_apply_new(struct qdb *q, struct forward_apply **ret);

/** Read the keys, put the forwards in force in one transaction and write
 *  /sysqube-status/forward. When the kernel refuses, what was in force
 *  stays, and the status says so.
 *  @return 0; -errno of QubesDB */
int forward_apply_now(struct forward_apply *f);

#endif
