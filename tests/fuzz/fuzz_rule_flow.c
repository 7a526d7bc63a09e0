/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz the kernel's answers about tracked flows: the input is the payload of
 * a ctnetlink message. */
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "firewallvm/flow_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t out[FLOW_MSG_MAX] __attribute__((aligned(8)));
    struct nlmsghdr *h;
    struct flow flow;

    if (size > 4096)
        return 0;
    /* Messages are padded to 4 bytes, and libmnl reads the padding. */
    h = calloc(1, MNL_ALIGN(MNL_NLMSG_HDRLEN + size));
    if (!h)
        return 0;
    h->nlmsg_len = (uint32_t)(MNL_NLMSG_HDRLEN + size);
    h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
    memcpy((uint8_t *)h + MNL_NLMSG_HDRLEN, data, size);
    if (flow_msg_parse(h, &flow) == 0 &&
        flow_msg_delete(out, &flow, 1, 0)->nlmsg_len > sizeof(out))
        abort();
    free(h);
    return 0;
}
