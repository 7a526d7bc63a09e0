/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz the digest of netlink answers: any bytes as one datagram. */
#include <string.h>

#include "lib/nl_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int see(const struct nlmsghdr *h, void *arg)
{
    size_t *sum = arg;

    *sum += mnl_nlmsg_get_payload_len(h);
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nlmsghdr ask = {.nlmsg_len = sizeof(ask),
                           .nlmsg_flags = NLM_F_ACK,
                           .nlmsg_seq = 1};
    struct nl_answer a;
    size_t sum = 0;
    _Alignas(8) uint8_t copy[8192];

    if (size > sizeof(copy) ||
        nl_answer_init(&a, &ask, sizeof(ask), see, &sum) != 0)
        return 0;
    memcpy(copy, data, size);
    nl_answer_feed(&a, copy, size);
    if (sum > size)
        __builtin_trap();
    return 0;
}
