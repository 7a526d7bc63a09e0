/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the worker asks the monitor: one record or a whole list, and its
 * answer. effect (the socketpair of lib/privsep.h). Fed by the monitor
 * (trusted, its records are decoded all the same). */
#ifndef SQ_FIREWALLVM_WORKER_PRIV_H
#define SQ_FIREWALLVM_WORKER_PRIV_H

#include "firewallvm/record.h"
#include "firewallvm/rule_source.h"

/** Send one record, waiting for room. @return 0; -ETIMEDOUT; -errno */
int priv_send(int fd, const struct record *rec);

/** PATHS, PATH..., COMMIT of one kind. @return as priv_send() */
int priv_send_paths(int fd, enum fw_path_kind kind, const struct fw_path *v,
                    size_t n);

/** BEGIN, RULE..., COMMIT of a list; a list with a reason goes out empty
 *  with policy drop. @return as priv_send() */
int priv_send_list(int fd, const struct ipaddr *addr,
                   const struct rule_source *list);

/** Wait for the answer (30 s at most).
 *  @return 0; -ETIMEDOUT; -ECONNRESET; -EBADMSG */
int priv_answer(int fd, struct record *ret);

#endif
