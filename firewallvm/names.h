/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names that rules hold and the addresses they stand for now: who wants
 * which, when each is asked again, what an answer changes. pure (time comes
 * in, it allocates). Fed by checked lists and by answers of the resolver
 * (addresses checked, contents hostile: whoever answers for a name says
 * where it is). Source: spec/firewall-rules.md, must 5, 7 and 8;
 * docs/names-internals.md. Asks nobody itself and knows no kernel.
 *
 * A rule looks its addresses up in a set, named by a handle. Rules of the
 * same name, family and action share one; a name with * has one for each
 * source. Sets of accept rules hold each address for a time only; those of
 * drop rules keep what they have until a good answer leaves it out.
 *
 * The caller, after any call that takes a time, does what names_next()
 * says, sends what names_want() says, and comes back at the latest after
 * names_wait_ms(). All times are monotonic milliseconds. */
#ifndef SQ_FIREWALLVM_NAMES_H
#define SQ_FIREWALLVM_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firewallvm/name_handle.h"
#include "firewallvm/names_dns.h"
#include "firewallvm/resolver_record.h"
#include "lib/parse.h"
#include "rules/rule.h"

#define NAMES_MAX NAME_NAMES_MAX /* a wildcard for each source that has it */
#define NAMES_USES_MAX 8192      /* rules with a name, of all lists */
#define NAMES_ADDRS_MAX DNS_ADDRS_MAX /* of a name and family */
#define NAMES_STATUS_MAX 512          /* with its NUL */

/** How long things last, in seconds. */
struct names_config {
    uint32_t floor_s;        /* no answer is asked again sooner */
    uint32_t ceiling_s;      /* nor later */
    uint32_t wild_ceiling_s; /* longest life of an answer seen on its way, as
                              * nobody asks it again */
    uint32_t grace_s;        /* what an address outlives its answer by */
    uint32_t retry_s;        /* after a failure; doubles with each */
    uint32_t retry_max_s;    /* up to this */
    uint32_t patience_s;     /* then a question counts as not answered */
};

/** 60 s, 1 h, 1 day, 5 min, 5 s, 5 min, 30 s. */
extern const struct names_config NAMES_CONFIG;

/** The key /sysqube-firewall/names: any of `floor=N`, `ceiling=N` and
 *  `grace=N`, seconds of 1 to a day, parted by single blanks; what is missing
 *  is as in NAMES_CONFIG.
 *  @return 0; -EBADMSG malformed, or the floor is above the ceiling */
int names_config_parse(struct text untrusted_value, struct names_config *ret);

struct names;

/** @param config  copied; floor_s <= ceiling_s, none of them 0
 *  @return 0; -ENOMEM */
int names_new(const struct names_config *config, struct names **ret);
void names_free(struct names *n);
/** Other times, for answers that come from now on. */
void names_configure(struct names *n, const struct names_config *config);

/* ---- what the lists want: begin, one use for each rule with a name, end.
 * Uses of that source that were not said again are forgotten, and their
 * names with the last use. ---- */
void names_begin(struct names *n, const struct ipaddr *source);
/** @param number  NNNN of the rule, once in a list
 *  @param name    as rule_parse_name() took it
 *  @return 0; -ENOBUFS a limit; -EINVAL a drop rule with *, whose addresses
 *  nobody can know; -ENOMEM. The rule's set is then 0 for ever. */
int names_use(struct names *n, const struct ipaddr *source, unsigned number,
              const char *name, enum fw_action action, uint64_t now_ms);
void names_end(struct names *n, const struct ipaddr *source);

/** The handle for fw_match.name_set of a rule said by names_use(). 0: it was
 *  refused, or it is a drop rule whose name was never resolved: it shuts all
 *  behind it. An accept rule's set is just empty as long as nothing is known.
 *  @return 0 or a handle (name_handle.h) */
unsigned names_set(const struct names *n, const struct ipaddr *source,
                   unsigned number);

