/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz what an uplink may send as a DNS answer to a qube: the packet, then
 * the message in it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "firewallvm/answer_packet.h"
#include "firewallvm/names_dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct answer_packet a;
    struct dns_answer dns;

    if (answer_packet_parse(data, size, &a) < 0)
        return 0;
    if ((a.client.family != AF_INET && a.client.family != AF_INET6) ||
        a.dns < data || a.dns + a.len != data + size)
        abort();
    (void)dns_answer_parse(a.dns, a.len, &dns);
    return 0;
}
