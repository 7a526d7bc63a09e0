/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPv4 and IPv6 values. pure. See ipaddr.h. */
#include "lib/ipaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

int ipaddr_parse_family(struct text t, uint8_t family, struct ipaddr *ret)
{
    char buf[IPADDR_TEXT_MAX];
    struct ipaddr a = {.family = family};

    if (text_copy(t, buf, sizeof(buf)) != 0)
        return -EBADMSG;
    if (family != AF_INET && family != AF_INET6)
        return -EBADMSG;
    if (inet_pton(family, buf, a.b) != 1)
        return -EBADMSG;
    *ret = a;
    return 0;
}

int ipaddr_parse(struct text t, struct ipaddr *ret)
{
    bool v6 = t.len > 0 && memchr(t.p, ':', t.len);

    return ipaddr_parse_family(t, v6 ? AF_INET6 : AF_INET, ret);
}

int ipnet_parse(struct text t, struct ipnet *ret)
{
    struct text rest = t, addr, prefix;
    struct ipnet n = {0};
    uint32_t max, bits;
    int r;

    if (!parse_split(&rest, '/', &addr))
        return -EBADMSG;
    r = ipaddr_parse(addr, &n.addr);
    if (r < 0)
        return r;
    max = (uint32_t)ipaddr_len(&n.addr) * 8;
    bits = max;
    if (parse_split(&rest, '/', &prefix)) {
        if (rest.p || parse_u32(prefix, 0, max, &bits) != 0)
            return -EBADMSG;
    }
    n.prefix = (uint8_t)bits;
    *ret = n;
    return 0;
}

const char *ipaddr_format(const struct ipaddr *a, char buf[IPADDR_TEXT_MAX])
{
    if (ipaddr_len(a) == 0 ||
        !inet_ntop(a->family, a->b, buf, IPADDR_TEXT_MAX))
        strcpy(buf, "none");
    return buf;
}

const char *ipnet_format(const struct ipnet *n, char buf[IPNET_TEXT_MAX])
{
    char addr[IPADDR_TEXT_MAX];

    snprintf(buf, IPNET_TEXT_MAX, "%s/%u", ipaddr_format(&n->addr, addr),
             n->prefix);
    return buf;
}

size_t ipaddr_len(const struct ipaddr *a)
{
    return a->family == AF_INET ? 4 : a->family == AF_INET6 ? 16 : 0;
}

int ipaddr_cmp(const struct ipaddr *a, const struct ipaddr *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return memcmp(a->b, b->b, ipaddr_len(a));
}

bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b)
{
    return ipaddr_cmp(a, b) == 0;
}

void ipnet_range(const struct ipnet *n, struct ipaddr *ret_first,
                 struct ipaddr *ret_last)
{
    struct ipaddr first = n->addr, last = n->addr;
    size_t len = ipaddr_len(&n->addr);

    for (size_t i = 0; i < len; i++) {
        unsigned before = (unsigned)i * 8;
        unsigned net = n->prefix > before ? n->prefix - before : 0;
        uint8_t mask = (uint8_t)(net >= 8 ? 0xffu : 0xff00u >> net);
        first.b[i] = (uint8_t)(first.b[i] & mask);
        last.b[i] = (uint8_t)(last.b[i] | (uint8_t)~mask);
    }
    *ret_first = first;
    *ret_last = last;
}

bool ipnet_has(const struct ipnet *n, const struct ipaddr *a)
{
    struct ipaddr first, last;

    if (n->addr.family != a->family)
        return false;
    ipnet_range(n, &first, &last);
    return ipaddr_cmp(&first, a) <= 0 && ipaddr_cmp(a, &last) <= 0;
}

static bool v6_is_host(const uint8_t b[16])
{
    static const uint8_t zero[15];

    if (memcmp(b, zero, 15) == 0 && b[15] <= 1)
        return false;
    if (b[0] == 0xff || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80))
        return false;
    return true;
}

bool ipaddr_is_host(const struct ipaddr *a)
{
    if (a->family == AF_INET6)
        return v6_is_host(a->b);
    if (a->family != AF_INET)
        return false;
    if (a->b[0] == 0 || a->b[0] == 127 || a->b[0] >= 224)
        return false;
    return !(a->b[0] == 169 && a->b[1] == 254);
}
