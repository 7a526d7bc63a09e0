/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets with DNS answers. pure. Fed by hostile bytes. See answer_packet.h.
 * Checksums are left to the qube. */
#include "firewallvm/answer_packet.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/err.h"

#define IPV4_HEADER 20
#define IPV4_FRAGMENT 0x3fffu /* more fragments, offset */
#define UDP_HEADER 8
#define DNS_PORT 53

static int get_udp(struct cur *c, struct answer_packet *ret)
{
    uint16_t sport, dport, len, sum;

    if (cur_u16be(c, &sport) < 0 || cur_u16be(c, &dport) < 0 ||
        cur_u16be(c, &len) < 0 || cur_u16be(c, &sum) < 0)
        return -EBADMSG;
    if (sport != DNS_PORT || len < UDP_HEADER ||
        c->left != (size_t)len - UDP_HEADER)
        return -EBADMSG;
    ret->dns = c->p;
    ret->len = c->left;
    return 0;
}

static int get_ipv4(struct cur *c, size_t total, struct answer_packet *ret)
{
    uint8_t first, tos, ttl, proto;
    uint16_t len, id, fragment, sum;
    const uint8_t *p;
    size_t header;

    if (cur_u8(c, &first) < 0 || cur_u8(c, &tos) < 0 ||
        cur_u16be(c, &len) < 0 || cur_u16be(c, &id) < 0 ||
        cur_u16be(c, &fragment) < 0 || cur_u8(c, &ttl) < 0 ||
        cur_u8(c, &proto) < 0 || cur_u16be(c, &sum) < 0 ||
        cur_take(c, 4, &p) < 0)
        return -EBADMSG;
    header = (size_t)(first & 0x0f) * 4;
    ret->client.family = AF_INET;
    if (header < IPV4_HEADER || len != total || proto != IPPROTO_UDP ||
        (fragment & IPV4_FRAGMENT) != 0 || cur_copy(c, ret->client.b, 4) < 0 ||
        cur_take(c, header - IPV4_HEADER, &p) < 0)
        return -EBADMSG;
    return get_udp(c, ret);
}

static int get_ipv6(struct cur *c, struct answer_packet *ret)
{
    uint32_t flow;
    uint16_t len;
    uint8_t next, hops;
    const uint8_t *p;

    if (cur_u32be(c, &flow) < 0 || cur_u16be(c, &len) < 0 ||
        cur_u8(c, &next) < 0 || cur_u8(c, &hops) < 0 || cur_take(c, 16, &p) < 0)
        return -EBADMSG;
    ret->client.family = AF_INET6;
    if (cur_copy(c, ret->client.b, 16) < 0 || next != IPPROTO_UDP ||
        c->left != len)
        return -EBADMSG;
    return get_udp(c, ret);
}

int answer_packet_parse(const uint8_t *untrusted, size_t len,
                        struct answer_packet *ret)
{
    struct cur c = cur_of(untrusted, len);
    struct answer_packet a = {0};
    int r = -EBADMSG;

    if (len > 0 && untrusted[0] >> 4 == 4)
        r = get_ipv4(&c, len, &a);
    else if (len > 0 && untrusted[0] >> 4 == 6)
        r = get_ipv6(&c, &a);
    if (r == 0)
        *ret = a;
    return r;
}
