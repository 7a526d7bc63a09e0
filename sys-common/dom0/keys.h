/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Desired state: which QubesDB keys each qube shall have, computed from the
 * configuration and from who is running, and the difference to what was
 * written before. pure. Fed by resolved configuration; paths and values are
 * ours. Sources: spec/network.md (keys, update protocol), spec/qubesdb.md. */
#ifndef SQ_DOM0_KEYS_H
#define SQ_DOM0_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0/config.h"
#include "dom0/usb_plan.h"
#include "qubesdb/qdb_record.h"

#define KEYS_VALUE_MAX 3071 /* bytes; QDB_REC_VALUE less one */

struct key {
    char path[QDB_REC_PATH];
    char *val; /* owned; printable ASCII, may be empty */
};

/** Sorted by path, no path twice. {0} is empty. */
struct keyset {
    struct key *v;
    size_t n, cap;
};

/** Add or replace. @return 0; -ENOMEM; -EINVAL the path is no legal key;
 *  -ENOBUFS the value is over KEYS_VALUE_MAX */
int keyset_add(struct keyset *s, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/** Sort after the last keyset_add(); needed before the calls below. */
void keyset_sort(struct keyset *s);
/** @return the value, borrowed; NULL: no such key */
const char *keyset_get(const struct keyset *s, const char *path);
/** Remove a key, if there. */
void keyset_del(struct keyset *s, const char *path);
void keyset_free(struct keyset *s);

/** What is true of a qube at run time, in the order of config->qubes. */
struct keys_run {
    bool active;    /* being started, or running: its rules are in force */
    bool has_domid; /* the domain exists */
    uint32_t domid;
    uint32_t devid; /* of its network interface */
};

struct keys_world {
    const struct config *cfg;   /* resolved */
    const struct keys_run *run; /* cfg->n entries */
    bool netns;                 /* write the vif identities */
    bool watch;                 /* the firewalls shall count every second */
    uint64_t now_s;             /* expired rules are left out */
    const struct usb_plan *usb; /* NULL: no USB devices */
};

/** All keys of one qube.
 *  @param index  of the qube in the configuration
 *  @param ret    empty set, filled and sorted; keyset_free() also on failure
 *  @return 0; -ENOMEM; -ENOBUFS (too many clients for one value) */
int keys_desired(const struct keys_world *w, size_t index, struct keyset *ret);

/** When keys_desired() will next say something else by the clock alone.
 *  @param now_s  as of the last keys_desired()
 *  @return second since 1970 at which the next rule ends; 0: none will */
uint64_t keys_next_expiry(const struct config *c, uint64_t now_s);

enum key_op { KEY_OP_SET, KEY_OP_RM };
/** @param path  for KEY_OP_RM perhaps a subtree, ending in '/'
 *  @param val   for KEY_OP_SET
 *  @return 0 or an error, which ends keys_diff() */
typedef int (*keys_op_cb)(enum key_op op, const char *path, const char *val,
                          void *arg);

/** Operations that lead from @p old to @p now. The rules of a source are
 *  one unit: if any key below /qubes-firewall/IP/ differs, the subtree is
 *  removed and written anew, then the signal key /qubes-firewall/IP is
 *  written (spec/network.md, "Update protocol per family"); its limits
 *  belong to it and come first. So are the trees /sysqube-firewall/edge,
 *  /sysqube-firewall/inbound and /sysqube-forward. New rules come
 *  before everything else, so that they are there when a vif appears.
 *  @return 0 or the callback's error */
int keys_diff(const struct keyset *old, const struct keyset *now, keys_op_cb cb,
              void *arg);

/** Number of sources whose rules differ, and their addresses.
 *  @param ret  room for @p cap texts
 *  @return how many were written to @p ret */
size_t keys_changed_sources(const struct keyset *old, const struct keyset *now,
                            char (*ret)[IPADDR_TEXT_MAX], size_t cap);

#endif
