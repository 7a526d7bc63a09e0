/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths to qubes: text, checks, meaning. pure. Fed by dom0's keys and by the
 * worker's records. See path.h. */
#include "firewallvm/path.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/err.h"

static int refuse(const char **ret_reason, const char *reason)
{
    *ret_reason = reason;
    return -EBADMSG;
}

static int take_proto(struct text t, uint8_t family, bool edge, uint8_t *ret)
{
    if (text_eq(t, "tcp"))
        *ret = IPPROTO_TCP;
    else if (text_eq(t, "udp"))
        *ret = IPPROTO_UDP;
    else if (edge && text_eq(t, "icmp"))
        *ret = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    else if (edge && text_eq(t, "any"))
        *ret = 0;
    else
        return -EBADMSG;
    return 0;
}

static int take_ports(struct text t, struct fw_path *p)
{
    struct text rest = t, piece;
    uint32_t first, last;

    if (!parse_split(&rest, '-', &piece) ||
        parse_u32(piece, 0, UINT16_MAX, &first) < 0)
        return -EBADMSG;
    last = first;
    if (rest.p && parse_u32(rest, 0, UINT16_MAX, &last) < 0)
        return -EBADMSG;
    if (last < first)
        return -EBADMSG;
    p->first = (uint16_t)first;
    p->last = (uint16_t)last;
    return 0;
}

/* @return words found, at most @p max + 1 */
static size_t split_words(struct text t, struct text *w, size_t max)
{
    struct text piece;
    size_t n = 0;

    while (t.p && parse_split(&t, ' ', &piece)) {
        if (n < max)
            w[n] = piece;
        if (++n > max)
            break;
    }
    return n;
}

static int parse_inbound(const struct text *w, size_t n, struct fw_path *p,
                         const char **ret_reason)
{
    if (n < 3 || n > 4)
        return refuse(ret_reason, "not PROTO DSTIP PORT [FROM]");
    if (take_proto(w[0], 0, false, &p->l4proto) < 0)
        return refuse(ret_reason, "not tcp or udp");
    if (ipaddr_parse(w[1], &p->dst) < 0)
        return refuse(ret_reason, "not an address");
    if (take_ports(w[2], p) < 0)
        return refuse(ret_reason, "not a port or a range of ports");
    if (n == 4 && ipnet_parse(w[3], &p->src) < 0)
        return refuse(ret_reason, "not a network");
    return 0;
}

static int parse_edge(const struct text *w, size_t n, struct fw_path *p,
                      const char **ret_reason)
{
    if (n != 4)
        return refuse(ret_reason, "not SRCIP DSTIP PROTO PORT");
    if (ipaddr_parse(w[0], &p->src.addr) < 0 || ipaddr_parse(w[1], &p->dst) < 0)
        return refuse(ret_reason, "not an address");
    p->src.prefix = (uint8_t)(ipaddr_len(&p->src.addr) * 8);
    if (take_proto(w[2], p->dst.family, true, &p->l4proto) < 0)
        return refuse(ret_reason, "not tcp, udp, icmp or any");
    p->last = UINT16_MAX;
    if (!text_eq(w[3], "any") && take_ports(w[3], p) < 0)
        return refuse(ret_reason, "not a port, a range of ports or any");
    return 0;
}

int path_parse(enum fw_path_kind kind, struct text untrusted_value,
               struct fw_path *ret, const char **ret_reason)
{
    struct text w[5];
    struct fw_path p = {0};
    size_t n = split_words(untrusted_value, w, 4);
    int r = kind == FW_PATH_EDGE ? parse_edge(w, n, &p, ret_reason)
                                 : parse_inbound(w, n, &p, ret_reason);

    if (r == 0 && path_check(kind, &p) < 0)
        r = refuse(ret_reason, "families or ports that do not fit");
    if (r == 0)
        *ret = p;
    return r;
}

bool path_has_ports(const struct fw_path *p)
{
    return p->l4proto == IPPROTO_TCP || p->l4proto == IPPROTO_UDP;
}

int path_check(enum fw_path_kind kind, const struct fw_path *p)
{
    uint8_t icmp = p->dst.family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    bool edge = kind == FW_PATH_EDGE;

    if (!ipaddr_is_host(&p->dst) || p->first > p->last)
        return -EBADMSG;
    if (p->src.addr.family != 0 && (p->src.addr.family != p->dst.family ||
                                    p->src.prefix > ipaddr_len(&p->dst) * 8))
        return -EBADMSG;
    if (p->src.addr.family == 0 && p->src.prefix != 0)
        return -EBADMSG;
    if (edge && p->src.prefix != ipaddr_len(&p->dst) * 8)
        return -EBADMSG;
    if (path_has_ports(p))
        return 0;
    if (!edge || (p->l4proto != 0 && p->l4proto != icmp))
        return -EBADMSG;
    return p->first == 0 && p->last == UINT16_MAX ? 0 : -EBADMSG;
}

static bool matches(const struct fw_path *p, const struct ipaddr *src,
                    const struct ipaddr *dst, uint8_t l4proto, uint16_t dport)
{
    if (!ipaddr_eq(&p->dst, dst))
        return false;
    if (p->src.addr.family != 0 && !ipnet_has(&p->src, src))
        return false;
    if (p->l4proto != 0 && p->l4proto != l4proto)
        return false;
    return !path_has_ports(p) || (dport >= p->first && dport <= p->last);
}

bool path_allows(const struct fw_path *v, size_t n, const struct ipaddr *src,
                 const struct ipaddr *dst, uint8_t l4proto, uint16_t dport)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (matches(&v[i], src, dst, l4proto, dport))
            return true;
    return false;
}
