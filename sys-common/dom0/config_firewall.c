/* SPDX-License-Identifier: GPL-2.0-or-later */
/* [Firewall] beside its rules: limits, port forwards, and which qube may
 * reach which; values and the checks across qubes. pure. Fed by config.c and
 * config_check.c. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "dom0/config_impl.h"
#include "lib/err.h"
#include "lib/mem.h"

#define DHCP_CLIENT 68   /* RFC 2131 */
#define DHCP6_CLIENT 546 /* RFC 8415 */
#define WORDS_MAX 5
#define NAMES_SECONDS_MAX 86400 /* as firewallvm/names_config.c has it */
/* Longest address that fits /sysqube-firewall/IP/limits. */
#define LIMITS_IP_MAX 38

/* ---- values ---- */

static int set_count(struct text v, uint32_t max, bool *has, uint32_t *ret)
{
    int r = parse_u32(v, 1, max, ret);

    *has = !r;
    return r;
}

int config_set_flows(struct parser *ps, struct text v)
{
    struct config_limits *l = &ps->q->limits;

    return set_count(v, FW_FLOWS_MAX, &l->has_flows, &l->flows);
}

int config_set_rate(struct parser *ps, struct text v)
{
    struct config_limits *l = &ps->q->limits;

    return set_count(v, FW_RATE_MAX, &l->has_rate, &l->rate);
}

int config_set_burst(struct parser *ps, struct text v)
{
    struct config_limits *l = &ps->q->limits;

    return set_count(v, FW_RATE_MAX, &l->has_burst, &l->burst);
}

/* A number of bytes, perhaps with a unit. */
static int set_bytes(struct text v, uint64_t max, bool *has, uint64_t *ret)
{
    static const char units[] = "KMGT";
    const char *unit = v.len ? strchr(units, v.p[v.len - 1]) : NULL;
    unsigned shift = 0;
    uint64_t n;

    if (unit && *unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        v.len--;
    }
    if (parse_u64(v, 0, max >> shift, &n))
        return -EBADMSG;
    *ret = n << shift;
    *has = true;
    return 0;
}

int config_set_names(struct parser *ps, struct text v)
{
    struct config_names *n = &ps->q->names;
    uint32_t *to[] = {&n->floor_s, &n->ceiling_s, &n->grace_s};
    struct text word;
    size_t i;

    for (i = 0; v.p && parse_split(&v, ' ', &word); i++)
        if (i == ARRAY_LEN(to) || parse_u32(word, 1, NAMES_SECONDS_MAX, to[i]))
            return -EBADMSG;
    return i == ARRAY_LEN(to) && n->floor_s <= n->ceiling_s ? 0 : -EBADMSG;
}

int config_set_bandwidth(struct parser *ps, struct text v)
{
    struct config_limits *l = &ps->q->limits;

    return set_bytes(v, FW_BANDWIDTH_MAX, &l->has_bandwidth, &l->bandwidth);
}

int config_set_quota(struct parser *ps, struct text v)
{
    struct config_limits *l = &ps->q->limits;

    return set_bytes(v, FW_QUOTA_MAX, &l->has_quota, &l->quota);
}

/* Words between single blanks. @return how many; 0: too many or empty ones */
static size_t words_of(struct text v, struct text ret[WORDS_MAX])
{
    struct text piece;
    size_t n = 0;

    while (v.p && parse_split(&v, ' ', &piece)) {
        if (n == WORDS_MAX || !piece.len)
            return 0;
        ret[n++] = piece;
    }
    return n;
}

static int port_of(struct text t, uint16_t *ret)
{
    uint32_t n;
    int r = parse_u32(t, 1, UINT16_MAX, &n);

    if (!r)
        *ret = (uint16_t)n;
    return r;
}

static enum fw_proto proto_of(struct text t)
{
    if (text_eq(t, "tcp"))
        return FW_PROTO_TCP;
    if (text_eq(t, "udp"))
        return FW_PROTO_UDP;
    return text_eq(t, "icmp") ? FW_PROTO_ICMP : FW_PROTO_ANY;
}

int config_set_forward(struct parser *ps, struct text v)
{
    struct config_qube *q = ps->q;
    struct config_forward f = {.line = ps->line};
    struct text w[WORDS_MAX];
    size_t n = words_of(v, w);

    if (q->n_forwards == CONFIG_FORWARDS_MAX)
        return -ENOBUFS;
    if (n != 3 && n != 5)
        return -EBADMSG;
    f.proto = proto_of(w[0]);
    if ((f.proto != FW_PROTO_TCP && f.proto != FW_PROTO_UDP) ||
        port_of(w[1], &f.uplink_port) || port_of(w[2], &f.port))
        return -EBADMSG;
    if (n == 5 && (!text_eq(w[3], "from") || ipnet_parse(w[4], &f.from)))
        return -EBADMSG;
    q->forwards[q->n_forwards++] = f;
    return 0;
}

