/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys /qubes-firewall/<ip>/{policy,NNNN} of one source to a list in
 * order, or the reason why the source is blocked. pure. Fed by dom0's keys
 * (rule text may be hostile). Source: spec/firewall-rules.md, must 3-5;
 * spec/network.md, Firewall keys. Resolves no names, reads no clock. */
#ifndef SQ_FIREWALLVM_RULE_SOURCE_H
#define SQ_FIREWALLVM_RULE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "firewallvm/limits.h"
#include "lib/parse.h"
#include "rules/rule.h"

#define RULE_SOURCE_WHERE_MAX 16 /* "policy", "0007", with its NUL */
#define RULE_SOURCE_STATUS_MAX 160

/** A list being read. Set up by rule_source_init(). */
struct rule_source {
    uint8_t family;
    bool has_policy;
    bool timed;             /* a rule has expire= */
    uint64_t now_s;         /* as given to rule_source_init() */
    uint64_t next_expire_s; /* of the rules in `v`; 0: none ends */
    enum fw_action policy;
    struct fw_limits limits; /* the default until rule_source_limits() */
    size_t n, cap;
    struct source_rule *v;             /* owned, see rule_source_free() */
    const char *reason;                /* first error, static; or NULL */
    char where[RULE_SOURCE_WHERE_MAX]; /* key of the first error */
    bool named;                        /* a rule has a name */
};

struct source_rule {
    unsigned number; /* NNNN */
    char *name;      /* owned; of a rule with a name, else NULL */
    struct fw_match m;
};

/** @param family  of the source: AF_INET or AF_INET6
 *  @param now_s   seconds since 1970: a rule whose expire= is not behind it
 *                 has ended, and is checked but left out */
void rule_source_init(struct rule_source *s, uint8_t family, uint64_t now_s);
void rule_source_free(struct rule_source *s);

/** Take one key. @param untrusted_key    what follows "/qubes-firewall/IP/"
 *  @param untrusted_value  its value
 *  @return 0, also for a malformed one (then `reason` says why: the first
 *  error stays, later keys are ignored); -ENOMEM */
int rule_source_add(struct rule_source *s, struct text untrusted_key,
                    struct text untrusted_value);

/** Take the value of /sysqube-firewall/IP/limits, if there is that key. A
 *  malformed one is a `reason`, like a malformed rule. */
void rule_source_limits(struct rule_source *s, struct text untrusted_value);

/** After the last key: find what is missing. `v` is in order of numbers; a
 *  list with `reason` set is to be blocked: use no rule of it. */
void rule_source_finish(struct rule_source *s);

/** The text of /sysqube-status/firewall/<ip>.
 *  @param unresolved  number of the first rule whose name stands for nothing
 *                     known; negative for none
 *  @return buf */
const char *rule_source_status(const struct rule_source *s, int unresolved,
                               char buf[RULE_SOURCE_STATUS_MAX]);
/** The same for a list in force. @param n  its rules */
const char *rule_source_applied(size_t n, int unresolved,
                                char buf[RULE_SOURCE_STATUS_MAX]);

#endif
