/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fixed-size records between firewallvmd's worker and its resolver.
 * pure. Requests come from the worker, answers from the resolver, which the
 * worker does not trust: every field is checked, unused bytes must be zero.
 * One record is one SOCK_SEQPACKET message; requests and answers differ in
 * size. See docs/names-internals.md. */
#ifndef SQ_FIREWALLVM_RESOLVER_RECORD_H
#define SQ_FIREWALLVM_RESOLVER_RECORD_H

#include <stdint.h>

#include "firewallvm/name_handle.h"
#include "firewallvm/names_dns.h"
#include "rules/rule.h"
#include "rules/rule_eval.h"

#define RESOLVER_NAMES_MAX NAME_NAMES_MAX /* ids below it */

/* type, id, serial, family, 3 zero bytes, body of a name or of servers */
#define RESOLVER_REQUEST_BYTES 272
/* type, id, serial, family, status, count, addresses, client, name */
#define RESOLVER_ANSWER_BYTES (16 + DNS_ADDRS_MAX * 20 + 17 + FW_NAME_MAX)

enum resolver_type {
    /* worker to resolver */
    RESOLVER_SERVERS = 1, /* servers: whom to ask from now on */
    RESOLVER_WANT = 2,    /* id, serial, family, name: look it up once; takes
                           * the place of an earlier one of the same id and
                           * family */
    /* resolver to worker */
    RESOLVER_HELLO = 65,  /* it began anew: it knows no server and no want */
    RESOLVER_ANSWER = 66, /* id, serial, family, status, addresses */
    RESOLVER_DOWN = 68,   /* it has ended, another HELLO may come later */
    RESOLVER_SEEN = 67,   /* an answer that waits: id (of the queue), client,
                           * family, status, addresses, name; only the id if
                           * it could not be read */
};

/** A decoded request; fields not named beside its type are zero. */
struct resolver_request {
    enum resolver_type type;
    uint32_t id;
    uint32_t serial; /* returned with the answer */
    uint8_t family;  /* AF_INET, AF_INET6 */
    char name[FW_NAME_MAX];
    struct fw_dns servers;
};

/** A decoded answer; fields not named beside its type are zero. */
struct resolver_answer {
    enum resolver_type type;
    uint32_t id;
    uint32_t serial;
    uint8_t family;
    enum dns_status status;
    unsigned n; /* 1..DNS_ADDRS_MAX for DNS_OK, else 0 */
    struct dns_addr v[DNS_ADDRS_MAX];
    struct ipaddr client;
    char name[FW_NAME_MAX];
};

/** Encode a record of ours; all bytes of @p out are written.
 *  @return 0; -EINVAL it would not decode again (our own mistake) */
int resolver_request_encode(const struct resolver_request *req,
                            uint8_t out[RESOLVER_REQUEST_BYTES]);
int resolver_answer_encode(const struct resolver_answer *ans,
                           uint8_t out[RESOLVER_ANSWER_BYTES]);

/** Decode and check one record on its own.
 *  @param ret  written on success only
 *  @return 0; -EBADMSG */
int resolver_request_decode(const uint8_t untrusted[RESOLVER_REQUEST_BYTES],
                            struct resolver_request *ret);
int resolver_answer_decode(const uint8_t untrusted[RESOLVER_ANSWER_BYTES],
                           struct resolver_answer *ret);

#endif
