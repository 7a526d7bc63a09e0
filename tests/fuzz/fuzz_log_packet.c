/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzzes what the firewall VM's log process reads: the first byte says
 * whether the rest is a packet, a whole nflog message, or a record for the
 * worker. What is taken survives the way to the worker. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "firewallvm/log_packet.h"
#include "firewallvm/log_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct fw_event *e)
{
    uint8_t rec[LOG_RECORD_BYTES];
    struct fw_event back;

    if (fw_event_check(e))
        abort();
    log_record_encode(e, rec);
    if (log_record_decode(rec, &back) || back.port != e->port ||
        back.reason != e->reason || !ipaddr_eq(&back.dst, &e->dst))
        abort();
}

static void fuzz_message(const uint8_t *data, size_t size)
{
    struct fw_event e;
    uint8_t *copy = malloc(size + 1); /* aligned, and of the exact size */
    const struct nlmsghdr *h;
    size_t left = size;

    if (!copy)
        return;
    memcpy(copy, data, size);
    for (h = log_packet_message(copy, left); h; h = log_packet_next(h, &left))
        if (log_packet_parse(h, &e) == 0)
            check(&e);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fw_event e = {.reason = FW_REASON_POLICY};

    if (size < 1)
        return 0;
    if (data[0] % 3 == 0) {
        if (log_packet_ip(data + 1, size - 1, &e) == 0)
            check(&e);
    } else if (data[0] % 3 == 1) {
        fuzz_message(data + 1, size - 1);
    } else if (size == LOG_RECORD_BYTES + 1) {
        if (log_record_decode(data + 1, &e) == 0)
            check(&e);
    }
    return 0;
}
