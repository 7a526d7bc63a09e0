/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blocked packets as text. pure. See fw_event.h. */
#include "rules/fw_event.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "rules/rule.h"
#include "rules/rule_parse.h"

static const char *const REASONS[] = {
    [FW_REASON_RULE] = "rule",
    [FW_REASON_NAME] = "name",
    [FW_REASON_POLICY] = "policy",
    [FW_REASON_SPOOF] = FW_LOG_SPOOF,
    [FW_REASON_LIMIT] = "limit",
    [FW_REASON_QUOTA] = "quota",
    [FW_REASON_EXTHDR] = "extension-header",
    [FW_REASON_TO_QUBE] = "to-qube",
    [FW_REASON_UPLINK] = "from-uplink",
    [FW_REASON_NO_LIST] = "no-list",
};

bool fw_reason_has_number(enum fw_reason reason)
{
    return reason == FW_REASON_RULE || reason == FW_REASON_NAME;
}

const char *fw_reason_text(enum fw_reason reason)
{
    return REASONS[reason];
}

unsigned fw_reason_find(struct text name)
{
    unsigned i;

    for (i = FW_REASON_RULE; i < ARRAY_LEN(REASONS); i++)
        if (text_eq(name, REASONS[i]))
            return i;
    return 0;
}

const char *fw_event_proto(uint8_t l4proto, char buf[8])
{
    switch (l4proto) {
    case IPPROTO_TCP:
        return "tcp";
    case IPPROTO_UDP:
        return "udp";
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return "icmp";
    default:
        snprintf(buf, 8, "%u", l4proto);
        return buf;
    }
}

/* ICMP of the other family has no name here. */
static const char *proto_of(const struct fw_event *e, char buf[8])
{
    bool is6 = e->src.family == AF_INET6;

    if (e->l4proto == (is6 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
        snprintf(buf, 8, "%u", e->l4proto);
        return buf;
    }
    return fw_event_proto(e->l4proto, buf);
}

int fw_event_format(const struct fw_event *e, char buf[FW_EVENT_TEXT_MAX])
{
    char src[IPADDR_TEXT_MAX], dst[IPADDR_TEXT_MAX], proto[8];
    char port[8] = "-", number[8] = "";

    if (e->has_port)
        snprintf(port, sizeof(port), "%u", e->port);
    if (fw_reason_has_number(e->reason))
        snprintf(number, sizeof(number), ":%04u", e->number);
    return snprintf(buf, FW_EVENT_TEXT_MAX,
                    "%" PRIu64 " %" PRIu64 " %s %s %s %s %s%s", e->seq,
                    e->epoch_s, ipaddr_format(&e->src, src),
                    ipaddr_format(&e->dst, dst), proto_of(e, proto), port,
                    fw_reason_text(e->reason), number);
}

/* ---- and back ---- */

static int take_proto(struct text t, uint8_t family, uint8_t *ret)
{
    uint32_t n;

    if (text_eq(t, "tcp"))
        n = IPPROTO_TCP;
    else if (text_eq(t, "udp"))
        n = IPPROTO_UDP;
    else if (text_eq(t, "icmp"))
        n = family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    else if (parse_u32(t, 0, UINT8_MAX, &n))
        return -EBADMSG;
    *ret = (uint8_t)n;
    return 0;
}

static int take_port(struct text t, struct fw_event *e)
{
    uint32_t n = 0;

    e->has_port = !text_eq(t, "-");
    if (e->has_port && parse_u32(t, 0, UINT16_MAX, &n))
        return -EBADMSG;
    e->port = (uint16_t)n;
    return 0;
}

static int take_reason(struct text t, struct fw_event *e)
{
    struct text rest = t, name;
    unsigned found, number = 0;

    if (!parse_split(&rest, ':', &name))
        return -EBADMSG;
    found = fw_reason_find(name);
    if (!found || fw_reason_has_number(found) != (rest.p != NULL))
        return -EBADMSG;
    if (rest.p && rule_parse_number(rest, &number))
        return -EBADMSG;
    e->reason = (enum fw_reason)found;
    e->number = (uint16_t)number;
    return 0;
}

int fw_event_parse(struct text untrusted, struct fw_event *ret)
{
    struct text rest = untrusted, w[7];
    struct fw_event e = {0};
    size_t i;

    for (i = 0; i < ARRAY_LEN(w); i++)
        if (!rest.p || !parse_split(&rest, ' ', &w[i]))
            return -EBADMSG;
    if (rest.p || parse_u64(w[0], 0, UINT64_MAX, &e.seq) ||
        parse_u64(w[1], 0, FW_EXPIRE_MAX, &e.epoch_s) ||
        ipaddr_parse(w[2], &e.src) ||
        ipaddr_parse_family(w[3], e.src.family, &e.dst) ||
        take_proto(w[4], e.src.family, &e.l4proto) || take_port(w[5], &e) ||
        take_reason(w[6], &e))
        return -EBADMSG;
    *ret = e;
    return 0;
}

int fw_event_check(const struct fw_event *e)
{
    bool family = e->src.family == AF_INET || e->src.family == AF_INET6;

    if (!family || e->dst.family != e->src.family ||
        e->reason < FW_REASON_RULE || e->reason > FW_REASON_LAST ||
        e->number > FW_NUMBER_MAX ||
        (!fw_reason_has_number(e->reason) && e->number) ||
        (!e->has_port && e->port) || e->epoch_s > FW_EXPIRE_MAX)
        return -EBADMSG;
    return 0;
}
