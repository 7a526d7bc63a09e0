/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets in nflog messages. pure. Fed by qubes (hostile). See
 * log_packet.h. */
#include "firewallvm/log_packet.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netinet/in.h>
#include <string.h>

#include "firewallvm/table_compile.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule.h"

#define EXT_HEADERS_MAX 8
#define PREFIX_MAX 32

/* ---- the packet ---- */

/* The type, or the destination port, behind the last header that was seen
 * whole. A packet cut before it has none. */
static void take_port(struct cur c, struct fw_event *e)
{
    uint16_t src, dst;
    uint8_t type;

    if (e->l4proto == IPPROTO_TCP || e->l4proto == IPPROTO_UDP) {
        if (cur_u16be(&c, &src) || cur_u16be(&c, &dst))
            return;
        e->port = dst;
        e->has_port = true;
    } else if (e->l4proto ==
               (e->src.family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
        if (cur_u8(&c, &type))
            return;
        e->port = type;
        e->has_port = true;
    }
}

static int take_addrs(struct cur *c, uint8_t family, struct fw_event *e)
{
    e->src.family = e->dst.family = family;
    if (cur_copy(c, e->src.b, ipaddr_len(&e->src)) ||
        cur_copy(c, e->dst.b, ipaddr_len(&e->dst)))
        return -EBADMSG;
    return 0;
}

static int take_ip4(const uint8_t *p, size_t len, struct fw_event *e)
{
    struct cur c = cur_of(p, len);
    const uint8_t *skip;
    uint8_t first;
    uint16_t fragment;
    size_t options;

    if (cur_u8(&c, &first) || cur_take(&c, 5, &skip) ||
        cur_u16be(&c, &fragment) || cur_take(&c, 1, &skip) ||
        cur_u8(&c, &e->l4proto) || cur_take(&c, 2, &skip) ||
        take_addrs(&c, AF_INET, e))
        return -EBADMSG;
    if ((first & 15) < 5)
        return -EBADMSG;
    options = ((size_t)(first & 15) - 5) * 4;
    if ((fragment & 0x1fff) == 0 && cur_take(&c, options, &skip) == 0)
        take_port(c, e);
    return 0;
}

static bool is_extension(uint8_t header)
{
    return header == IPPROTO_HOPOPTS || header == IPPROTO_DSTOPTS ||
           header == IPPROTO_ROUTING || header == IPPROTO_FRAGMENT;
}

/* Past one extension header. @return 1 past it; 0 nothing behind it is to
 * be seen: a later fragment, or the packet is cut */
static int skip_extension(struct cur *c, uint8_t header, uint8_t *ret_next)
{
    const uint8_t *rest;
    uint8_t next, len;
    uint16_t offset;

    if (cur_u8(c, &next) || cur_u8(c, &len))
        return 0;
    if (header == IPPROTO_FRAGMENT) {
        if (cur_u16be(c, &offset) || cur_take(c, 4, &rest))
            return 0;
        *ret_next = next;
        return (offset & 0xfff8) == 0;
    }
    if (cur_take(c, (size_t)len * 8 + 6, &rest))
        return 0;
    *ret_next = next;
    return 1;
}

static int take_ip6(const uint8_t *p, size_t len, struct fw_event *e)
{
    struct cur c = cur_of(p, len);
    const uint8_t *skip;
    uint8_t next;
    unsigned i;

    if (cur_take(&c, 6, &skip) || cur_u8(&c, &next) || cur_take(&c, 1, &skip) ||
        take_addrs(&c, AF_INET6, e))
        return -EBADMSG;
    for (i = 0; is_extension(next) && i < EXT_HEADERS_MAX; i++) {
        if (skip_extension(&c, next, &next) == 0) {
            e->l4proto = next;
            return 0;
        }
    }
    e->l4proto = next;
    take_port(c, e);
    return 0;
}

int log_packet_ip(const uint8_t *untrusted, size_t len, struct fw_event *ret)
{
    struct fw_event e = *ret;
    int r = -EBADMSG;

    e.has_port = false;
    e.port = 0;
    if (len > 0 && untrusted[0] >> 4 == 4)
        r = take_ip4(untrusted, len, &e);
    else if (len > 0 && untrusted[0] >> 4 == 6)
        r = take_ip6(untrusted, len, &e);
    if (r == 0)
        *ret = e;
    return r;
}

/* ---- the message ---- */

struct attrs {
    const struct nlattr *at[NFULA_MAX + 1];
};

static int attr_cb(const struct nlattr *attr, void *arg)
{
    struct attrs *a = arg;
    uint16_t type = mnl_attr_get_type(attr);

    if (type <= NFULA_MAX)
        a->at[type] = attr;
    return MNL_CB_OK;
}

/* Which rule of the list it was stands in the mark; the kernel does not tell
 * one of 0. */
static int take_mark(const struct nlattr *attr, struct fw_event *e)
{
    uint32_t mark = 0;

    if (attr && mnl_attr_get_payload_len(attr) != sizeof(mark))
        return -EBADMSG;
    if (attr)
        mark = ntohl(mnl_attr_get_u32(attr));
    e->reason = FW_REASON_RULE;
    if (mark == FW_MARK_POLICY) {
        e->reason = FW_REASON_POLICY;
        mark = 0;
    } else if (mark >= FW_MARK_NAME) {
        e->reason = FW_REASON_NAME;
        mark -= FW_MARK_NAME;
    }
    if (mark > FW_NUMBER_MAX)
        return -EBADMSG;
    e->number = (uint16_t)mark;
    return 0;
}

/* A prefix is the name of a reason, or says that the mark has it. */
static int take_reason(const struct attrs *a, struct fw_event *e)
{
    const struct nlattr *attr = a->at[NFULA_PREFIX];
    char prefix[PREFIX_MAX] = "";
    size_t len;
    unsigned found;

    if (!attr)
        return -EBADMSG;
    len = mnl_attr_get_payload_len(attr);
    if (len == 0 || len > sizeof(prefix))
        return -EBADMSG;
    memcpy(prefix, mnl_attr_get_payload(attr), len);
    prefix[sizeof(prefix) - 1] = '\0';
    if (strcmp(prefix, FW_LOG_LIST) == 0)
        return take_mark(a->at[NFULA_MARK], e);
    found = fw_reason_find(text_of(prefix));
    if (found == 0 || fw_reason_has_number(found))
        return -EBADMSG;
    e->reason = (enum fw_reason)found;
    return 0;
}

const struct nlmsghdr *log_packet_message(const void *buf, size_t len)
{
    const struct nlmsghdr *h = buf;

    /* mnl_nlmsg_ok() takes lengths as signed numbers */
    if (len < sizeof(*h) || h->nlmsg_len < sizeof(*h) || h->nlmsg_len > len)
        return NULL;
    return h;
}

const struct nlmsghdr *log_packet_next(const struct nlmsghdr *h, size_t *io_len)
{
    size_t size = ((size_t)h->nlmsg_len + 3) & ~(size_t)3;

    if (size >= *io_len)
        return NULL;
    *io_len -= size;
    return log_packet_message((const uint8_t *)h + size, *io_len);
}

int log_packet_parse(const struct nlmsghdr *h, struct fw_event *ret)
{
    struct fw_event e = {0};
    struct attrs a = {0};
    const struct nlattr *payload;
    int r;

    if (h->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
        h->nlmsg_len < mnl_nlmsg_size(sizeof(struct nfgenmsg)) ||
        mnl_attr_parse(h, sizeof(struct nfgenmsg), attr_cb, &a) < 0)
        return -EBADMSG;
    payload = a.at[NFULA_PAYLOAD];
    if (!payload)
        return -EBADMSG;
    r = take_reason(&a, &e);
    if (r == 0)
        r = log_packet_ip(mnl_attr_get_payload(payload),
                          mnl_attr_get_payload_len(payload), &e);
    if (r == 0)
        *ret = e;
    return r;
}
