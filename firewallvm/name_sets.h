/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The monitor's copy of the sets that rules with a name look up: what each
 * holds, how many rules use it, whether the kernel has it. pure (time comes
 * in, it allocates). Fed by records the monitor has checked. See names.h for
 * the worker's side, docs/names-internals.md for the whole.
 *
 * A set is told before the first list that uses it, lives in the kernel as
 * long as a list in force uses it, and is forgotten with the last. */
#ifndef SQ_FIREWALLVM_NAME_SETS_H
#define SQ_FIREWALLVM_NAME_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firewallvm/name_handle.h"
#include "lib/ipaddr.h"
#include "rules/rule.h"
#include "rules/rule_eval.h"

/* Addresses of all sets together. */
#define NAME_SETS_ADDRS_MAX 65536

struct name_addr {
    struct ipaddr addr;
    uint32_t timeout_s; /* when told: ends by itself after; 0: it does not */
    uint64_t until_ms;  /* monotonic; UINT64_MAX without a timeout */
};

struct name_sets;

/** @return 0; -ENOMEM */
int name_sets_new(struct name_sets **ret);
void name_sets_free(struct name_sets *ns);

/** A set holds these from now on.
 *  @param handle  1..NAME_HANDLES
 *  @param v       @p n of the handle's family, up to NAME_ADDRS_MAX, each
 *                 with a timeout exactly if the handle is of accept rules;
 *                 copied, until_ms is filled in
 *  @param ret_lost  may a flow have lost its right? (an address left what
 *                 accepts, or came to what drops)
 *  @return 0; -EBADMSG not so; -ENOBUFS too many in all; -ENOMEM */
int name_sets_put(struct name_sets *ns, unsigned handle,
                  const struct name_addr *v, size_t n, uint64_t now_ms,
                  bool *ret_lost);

/** Was it told, and not forgotten since? */
bool name_sets_known(const struct name_sets *ns, unsigned handle);

/** A list uses its sets from now on (@p more) or no longer; to be followed,
 *  once the kernel agrees, by name_sets_settle(). */
void name_sets_use(struct name_sets *ns, const struct fw_match *v, size_t n,
                   bool more);

/** The next set that the kernel must get, or be rid of, so that it has just
 *  those in use.
 *  @param after  0, or the last one returned
 *  @return a handle; 0: no more */
unsigned name_sets_missing(const struct name_sets *ns, unsigned after);
unsigned name_sets_needless(const struct name_sets *ns, unsigned after);

/** The kernel has just those in use; the others are kept: a list that will
 *  use them may be on its way. */
void name_sets_place(struct name_sets *ns);
/** As before, and the others are forgotten. */
void name_sets_settle(struct name_sets *ns);
/** The kernel has none (the table was made anew). */
void name_sets_unsettle(struct name_sets *ns);
/** Has the kernel this one? */
bool name_sets_placed(const struct name_sets *ns, unsigned handle);

/** What it holds at @p now_ms. @param ret  room for NAME_ADDRS_MAX
 *  @return how many */
size_t name_sets_get(const struct name_sets *ns, unsigned handle,
                     uint64_t now_ms, struct name_addr *ret);

/** For rule_eval_names(): the sets as they are at a time. */
struct name_sets_at {
    const struct name_sets *ns;
    uint64_t now_ms;
};
struct fw_names name_sets_names(const struct name_sets_at *at);

#endif
