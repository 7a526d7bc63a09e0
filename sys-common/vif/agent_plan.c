/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See agent_plan.h. pure. */
#include "vif/agent_plan.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/mem.h"

/* Every backend's vif has this MAC address (spec/network.md). */
static const uint8_t backend_mac[6] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff};

const char *const agent_plan_keys[AGENT_KEYS] = {
    "/qubes-mac",           "/qubes-ip",       "/qubes-gateway",
    "/qubes-ip6",           "/qubes-gateway6", "/qubes-primary-dns",
    "/qubes-secondary-dns", "/sysqube-dns6"};

int agent_plan_set(struct agent_conf *c, unsigned i, struct text value)
{
    struct ipaddr *const addr[AGENT_KEYS] = {NULL,       &c->ip4,   &c->gw4,
                                             &c->ip6,    &c->gw6,   &c->dns[0],
                                             &c->dns[1], &c->dns[2]};
    static const uint8_t family[AGENT_KEYS] = {
        0, AF_INET, AF_INET, AF_INET6, AF_INET6, 0, 0, AF_INET6};
    struct ipaddr a;
    int r;

    if (value.len == 0)
        return 0;
    if (i == 0) {
        r = parse_mac(value, c->mac);
        if (r == 0)
            c->have_mac = true;
        return r;
    }
    r = family[i] != 0 ? ipaddr_parse_family(value, family[i], &a)
                       : ipaddr_parse(value, &a);
    if (r < 0)
        return r;
    /* A gateway may be link-local; our own address may not. */
    if ((i == 1 || i == 3) && !ipaddr_is_host(&a))
        return -EBADMSG;
    *addr[i] = a;
    return 0;
}

int agent_plan_choose(const struct agent_conf *c,
                      const struct vif_link_info *links, unsigned n)
{
    int best = -ENOENT;

    for (unsigned i = 0; i < n; i++) {
        const struct vif_link_info *l = &links[i];

        if (l->loopback || !l->ethernet || strncmp(l->name, "vif", 3) == 0)
            continue;
        if (c->have_mac && memcmp(l->mac, c->mac, sizeof(c->mac)) != 0)
            continue;
        if (best < 0 || l->ifindex < links[best].ifindex)
            best = (int)i;
    }
    return best;
}

static void push(struct vif_steps *l, enum vif_op op, const struct ipaddr *a,
                 unsigned prefix)
{
    struct vif_step *s = &l->s[l->n++];

    memset(s, 0, sizeof(*s));
    s->op = op;
    if (a != NULL)
        s->net.addr = *a;
    s->net.prefix = (uint8_t)prefix;
    if (op == VIF_OP_NEIGH)
        memcpy(s->mac, backend_mac, sizeof(s->mac));
}

void agent_plan_build(const struct agent_conf *c, struct vif_steps *ret)
{
    const struct {
        const struct ipaddr *ip, *gw;
        unsigned full;
    } f[2] = {{&c->ip4, &c->gw4, 32}, {&c->ip6, &c->gw6, 128}};

    ret->n = 0;
    if (c->ip4.family == 0 && c->ip6.family == 0)
        return;
    push(ret, VIF_OP_PREPARE, NULL, 0);
    for (unsigned i = 0; i < ARRAY_LEN(f); i++) {
        if (f[i].ip->family == 0)
            continue;
        if (f[i].gw->family != 0)
            push(ret, VIF_OP_NEIGH, f[i].gw, f[i].full);
        push(ret, VIF_OP_ADDR, f[i].ip, f[i].full);
    }
    push(ret, VIF_OP_UP, NULL, 0);
    for (unsigned i = 0; i < ARRAY_LEN(f); i++) {
        struct ipaddr any = {.family = f[i].gw->family};

        if (f[i].ip->family == 0 || f[i].gw->family == 0)
            continue;
        push(ret, VIF_OP_ROUTE, f[i].gw, f[i].full);
        push(ret, VIF_OP_ROUTE, &any, 0);
        ret->s[ret->n - 1].via = *f[i].gw;
    }
}

size_t agent_plan_resolv(const struct agent_conf *c, char ret[AGENT_RESOLV_MAX])
{
    struct wbuf w = wbuf_of(ret, AGENT_RESOLV_MAX);
    char text[IPADDR_TEXT_MAX];

    for (unsigned i = 0; i < ARRAY_LEN(c->dns); i++)
        if (c->dns[i].family != 0)
            wbuf_printf(&w, "nameserver %s\n", ipaddr_format(&c->dns[i], text));
    return w.len;
}