static int take_ports(struct text t, struct config_reach *ret)
{
    struct text rest = t, first;

    if (!parse_split(&rest, '-', &first) || port_of(first, &ret->port_first))
        return -EBADMSG;
    ret->port_last = ret->port_first;
    if (rest.p && port_of(rest, &ret->port_last))
        return -EBADMSG;
    ret->has_ports = true;
    return ret->port_last < ret->port_first ? -EBADMSG : 0;
}

int config_set_reach(struct parser *ps, struct text v)
{
    struct config_qube *q = ps->q;
    struct config_reach e = {.line = ps->line};
    struct text w[WORDS_MAX];
    size_t n = words_of(v, w);
    int r;

    if (q->n_reach == CONFIG_REACH_MAX)
        return -ENOBUFS;
    if (n < 2 || n > 3 || parse_qube_name(w[0]))
        return -EBADMSG;
    e.proto = proto_of(w[1]);
    if (e.proto == FW_PROTO_ANY && !text_eq(w[1], "any"))
        return -EBADMSG;
    if (n == 3 && e.proto != FW_PROTO_TCP && e.proto != FW_PROTO_UDP)
        return -EBADMSG;
    r = n == 3 ? take_ports(w[2], &e) : 0;
    r = r ? r : text_copy(w[0], e.name, sizeof(e.name));
    if (!r)
        q->reach[q->n_reach++] = e;
    return r;
}

const char *config_proto_name(enum fw_proto p)
{
    static const char *const names[] = {
        [FW_PROTO_ANY] = "any",
        [FW_PROTO_TCP] = "tcp",
        [FW_PROTO_UDP] = "udp",
        [FW_PROTO_ICMP] = "icmp",
    };

    return names[p];
}

const char *config_forward_text(const struct config_forward *f,
                                char buf[CONFIG_PATH_TEXT_MAX])
{
    char from[IPNET_TEXT_MAX] = "";

    if (f->from.addr.family)
        ipnet_format(&f->from, from);
    snprintf(buf, CONFIG_PATH_TEXT_MAX, "%s %u %u%s%s",
             config_proto_name(f->proto), f->uplink_port, f->port,
             from[0] ? " from " : "", from);
    return buf;
}

const char *config_reach_text(const struct config_reach *e,
                              char buf[CONFIG_PATH_TEXT_MAX])
{
    char ports[16] = "";

    if (e->has_ports)
        snprintf(ports, sizeof(ports),
                 e->port_first == e->port_last ? " %u" : " %u-%u",
                 e->port_first, e->port_last);
    snprintf(buf, CONFIG_PATH_TEXT_MAX, "%s %s%s", e->name,
             config_proto_name(e->proto), ports);
    return buf;
}

/* ---- the chain ---- */

bool config_is_below(const struct config_qube *q, const struct config_qube *top)
{
    for (q = q->up; q; q = q->up) {
        if (q == top)
            return true;
    }
    return false;
}

const struct config_qube *config_meeting(const struct config_qube *a,
                                         const struct config_qube *b)
{
    for (const struct config_qube *at = a->up; at; at = at->up) {
        if (config_is_below(b, at))
            return at;
    }
    return NULL;
}

static const struct config_qube *top_of(const struct config_qube *q)
{
    while (q->up)
        q = q->up;
    return q;
}

/* ---- checks ---- */

static void check_forward(const struct config_qube *q,
                          const struct config_forward *f, struct problems *p)
{
    const struct config_qube *top = top_of(q);

    if (top->kind != KIND_NETVM)
        problems_add(p, q->file, f->line,
                     "Forward= but the netvms above end at %s of kind %s; "
                     "expected a netvm, whose uplink port it is",
                     top->name, config_kind_name(top->kind));
    if (f->proto == FW_PROTO_UDP &&
        (f->uplink_port == DHCP_CLIENT || f->uplink_port == DHCP6_CLIENT))
        problems_add(p, q->file, f->line,
                     "Forward=udp %u: the port belongs to the DHCP client of "
                     "%s; expected another",
                     f->uplink_port, top->name);
    if (f->from.addr.family == AF_INET6 && !q->has_ipv6)
        problems_add(p, q->file, f->line,
                     "Forward= from an IPv6 network, but %s has no IPv6; "
                     "expected IPv6=yes or an IPv4 network",
                     q->name);
}

/* Whoever came first keeps the port. */
static void check_forward_pair(const struct config_qube *a,
                               const struct config_forward *x,
                               const struct config_qube *b,
                               const struct config_forward *y,
                               struct problems *p)
{
    if (x->uplink_port != y->uplink_port || x->proto != y->proto ||
        top_of(a) != top_of(b))
        return;
    problems_add(p, b->file, y->line,
                 "Forward=%s %u: this port of %s leads to %s already (line %u "
                 "of %s); expected another",
                 config_proto_name(y->proto), y->uplink_port, top_of(b)->name,
                 a->name, x->line, a->file);
}

