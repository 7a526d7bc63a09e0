/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fixed-size records between firewallvmd's worker and its monitor, and
 * back. pure. Fed by the worker, which the monitor does not trust: every
 * field is checked, unused bytes must be zero. One record is one
 * SOCK_SEQPACKET message. Which record may come when: monitor.h. */
#ifndef SQ_FIREWALLVM_RECORD_H
#define SQ_FIREWALLVM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firewallvm/fw_state.h"
#include "rules/fw_count.h"

#define RECORD_BYTES 72 /* type, 3 zero bytes, count, body */
#define RECORD_BODY_BYTES 64
#define RECORD_COUNTS 3    /* rule counters in one record */
#define RECORD_ELEMS_MAX 3 /* addresses of a name in one record */

enum record_type {
    /* worker to monitor */
    RECORD_DNS = 1,    /* dns: resolvers behind specialtarget=dns */
    RECORD_SNAT = 2,   /* on: masquerade at the uplink */
    RECORD_BEGIN = 3,  /* addr, policy, limits, count = rules that follow */
    RECORD_RULE = 4,   /* match, number */
    RECORD_COMMIT = 5, /* the list, the paths or the set is whole: make it
                        * so */
    RECORD_REMOVE = 6, /* addr: the source is gone */
    RECORD_READY = 7,  /* count = sources sent since the start */
    RECORD_PATHS = 8,  /* kind, count = paths that follow */
    RECORD_PATH = 9,   /* kind, path */
    RECORD_COUNT = 10, /* addr: its counters please; none: read them anew */
    RECORD_SET = 12,   /* set, count = addresses that follow */
    RECORD_WATCH = 14, /* addr, on: DNS answers to it wait to be read */
    RECORD_PASS = 15,  /* count = number of an answer that waited; on: all */
    RECORD_ELEMS = 13, /* count = n of elems[] */
    /* monitor to worker */
    RECORD_SYNCED = 65,    /* count = sources: answer to READY */
    RECORD_APPLIED = 66,   /* addr, count = rules: answer to COMMIT, REMOVE
                            * (count 0), DNS, SNAT and paths (no addr, count
                            * 0) */
    RECORD_FAILED = 67,    /* addr, count = errno: the source is blocked */
    RECORD_TOTALS = 68,    /* addr, totals: answer to COUNT, before ... */
    RECORD_COUNTS_OF = 69, /* ... any of these: count = n of counts[] ... */
    RECORD_COUNTED = 70,   /* ... and this: count = repairs so far */
};

/** A decoded record; only the fields named beside its type are set, all
 *  others are zero. */
struct record {
    enum record_type type;
    uint32_t count;
    struct ipaddr addr; /* family 0 for none */
    enum fw_action policy;
    bool on;
    uint16_t number;
    uint16_t set; /* a handle, name_handle.h */
    enum fw_path_kind kind;
    struct fw_match match;
    struct fw_dns dns;
    struct fw_limits limits;
    struct fw_path path;
    struct fw_totals totals;
    struct fw_count counts[RECORD_COUNTS];
    struct name_addr elems[RECORD_ELEMS_MAX]; /* without until_ms */
};

/** Encode a record of ours. @param out  all RECORD_BYTES are written
 *  @return 0; -EINVAL it would not decode again (our own mistake) */
int record_encode(const struct record *rec, uint8_t out[RECORD_BYTES]);

/** Decode and check one record on its own (not its place among others).
 *  @param ret  written on success only
 *  @return 0; -EBADMSG */
int record_decode(const uint8_t untrusted[RECORD_BYTES], struct record *ret);

#endif