/* ---- what a set holds ---- */
struct names_elem {
    struct ipaddr addr;
    uint32_t timeout_s; /* the element ends by itself; 0: it does not */
};
/** The whole of it; the set is told as it is now, so names_next() does not
 *  name it again before it changes. Send it in the same transaction as a
 *  list that uses it.
 *  @return elements, 0..NAME_ADDRS_MAX; 0 for a handle not in use */
size_t names_set_addrs(struct names *n, unsigned set, uint64_t now_ms,
                       struct names_elem ret[NAME_ADDRS_MAX]);
/** Does any rule use the set? */
bool names_set_used(const struct names *n, unsigned set);
/** Has it changed since it was last told (as names_next() would say)? */
bool names_set_changed(const struct names *n, unsigned set);
/** Does the set hold this address now? */
bool names_set_has(const struct names *n, unsigned set, const struct ipaddr *a,
                   uint64_t now_ms);

/* ---- what has changed ---- */
enum names_kind {
    NAMES_LIST = 1,   /* source: send its list again, a handle was 0 */
    NAMES_SET = 2,    /* set: replace its elements by names_set_addrs() */
    NAMES_STATUS = 3, /* source, number: names_status() says another thing */
};
struct names_change {
    enum names_kind kind;
    struct ipaddr source;
    unsigned number;
    unsigned set;
    bool is_drop; /* NAMES_SET: flows to new addresses must end */
};
/** Take the next change; lists first, then sets, then status.
 *  @return false when there is none */
bool names_next(struct names *n, uint64_t now_ms, struct names_change *ret);

/** The value of /sysqube-status/firewall-names/<ip>/NNNN: "ok", "stale" or
 *  "unresolved", then as many addresses as fit.
 *  @return buf; "" for a rule that is not in use */
const char *names_status(const struct names *n, const struct ipaddr *source,
                         unsigned number, uint64_t now_ms,
                         char buf[NAMES_STATUS_MAX]);
/** The first rule of a source that stands for nothing known.
 *  @return its number, or -ENOENT */
int names_unresolved(const struct names *n, const struct ipaddr *source,
                     uint64_t now_ms);

/* ---- the resolver ---- */
/** Take the next question that is due.
 *  @param ret  a RESOLVER_WANT to be sent; if that fails, names_lost()
 *  @return false when there is none */
bool names_want(struct names *n, uint64_t now_ms, struct resolver_request *ret);
/** An answer; one to no open question is ignored. */
void names_answer(struct names *n, const struct resolver_answer *ans,
                  uint64_t now_ms);
/** Is there a name that no answer, good or bad, has come for yet? */
bool names_pending(const struct names *n);
/** The resolver began anew or has other servers: what was asked is asked
 *  again, and what failed as well. */
void names_lost(struct names *n, uint64_t now_ms);

/** An answer that is on its way to a source, for its rules with * (both
 *  families of a qube whose addresses are those of the address plan).
 *  @param client  the qube's address the answer is sent to
 *  @return true if a set changed: put it in place before the answer passes */
bool names_seen(struct names *n, const struct ipaddr *client,
                const struct dns_answer *untrusted, uint64_t now_ms);
/** The qube's address of the other family, if it has addresses of the
 *  plan. @return false if not */
bool names_pair(const struct ipaddr *client, struct ipaddr *ret);
/** Nobody sees answers on their way: rules with * stand for nothing. */
void names_blind(struct names *n);
/** Has this source, or the qube's other family, a rule with *? */
bool names_has_wild(const struct names *n, const struct ipaddr *client);

/** Until something is due without a further call. @return milliseconds, at
 *  least 1; 0: never */
uint32_t names_wait_ms(const struct names *n, uint64_t now_ms);
/** Let go what has lasted its time (also done by the calls above). */
void names_tick(struct names *n, uint64_t now_ms);

#endif
