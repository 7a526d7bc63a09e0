/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firewall requests: edit the list of one qube in its file, push it,
 * and remember what the firewall had reported before. effect (the file).
 * Fed by checked requests; rules are parsed by sys-common/rules. */
#ifndef SQ_DOM0_RULES_EDIT_H
#define SQ_DOM0_RULES_EDIT_H

#include "dom0/job.h"
#include "dom0/manager.h"
#include "dom0/request.h"

struct rules_edit {
    struct job_source src[JOB_SOURCES_MAX]; /* whose rules were pushed */
    size_t n_src;
    int64_t hidden_by; /* number of a rule above the new one that takes all
                          its packets; -1: none */
    bool pushed;       /* the netvm runs and was given new rules */
};

/** Carry out REQ_FW_ADD, REQ_FW_DEL or REQ_FW_RESET: file first, then the
 *  configuration is read again, then the keys are written.
 *  @param ret  written on success
 *  @param err  why not, for a person; nothing was changed then
 *  @param p    complaints of the configuration (-EBADMSG with err->step
 *              NULL)
 *  @return 0; -EINVAL the request does not fit; -EBADMSG; -errno */
int rules_edit(struct manager *m, const struct request *r, uint64_t now_s,
               struct rules_edit *ret, struct manager_error *err,
               struct problems *p);

#endif
