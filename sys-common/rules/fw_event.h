/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One blocked packet, and its text in a status key. pure. Fed by the log
 * process of the firewall VM on one side, by status keys of a VM (hostile) on
 * the other. Keys: docs/architecture.md. */
#ifndef SQ_RULES_FW_EVENT_H
#define SQ_RULES_FW_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/ipaddr.h"
#include "lib/parse.h"

#define FW_EVENT_TEXT_MAX 192
/* Blocked packets are told to this group of nflog, with so many of their
 * first bytes, and with the name of a reason as prefix (log_packet.h). */
#define FW_LOG_GROUP 5
#define FW_LOG_SNAPLEN 128
#define FW_LOG_SPOOF "spoof" /* FW_REASON_SPOOF */
#define FW_EVENT_RING 32     /* keys /sysqube-status/firewall-log/00.. */

enum fw_reason {
    FW_REASON_RULE = 1, /* number: of the key */
    FW_REASON_NAME,     /* number; a drop rule whose name nobody knows */
    FW_REASON_POLICY,
    FW_REASON_SPOOF, /* not the sender's address */
    FW_REASON_LIMIT,
    FW_REASON_QUOTA,
    FW_REASON_EXTHDR,
    FW_REASON_TO_QUBE,
    FW_REASON_UPLINK,
    FW_REASON_NO_LIST,
};
#define FW_REASON_LAST FW_REASON_NO_LIST

struct fw_event {
    uint64_t seq;     /* rises by one with each event of a firewall VM */
    uint64_t epoch_s; /* seconds since 1970 */
    enum fw_reason reason;
    uint16_t number; /* FW_REASON_RULE, FW_REASON_NAME */
    uint8_t l4proto;
    bool has_port;
    uint16_t port;          /* destination; ICMP: the type */
    struct ipaddr src, dst; /* of one family */
};

/** Has this reason a number? */
bool fw_reason_has_number(enum fw_reason reason);
/** "rule", "policy", ... @return static text */
const char *fw_reason_text(enum fw_reason reason);
/** @return 0 none of this name */
unsigned fw_reason_find(struct text name);

/** "tcp", "udp", "icmp" or the number. @return buf */
const char *fw_event_proto(uint8_t l4proto, char buf[8]);

/** "SEQ EPOCH SRC DST PROTO PORT REASON[:NNNN]". @return length */
int fw_event_format(const struct fw_event *e, char buf[FW_EVENT_TEXT_MAX]);
/** @param ret  written on success only. @return 0; -EBADMSG */
int fw_event_parse(struct text untrusted, struct fw_event *ret);

/** Are all fields what fw_event_parse() could give? @return 0; -EBADMSG */
int fw_event_check(const struct fw_event *e);

#endif
