/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a firewall request makes of a qube's rule list. pure. Fed by checked
 * requests of the administrator and by the configuration; rules are parsed by
 * sys-common/rules. Storing the result is rules_edit.c. */
#ifndef SQ_DOM0_RULES_LIST_H
#define SQ_DOM0_RULES_LIST_H

#include "dom0/fw_items.h"
#include "dom0/manager_error.h"
#include "dom0/request.h"

/** The list as stored, and where each item begins in the whole one. {0} is
 *  empty. */
struct rules_list {
    struct fw_items items;
    size_t *from; /* items.n + 1 numbers of rules; owned; not kept up to date */
    const struct config_qube *q; /* borrowed */
};

/** @param ret  {0}; rules_list_free() also on failure. @return 0; -ENOMEM */
int rules_list_take(const struct config_qube *q, struct rules_list *ret);
void rules_list_free(struct rules_list *l);

/** Carry out REQ_FW_ADD, REQ_FW_DEL, REQ_FW_RESET or REQ_FW_APPLY on the
 *  items.
 *  @param now_s  for expire=+N
 *  @param ret_hidden_by  number of a rule above a new one that takes all its
 *                        packets; -1: none
 *  @param e  why not, for a person; the items are then not fit for use
 *  @param p  complaints about a list that was sent (-EBADMSG)
 *  @return 0; -EINVAL the request does not fit; -EBADMSG; -ENOMEM */
int rules_list_edit(struct rules_list *l, const struct request *r,
                    uint64_t now_s, int64_t *ret_hidden_by,
                    struct manager_error *e, struct problems *p);

#endif
