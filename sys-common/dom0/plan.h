/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a parsed configuration to an order and an address plan: netvms
 * found, loops refused, levels, qube numbers, addresses (spec/network.md,
 * "Address plan"). pure. Fed by config.c and the saved numbers. */
#ifndef SQ_DOM0_PLAN_H
#define SQ_DOM0_PLAN_H

#include "dom0/config.h"

#define PLAN_IDS_MAX 10000          /* saved numbers */
#define PLAN_IDS_FILE_MAX (1 << 20) /* bytes of their file */

/** Names and their numbers, kept for ever so that an address is stable. */
struct plan_ids {
    struct plan_id {
        char name[CONFIG_NAME_MAX];
        uint32_t qid;
    } * v;
    size_t n;
};

/** Parse lines "NAME QID". @return 0; -EBADMSG a malformed line, a name or
 *  a number twice (nothing is kept); -ENOMEM */
int plan_ids_parse(struct text data, struct plan_ids *ret);
/** The text plan_ids_parse() reads. @return malloc'ed; NULL: no memory */
char *plan_ids_format(const struct plan_ids *ids);
void plan_ids_free(struct plan_ids *ids);

/** Fill up, level, qid, ip4, ip6 and has_ipv6 of every qube. Complains of
 *  netvms that are missing or form a loop (their qubes keep up = NULL).
 *  @param ids          in: known numbers; out: with those now given
 *  @param ret_changed  @p ids has something to save
 *  @return 0; -EBADMSG complaints were added; -ENOMEM */
int plan_resolve(struct config *c, struct plan_ids *ids, bool *ret_changed,
                 struct problems *p);

/** 10.137.a.b of a qube number. @param qid 1..10000 */
struct ipaddr plan_ip4(uint32_t qid);
/** fd09:24ef:4179::a89:HEX(qid). */
struct ipaddr plan_ip6(uint32_t qid);

/** Start order: a netvm before its qubes, else by name.
 *  @param want  qubes asked for; NULL entries are skipped
 *  @param ret   room for config->n; receives the wanted and all netvms above
 *  @return how many */
size_t plan_up(const struct config *c, struct config_qube *const *want,
               size_t n_want, struct config_qube **ret);
/** Stop order: exactly the wanted, a qube before its netvm. */
size_t plan_down(const struct config *c, struct config_qube *const *want,
                 size_t n_want, struct config_qube **ret);

#endif
