/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log process's record. pure. See log_record.h. */
#include "firewallvm/log_record.h"

#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"

/* reason, family, l4proto, has_port, port, number (big endian), src, dst */
#define PORT_AT 4
#define SRC_AT 8

void log_record_encode(const struct fw_event *e, uint8_t out[LOG_RECORD_BYTES])
{
    memset(out, 0, LOG_RECORD_BYTES);
    out[0] = (uint8_t)e->reason;
    out[1] = e->src.family;
    out[2] = e->l4proto;
    out[3] = e->has_port;
    out[PORT_AT] = (uint8_t)(e->port >> 8);
    out[PORT_AT + 1] = (uint8_t)e->port;
    out[PORT_AT + 2] = (uint8_t)(e->number >> 8);
    out[PORT_AT + 3] = (uint8_t)e->number;
    memcpy(out + SRC_AT, e->src.b, sizeof(e->src.b));
    memcpy(out + SRC_AT + sizeof(e->src.b), e->dst.b, sizeof(e->dst.b));
}

int log_record_decode(const uint8_t untrusted[LOG_RECORD_BYTES],
                      struct fw_event *ret)
{
    struct cur c = cur_of(untrusted, LOG_RECORD_BYTES);
    uint8_t again[LOG_RECORD_BYTES], reason, has_port;
    struct fw_event e = {0};

    if (cur_u8(&c, &reason) || cur_u8(&c, &e.src.family) ||
        cur_u8(&c, &e.l4proto) || cur_u8(&c, &has_port) ||
        cur_u16be(&c, &e.port) || cur_u16be(&c, &e.number) ||
        cur_copy(&c, e.src.b, ipaddr_len(&e.src)))
        return -EBADMSG;
    e.dst.family = e.src.family;
    c = cur_of(untrusted + SRC_AT + sizeof(e.src.b), sizeof(e.dst.b));
    if (cur_copy(&c, e.dst.b, ipaddr_len(&e.dst)))
        return -EBADMSG;
    e.reason = (enum fw_reason)reason;
    e.has_port = has_port == 1;
    if (fw_event_check(&e))
        return -EBADMSG;
    /* whatever is not used must be zero */
    log_record_encode(&e, again);
    if (memcmp(again, untrusted, sizeof(again)) != 0)
        return -EBADMSG;
    *ret = e;
    return 0;
}
