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

#include "rules/rule.h"
#include "rules/rule_eval.h"

#define RECORD_BYTES 72 /* type, 3 zero bytes, count, body */
#define RECORD_BODY_BYTES 64

enum record_type {
    /* worker to monitor */
    RECORD_DNS = 1,    /* dns: resolvers behind specialtarget=dns */
    RECORD_SNAT = 2,   /* on: masquerade at the uplink */
    RECORD_BEGIN = 3,  /* addr, policy, count = rules that follow */
    RECORD_RULE = 4,   /* match */
    RECORD_COMMIT = 5, /* the list is whole: make it so */
    RECORD_REMOVE = 6, /* addr: the source is gone */
    RECORD_READY = 7,  /* count = sources sent since the start */
    /* monitor to worker */
    RECORD_SYNCED = 65,  /* count = sources: answer to READY */
    RECORD_APPLIED = 66, /* addr, count = rules: answer to COMMIT, REMOVE
                          * (count 0) and DNS (no addr, count 0) */
    RECORD_FAILED = 67,  /* addr, count = errno: the source is blocked */
};

/** A decoded record; only the fields named beside its type are set, all
 *  others are zero. */
struct record {
    enum record_type type;
    uint32_t count;
    struct ipaddr addr; /* family 0 for none */
    enum fw_action policy;
    bool on;
    struct fw_match match;
    struct fw_dns dns;
};

/** Encode a record of ours. @param out  all RECORD_BYTES are written
 *  @return 0; -EINVAL it would not decode again (our own mistake) */
int record_encode(const struct record *rec, uint8_t out[RECORD_BYTES]);

/** Decode and check one record on its own (not its place among others).
 *  @param ret  written on success only
 *  @return 0; -EBADMSG */
int record_decode(const uint8_t untrusted[RECORD_BYTES], struct record *ret);

#endif
