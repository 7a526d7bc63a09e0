/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One DNS answer to the addresses it gives for its question. pure. Fed by
 * whatever sent the answer (hostile). Source: RFC 1035 section 4, RFC 3596,
 * RFC 2181 sections 5.2 and 8. Takes the addresses that the question's name
 * leads to through CNAME records of the same answer; what is said about any
 * other name is not looked at. Asks nothing and caches nothing. */
#ifndef SQ_FIREWALLVM_NAMES_DNS_H
#define SQ_FIREWALLVM_NAMES_DNS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/ipaddr.h"
#include "rules/rule.h"

#define DNS_ADDRS_MAX 64    /* addresses taken of one answer */
#define DNS_RECORDS_MAX 512 /* records of the answer section looked at */
#define DNS_CHAIN_MAX 16    /* CNAME steps followed */
#define DNS_MESSAGE_MAX 65535

/** What is known about a name and a family. */
enum dns_status {
    DNS_OK = 0,       /* addresses */
    DNS_NODATA = 1,   /* the name is there, without an address of the family */
    DNS_NXDOMAIN = 2, /* no such name */
    DNS_FAILED = 3,   /* no answer, a refusal, or one that makes no sense */
};

struct dns_addr {
    struct ipaddr addr;
    uint32_t ttl_s; /* the least of the record's and the chain's */
};

struct dns_answer {
    char name[FW_NAME_MAX]; /* of the question, lower case, no final dot; ""
                             * if it is no name that a rule may hold */
    uint8_t family;         /* of the question: AF_INET, AF_INET6 */
    enum dns_status status;
    unsigned n;                       /* 0..DNS_ADDRS_MAX, 0 unless DNS_OK */
    struct dns_addr v[DNS_ADDRS_MAX]; /* each address once */
};

/** Read a whole message. Addresses that no host has (loopback, link-local,
 *  multicast) are left out, as are those over DNS_ADDRS_MAX; a TTL with its
 *  top bit set is 0.
 *  @param ret  written on success only
 *  @return 0; -EBADMSG malformed, no answer, or more than DNS_RECORDS_MAX;
 *  -EAGAIN the answer was truncated; -ENOENT no question for A or AAAA of
 *  class IN; -ELOOP the chain has no end within DNS_CHAIN_MAX steps.
 *  Allocates nothing. */
int dns_answer_parse(const uint8_t *untrusted, size_t len,
                     struct dns_answer *ret);

#endif
