/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Port forwards of dom0. pure. See uplink_forward.h. */
#include "netvm/uplink_forward.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "lib/log.h"

#define PORT_DHCP4_CLIENT 68  /* RFC 2131 */
#define PORT_DHCP6_CLIENT 546 /* RFC 8415 */
#define WORDS_MAX 5

static int port_parse(struct text t, uint16_t *ret)
{
    uint32_t n;
    int r = parse_u32(t, 1, UINT16_MAX, &n);

    if (r == 0)
        *ret = (uint16_t)n;
    return r;
}

static int from_parse(struct text t, uint8_t family, struct ipnet *ret)
{
    if (ipnet_parse(t, ret) < 0 || ret->addr.family != family)
        return -EBADMSG;
    return 0;
}

int uplink_forward_parse(struct text value, struct uplink_forward *ret)
{
    struct uplink_forward f = {0};
    struct text w[WORDS_MAX], piece;
    size_t n = 0;

    while (parse_split(&value, ' ', &piece)) {
        if (n == WORDS_MAX)
            return -EBADMSG;
        w[n++] = piece;
    }
    if (n < 4)
        return -EBADMSG;
    if (text_eq(w[0], "tcp"))
        f.l4proto = IPPROTO_TCP;
    else if (text_eq(w[0], "udp"))
        f.l4proto = IPPROTO_UDP;
    else
        return -EBADMSG;
    if (port_parse(w[1], &f.uplink_port) < 0 ||
        ipaddr_parse(w[2], &f.dst) < 0 || !ipaddr_is_host(&f.dst) ||
        port_parse(w[3], &f.dst_port) < 0)
        return -EBADMSG;
    if (n == 5 && from_parse(w[4], f.dst.family, &f.from) < 0)
        return -EBADMSG;
    if (f.l4proto == IPPROTO_UDP && (f.uplink_port == PORT_DHCP4_CLIENT ||
                                     f.uplink_port == PORT_DHCP6_CLIENT))
        return -EBADMSG;
    *ret = f;
    return 0;
}

static void fault(struct uplink_forwards *l, struct text number,
                  const char *why)
{
    char shown[16];

    if (!l->error[0])
        snprintf(l->error, sizeof(l->error), "error %s: %s",
                 log_clean(shown, sizeof(shown), number.p, number.len), why);
}

void uplink_forwards_add(struct uplink_forwards *l, struct text number,
                         struct text value)
{
    struct uplink_forward f;

    if (number.len != 4 || !text_only(number, PARSE_DIGIT)) {
        fault(l, number, "not four digits");
        return;
    }
    if (uplink_forward_parse(value, &f) < 0) {
        fault(l, number, "expected tcp|udp UPLINKPORT ADDRESS PORT [NETWORK]");
        return;
    }
    if (l->n == UPLINK_FORWARDS_MAX) {
        fault(l, number, "too many forwards");
        return;
    }
    l->v[l->n++] = f;
}

const char *uplink_forwards_status(const struct uplink_forwards *l,
                                   char buf[UPLINK_FORWARD_WHY_MAX])
{
    if (l->error[0])
        snprintf(buf, UPLINK_FORWARD_WHY_MAX, "%s", l->error);
    else
        snprintf(buf, UPLINK_FORWARD_WHY_MAX, "applied %zu", l->n);
    return buf;
}