static void check_forwards(const struct config *c, size_t index,
                           struct problems *p)
{
    const struct config_qube *q = c->qubes[index];

    for (size_t k = 0; k < q->n_forwards; k++) {
        check_forward(q, &q->forwards[k], p);
        for (size_t i = 0; i <= index; i++) {
            const struct config_qube *o = c->qubes[i];
            size_t n = i == index ? k : o->n_forwards;

            for (size_t j = 0; j < n; j++)
                check_forward_pair(o, &o->forwards[j], q, &q->forwards[k], p);
        }
    }
}

/* A connection that goes down through another firewall needs its consent,
 * which is by port. */
static const struct config_qube *firewall_between(const struct config_qube *q,
                                                  const struct config_qube *top)
{
    for (q = q->up; q && q != top; q = q->up) {
        if (q->kind == KIND_FIREWALLVM)
            return q;
    }
    return NULL;
}

static void check_reach(const struct config *c, const struct config_qube *q,
                        const struct config_reach *e, struct problems *p)
{
    const struct config_qube *to = config_find(c, e->name), *at, *inner;

    if (!to || to == q) {
        problems_add(p, q->file, e->line,
                     "Reach=%s: %s; expected the name of another qube", e->name,
                     to ? "that is this qube itself" : "there is no such qube");
        return;
    }
    at = config_meeting(q, to);
    if (!at || at->kind != KIND_FIREWALLVM) {
        problems_add(p, q->file, e->line,
                     "Reach=%s: it cannot be reached: %s hangs on %s, %s on "
                     "%s, and no firewallvm is above both; expected a qube "
                     "behind the same firewallvm",
                     e->name, q->name, q->netvm[0] ? q->netvm : "no netvm",
                     e->name, to->netvm[0] ? to->netvm : "no netvm");
        return;
    }
    inner = firewall_between(to, at);
    if (inner && !e->has_ports)
        problems_add(p, q->file, e->line,
                     "Reach=%s: it is behind %s, a firewallvm of its own, "
                     "which lets in single ports only; expected tcp or udp "
                     "with a port",
                     e->name, inner->name);
}

static void check_limits(const struct config_qube *q, struct problems *p)
{
    const struct config_limits *l = &q->limits;
    char text[IPADDR_TEXT_MAX];

    if ((l->has_flows || l->has_rate || l->has_burst || l->has_bandwidth ||
         l->has_quota) &&
        q->ip6.family && strlen(ipaddr_format(&q->ip6, text)) > LIMITS_IP_MAX)
        problems_add(p, q->file, q->line[KEY_ADDRESS6],
                     "limits for the address %s: its text does not fit their "
                     "key; expected an address of at most %d bytes",
                     text, LIMITS_IP_MAX);
}

static size_t families(const struct config_qube *q)
{
    return q->ip6.family ? 2 : 1;
}

/* Records of a provider, if all its qubes run: as keys_firewall.c makes
 * them, which needs no more than these. */
static void check_paths(const struct config *c, const struct config_qube *q,
                        struct problems *p)
{
    size_t in = 0, edges = 0;

    for (size_t i = 0; i < c->n; i++) {
        const struct config_qube *a = c->qubes[i];

        in += config_is_below(a, q) ? a->n_forwards * families(a) : 0;
        for (size_t k = 0; k < a->n_reach; k++) {
            const struct config_qube *to = config_find(c, a->reach[k].name);
            const struct config_qube *at = to ? config_meeting(a, to) : NULL;

            edges += at && at == q ? families(a) : 0;
            in += at && config_is_below(to, q) && config_is_below(q, at)
                      ? families(a)
                      : 0;
        }
    }
    if (in > FW_PATHS_MAX || edges > FW_PATHS_MAX)
        problems_add(p, q->file, 0,
                     "Forward= and Reach= of the qubes below it make %zu "
                     "records, each family counted; expected at most %d",
                     in > edges ? in : edges, FW_PATHS_MAX);
}

void config_check_firewall(const struct config *c, struct problems *p)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct config_qube *q = c->qubes[i];

        check_limits(q, p);
        if (q->names.floor_s && q->kind != KIND_FIREWALLVM)
            problems_add(p, q->file, q->line[KEY_NAMES],
                         "Names= is for Kind=firewallvm, which resolves them");
        check_forwards(c, i, p);
        if (config_provides(q))
            check_paths(c, q, p);
        for (size_t k = 0; k < q->n_reach; k++)
            check_reach(c, q, &q->reach[k], p);
    }
}
