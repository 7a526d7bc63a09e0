/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HOST[:PORT] [PROTO [ICMPTYPE]] to a question. pure. See fw_explain.h. */
#include <string.h>

#include "dom0/fw_explain.h"
#include "lib/err.h"
#include "rules/rule_lower.h"
#include "rules/rule_parse.h"

/* "[ADDR6]:PORT", "ADDR6", "HOST:PORT", "HOST". */
static int split_host(struct text t, struct text *ret_host,
                      struct text *ret_port)
{
    const char *end = t.len ? memchr(t.p, ']', t.len) : NULL;
    const char *colon = t.len ? memchr(t.p, ':', t.len) : NULL;
    struct ipaddr a;

    *ret_port = (struct text){NULL, 0};
    if (t.len && t.p[0] == '[') {
        if (!end)
            return -EBADMSG;
        *ret_host = (struct text){t.p + 1, (size_t)(end - t.p) - 1};
        t = (struct text){end + 1, t.len - (size_t)(end + 1 - t.p)};
        if (ipaddr_parse(*ret_host, &a) || (t.len && t.p[0] != ':'))
            return -EBADMSG;
        if (t.len)
            *ret_port = (struct text){t.p + 1, t.len - 1};
        return 0;
    }
    *ret_host = t;
    if (!colon || !ipaddr_parse(t, &a))
        return 0;
    *ret_host = (struct text){t.p, (size_t)(colon - t.p)};
    *ret_port = (struct text){colon + 1, t.len - ret_host->len - 1};
    return 0;
}

static int take_proto(struct text t, enum fw_proto *ret)
{
    static const struct {
        const char *name;
        enum fw_proto proto;
    } all[] = {
        {"tcp", FW_PROTO_TCP}, {"udp", FW_PROTO_UDP}, {"icmp", FW_PROTO_ICMP}};

    for (size_t i = 0; i < 3; i++) {
        if (text_eq(t, all[i].name)) {
            *ret = all[i].proto;
            return 0;
        }
    }
    return -EBADMSG;
}

static int take_type(struct text t, struct fw_question *q)
{
    unsigned name = rule_icmp_find(t);
    uint32_t n = 0;

    if (!name && parse_u32(t, 0, 255, &n))
        return -EBADMSG;
    q->icmp_name = (uint8_t)name;
    q->icmp_type = (uint8_t)n;
    return 0;
}

/* A name as rules have it, or a qube's, which may have upper case. */
static int take_host(struct text t, struct fw_question *q)
{
    if (ipaddr_parse(t, &q->addr) && rule_parse_name(t) && parse_qube_name(t))
        return -EBADMSG;
    return text_copy(t, q->host, sizeof(q->host));
}

int fw_question_parse(int argc, char *const argv[], struct fw_question *ret,
                      const char **ret_why)
{
    struct fw_question q = {0};
    struct text host, port;
    uint32_t n;

    *ret_why = "expected HOST, HOST:PORT or [ADDRESS6]:PORT, then tcp, udp or "
               "icmp, then an ICMP type";
    if (argc < 1 || argc > 3 || split_host(text_of(argv[0]), &host, &port))
        return -EBADMSG;
    *ret_why = "the host is no address and no name";
    if (take_host(host, &q))
        return -EBADMSG;
    *ret_why = "the protocol is none of tcp, udp, icmp";
    q.proto = port.p ? FW_PROTO_TCP : FW_PROTO_ICMP;
    if (argc > 1 && take_proto(text_of(argv[1]), &q.proto))
        return -EBADMSG;
    if (q.proto == FW_PROTO_ICMP) {
        q.icmp_name = (uint8_t)rule_icmp_find(text_of("echo-request"));
        *ret_why = "icmp has no port";
        if (port.p)
            return -EBADMSG;
        *ret_why = "expected an ICMP type, 0 to 255 or a name";
        if (argc > 2 && take_type(text_of(argv[2]), &q))
            return -EBADMSG;
    } else {
        *ret_why = "expected HOST:PORT with tcp and udp, a port of 0 to 65535";
        if (argc > 2 || !port.p || parse_u32(port, 0, UINT16_MAX, &n))
            return -EBADMSG;
        q.port = (uint16_t)n;
    }
    *ret = q;
    return 0;
}
