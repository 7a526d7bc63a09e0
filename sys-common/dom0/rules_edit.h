/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firewall requests: edit the list of one qube in its file or read all
 * files again, push what changed, and remember what the firewalls had
 * reported before. effect (the file). Fed by checked requests; rules are
 * parsed by sys-common/rules. */
#ifndef SQ_DOM0_RULES_EDIT_H
#define SQ_DOM0_RULES_EDIT_H

#include "dom0/job.h"
#include "dom0/manager.h"
#include "dom0/request.h"

struct rules_edit {
    struct job_source *src; /* whose rules were pushed; owned */
    size_t n_src;
    uint64_t limit_ms; /* to give jobs_rules() */
    int64_t hidden_by; /* number of a rule above the new one that takes all
                          its packets; -1: none */
};

/** Carry out REQ_FW_ADD, REQ_FW_DEL, REQ_FW_RESET or REQ_FW_APPLY: file
 *  first, then the configuration is read again, then the keys are written.
 *  A list is replaced as a whole: either all of it is stored or nothing.
 *  @param ret  written on success; its src is the caller's to free
 *  @param err  why not, for a person; nothing was changed then
 *  @param p    complaints (-EBADMSG): of the configuration when err->step is
 *              NULL, else of the list that was sent
 *  @return 0; -EINVAL the request does not fit; -EBADMSG; -errno */
int rules_edit(struct manager *m, const struct request *r, uint64_t now_s,
               struct rules_edit *ret, struct manager_error *err,
               struct problems *p);

/** Carry out REQ_FW_RELOAD: read the configuration again, write what
 *  changed, and have the firewalls read the lists of the named qubes (none
 *  named: of all) once more, names resolved anew. As rules_edit(). */
int rules_reload(struct manager *m, const struct request *r,
                 struct rules_edit *ret, struct manager_error *err,
                 struct problems *p);

#endif
