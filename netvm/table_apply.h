/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the table inet sysqube-uplink that change at run time: port
 * forwards and what becomes of IPv6. effect (QubesDB and nfnetlink). Fed by
 * dom0's keys, judged by uplink_forward.c, and by netvmd. */
#ifndef SQ_NETVM_TABLE_APPLY_H
#define SQ_NETVM_TABLE_APPLY_H

#include <stdbool.h>

#include "qubesdb/qdb_client.h"

struct table_apply;

/** Before the sandbox: opens its netlink socket. The table must be there, as
 *  uplink_nft_build() made it.
 *  @param q    borrowed
 *  @param ret  lives as long as the process
 *  @return 0; -ENOMEM; -errno of the socket */
int table_apply_new(struct qdb *q, struct table_apply **ret);

/** Read the keys, put the forwards in force in one transaction and write
 *  /sysqube-status/forward. When the kernel refuses, what was in force
 *  stays, and the status says so.
 *  @return 0; -errno of QubesDB */
int table_apply_forwards(struct table_apply *t);

/** Has the uplink an IPv6 address? Without one clients are told at once that
 *  there is no way out. Does nothing when it was so before.
 *  @return 0; -errno of the kernel: tried again at the next call */
int table_apply_ipv6(struct table_apply *t, bool have);

#endif
