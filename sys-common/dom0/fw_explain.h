/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens to a new connection of a qube, and because of which rule. pure.
 * Fed by the resolved configuration, the administrator's words, and what the
 * firewall VM says (status texts, parsed strictly). The verdict is that of
 * rules/rule_eval.h, which the firewall VM cuts flows by. */
#ifndef SQ_DOM0_FW_EXPLAIN_H
#define SQ_DOM0_FW_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/config.h"
#include "rules/rule.h"

#define FW_ASK_ADDRS_MAX 16 /* addresses of one name that are looked at */
#define FW_NO_RULE SIZE_MAX

/** HOST[:PORT] [PROTO [ICMPTYPE]], as typed. */
struct fw_question {
    char host[FW_NAME_MAX]; /* without port and brackets */
    struct ipaddr addr;     /* family 0: host is a name */
    enum fw_proto proto;    /* never FW_PROTO_ANY */
    uint16_t port;          /* TCP and UDP */
    uint8_t icmp_name;      /* rule_lower.h; 0: icmp_type is meant */
    uint8_t icmp_type;
};

/** Without a protocol it is tcp when there is a port, else an echo request.
 *  @param ret      written on success only
 *  @param ret_why  static text for a person, written on failure
 *  @return 0; -EBADMSG */
int fw_question_parse(int argc, char *const argv[], struct fw_question *ret,
                      const char **ret_why);

struct fw_explain_world {
    const struct config *cfg; /* resolved */
    uint64_t now_s;
    /** What firewall VM @p fw says at this path. @return borrowed until the
     *  next call; NULL: nothing known */
    const char *(*status)(void *arg, const struct config_qube *fw,
                          const char *path);
    void *arg;
};

enum fw_because {
    FW_BY_RULE,
    FW_BY_POLICY,
    FW_BY_NO_NETVM,  /* nothing leaves this qube */
    FW_BY_NO_FAMILY, /* the qube has no address of this family, or its netvm
                      * no way for it */
    FW_BY_NO_LIST,   /* the netvm enforces no rules */
    FW_BY_QUBE,      /* the destination is another qube */
    FW_BY_REACH,     /* it is, and a Reach= line allows it */
    FW_BY_BLOCKED,   /* the firewall VM refused the list */
};

/** Why a rule did not decide. */
enum fw_miss {
    FW_MISS_NOT = 0, /* it would have matched (FW_BY_QUBE and the like) */
    FW_MISS_EXPIRED,
    FW_MISS_FAMILY,
    FW_MISS_NAME,    /* stands for other addresses */
    FW_MISS_UNKNOWN, /* a name of which no address is known */
    FW_MISS_DST,
    FW_MISS_PROTO,
    FW_MISS_PORT,
    FW_MISS_TYPE,
    FW_MISS_DNS,   /* not a resolver's port 53 */
    FW_MISS_MAYBE, /* decided by the address of the name, which is not known */
};

struct fw_answer {
    struct ipaddr src; /* family 0: none */
    bool has_dst;
    struct ipaddr dst;
    enum fw_action action;
    enum fw_because why;
    bool depends; /* the verdict may be another: see maybe */
    /* who enforces, and whose list: the qube's own, or behind another
     * firewall VM that one's; borrowed, NULL when none is asked */
    const struct config_qube *firewall, *list;
    size_t rule;     /* of FW_BY_RULE; number as `firewall list` shows it */
    bool shut;       /* the rule is a drop of a name nobody knows */
    size_t maybe;    /* first rule that may decide otherwise; FW_NO_RULE */
    size_t expired;  /* an ended rule that would have decided; FW_NO_RULE */
    uint8_t *missed; /* enum fw_miss of each rule before the deciding one;
                      * owned */
    size_t n_missed;
    const struct config_qube *other;  /* of FW_BY_QUBE and FW_BY_REACH */
    const struct config_reach *reach; /* of FW_BY_REACH; both borrowed */
    char status[128]; /* of the list, "" unknown; printable ASCII */
};

/** The destinations that a question is about in one family.
 *  @param ret  room for FW_ASK_ADDRS_MAX
 *  @param ret_named  the host is a name: with 0 addresses fw_explain() can
 *  still be asked, with NULL
 *  @return how many */
size_t fw_explain_addrs(const struct fw_explain_world *w,
                        const struct config_qube *q,
                        const struct fw_question *ask, unsigned family,
                        struct ipaddr *ret, bool *ret_named);

/** Judge the first packet of a connection, at every firewall VM on its way:
 *  the first that drops it has the say, else the nearest.
 *  @param dst     where to; NULL: an unknown address of the name ask->host
 *  @param family  AF_INET or AF_INET6
 *  @param ret     fw_answer_free(); written on success only
 *  @return 0; -ENOMEM; -ENOENT nothing of this family is asked (an ICMP type
 *  that it lacks) */
int fw_explain(const struct fw_explain_world *w, const struct config_qube *q,
               const struct fw_question *ask, const struct ipaddr *dst,
               unsigned family, struct fw_answer *ret);
void fw_answer_free(struct fw_answer *a);

/** Text for a person: "rule", "policy", ... and why a rule was passed over. */
const char *fw_because_name(enum fw_because why);
const char *fw_miss_text(enum fw_miss miss);

#endif
