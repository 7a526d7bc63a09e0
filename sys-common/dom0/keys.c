/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Desired keys of a qube. pure. See keys.h. The tables of spec/network.md,
 * "Keys written by dom0 for networking", in code; the further keys below
 * /sysqube-* are ours (docs/protocols). */
#include "dom0/keys.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dom0/keys_impl.h"
#include "dom0/usb_keys.h"
#include "lib/err.h"

#define VIRTUAL_DNS_1 "10.139.1.1"
#define VIRTUAL_DNS_2 "10.139.1.2"
/* Ours: the plan of the IPv6 addresses of qubes, continued to 10.139 */
#define VIRTUAL_DNS6 "fd09:24ef:4179::a8b:101"
#define NETMASK "255.255.255.255"

void keys_put(struct keys_build *b, const char *path, const char *fmt, ...)
{
    char val[KEYS_VALUE_MAX + 2];
    va_list ap;
    int n;

    if (b->err)
        return;
    va_start(ap, fmt);
    n = vsnprintf(val, sizeof(val), fmt, ap);
    va_end(ap);
    b->err = n < 0 || n > KEYS_VALUE_MAX ? -ENOBUFS
                                         : keyset_add(b->set, path, "%s", val);
}

static void add_ip(struct keys_build *b, const char *path,
                   const struct ipaddr *a)
{
    char text[IPADDR_TEXT_MAX];

    if (a->family)
        keys_put(b, path, "%s", ipaddr_format(a, text));
}

static const char *mac_text(const uint8_t mac[6], char buf[18])
{
    snprintf(buf, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
             mac[3], mac[4], mac[5]);
    return buf;
}

/* As the existing systems name them, so that a stock template works. */
static const char *type_name(const struct config_qube *q)
{
    if (!config_provides(q))
        return "AppVM";
    return q->up ? "ProxyVM" : "NetVM";
}

static void add_identity(struct keys_build *b, const struct config_qube *q)
{
    keys_put(b, "/name", "%s", q->name);
    keys_put(b, "/type", "%s", "AppVM");
    keys_put(b, "/qubes-vm-type", "%s", type_name(q));
    keys_put(b, "/qubes-vm-updateable", "%s", "False");
    keys_put(b, "/qubes-vm-persistence", "%s", "none");
    keys_put(b, "/qubes-debug-mode", "%s", "0");
    keys_put(b, "/default-user", "%s", "user");
}

static void add_client(struct keys_build *b, const struct config_qube *q)
{
    char mac[18];

    if (!q->up)
        return;
    keys_put(b, "/qubes-mac", "%s", mac_text(q->mac, mac));
    add_ip(b, "/qubes-ip", &q->ip4);
    keys_put(b, "/qubes-netmask", "%s", NETMASK);
    add_ip(b, "/qubes-gateway", &q->up->ip4);
    add_ip(b, "/qubes-ip6", &q->ip6);
    if (q->ip6.family) {
        add_ip(b, "/qubes-gateway6", &q->up->ip6);
        keys_put(b, "/sysqube-dns6", "%s", VIRTUAL_DNS6);
    }
    keys_put(b, "/qubes-primary-dns", "%s", VIRTUAL_DNS_1);
    keys_put(b, "/qubes-secondary-dns", "%s", VIRTUAL_DNS_2);
}

/* Every configured client, running or not: the addresses nobody else may
 * use. */
static void add_connected(struct keys_build *b, const struct keys_world *w,
                          const struct config_qube *q)
{
    char v4[KEYS_VALUE_MAX + 2] = "", v6[KEYS_VALUE_MAX + 2] = "";
    char text[IPADDR_TEXT_MAX];
    size_t n4 = 0, n6 = 0;

    for (size_t i = 0; i < w->cfg->n; i++) {
        const struct config_qube *c = w->cfg->qubes[i];

        if (c->up != q)
            continue;
        if (c->ip4.family && n4 < sizeof(v4))
            n4 += (size_t)snprintf(v4 + n4, sizeof(v4) - n4, "%s%s",
                                   n4 ? " " : "", ipaddr_format(&c->ip4, text));
        if (c->ip6.family && n6 < sizeof(v6))
            n6 += (size_t)snprintf(v6 + n6, sizeof(v6) - n6, "%s%s",
                                   n6 ? " " : "", ipaddr_format(&c->ip6, text));
    }
    if (n4 > KEYS_VALUE_MAX || n6 > KEYS_VALUE_MAX) {
        b->err = -ENOBUFS;
        return;
    }
    keys_put(b, "/connected-ips", "%s", v4);
    keys_put(b, "/connected-ips6", "%s", v6);
}

static void add_provider(struct keys_build *b, const struct keys_world *w,
                         const struct config_qube *q)
{
    if (!config_provides(q))
        return;
    add_ip(b, "/qubes-netvm-network", &q->ip4);
    add_ip(b, "/qubes-netvm-gateway", &q->ip4);
    add_ip(b, "/qubes-netvm-gateway6", &q->ip6);
    keys_put(b, "/qubes-netvm-netmask", "%s", NETMASK);
    keys_put(b, "/qubes-netvm-primary-dns", "%s", VIRTUAL_DNS_1);
    keys_put(b, "/qubes-netvm-secondary-dns", "%s", VIRTUAL_DNS_2);
    if (q->kind == KIND_FIREWALLVM)
        keys_put(b, "/qubes-service/qubes-firewall", "%s", "1");
    if (q->kind == KIND_FIREWALLVM && w->watch)
        keys_put(b, "/sysqube-firewall/watch", "%s", "1");
    if (q->kind == KIND_FIREWALLVM && q->names.floor_s)
        keys_put(b, "/sysqube-firewall/names", "floor=%u ceiling=%u grace=%u",
                 q->names.floor_s, q->names.ceiling_s, q->names.grace_s);
    add_connected(b, w, q);
}

static void add_behind_one(struct keys_build *b, const struct ipaddr *front,
                           const struct ipaddr *a, unsigned *io_n)
{
    char path[QDB_REC_PATH + 8], text[IPADDR_TEXT_MAX];

    if (!a->family)
        return;
    snprintf(path, sizeof(path), "/sysqube-behind/%s/%04u",
             ipaddr_format(front, text), *io_n);
    add_ip(b, path, a);
    ++*io_n;
}

/* What lives behind a client that is a provider itself: everything active
 * below it. */
static void add_behind(struct keys_build *b, const struct keys_world *w,
                       const struct config_qube *client)
{
    unsigned n = 0;

    for (size_t i = 0; i < w->cfg->n; i++) {
        const struct config_qube *c = w->cfg->qubes[i];

        if (!w->run[i].active || !config_is_below(c, client))
            continue;
        add_behind_one(b, &client->ip4, &c->ip4, &n);
        add_behind_one(b, &client->ip4, &c->ip6, &n);
    }
}

static void add_vif(struct keys_build *b, const struct config_qube *c,
                    const struct keys_run *run)
{
    char path[QDB_REC_PATH], ip4[IPADDR_TEXT_MAX], ip6[IPADDR_TEXT_MAX];
    char mac[18];

    snprintf(path, sizeof(path), "/sysqube-vif/%u.%u", run->domid, run->devid);
    keys_put(b, path, "%s %s%s%s", ipaddr_format(&c->ip4, ip4),
             mac_text(c->mac, mac), c->ip6.family ? " " : "",
             c->ip6.family ? ipaddr_format(&c->ip6, ip6) : "");
}

static void add_clients(struct keys_build *b, const struct keys_world *w,
                        const struct config_qube *q)
{
    for (size_t i = 0; i < w->cfg->n; i++) {
        const struct config_qube *c = w->cfg->qubes[i];

        if (c->up != q || !w->run[i].active)
            continue;
        if (q->kind == KIND_FIREWALLVM)
            keys_put_client_rules(b, w, c);
        if (config_provides(c))
            add_behind(b, w, c);
        if (w->netns && w->run[i].has_domid)
            add_vif(b, c, &w->run[i]);
    }
}

static void add_uplink(struct keys_build *b, const struct config_qube *q)
{
    char text[IPNET_TEXT_MAX], dns[CONFIG_DNS_MAX * IPADDR_TEXT_MAX] = "";
    size_t n = 0;

    if (q->kind != KIND_NETVM)
        return;
    keys_put(b, "/sysqube-uplink/mode", "%s",
             q->uplink == UPLINK_STATIC ? "static" : "dhcp");
    if (q->up_addr.addr.family)
        keys_put(b, "/sysqube-uplink/address", "%s",
                 ipnet_format(&q->up_addr, text));
    add_ip(b, "/sysqube-uplink/gateway", &q->up_gw);
    for (size_t i = 0; i < q->n_up_dns; i++)
        n += (size_t)snprintf(dns + n, sizeof(dns) - n, "%s%s", n ? " " : "",
                              ipaddr_format(&q->up_dns[i], text));
    if (n)
        keys_put(b, "/sysqube-uplink/dns", "%s", dns);
    if (q->up_addr6.addr.family)
        keys_put(b, "/sysqube-uplink/address6", "%s",
                 ipnet_format(&q->up_addr6, text));
    add_ip(b, "/sysqube-uplink/gateway6", &q->up_gw6);
}

int keys_desired(const struct keys_world *w, size_t index, struct keyset *ret)
{
    const struct config_qube *q = w->cfg->qubes[index];
    struct keys_build b = {.set = ret};

    add_identity(&b, q);
    add_client(&b, q);
    add_provider(&b, w, q);
    add_uplink(&b, q);
    add_clients(&b, w, q);
    keys_put_paths(&b, w, q);
    if (!b.err && w->usb && w->run[index].has_domid)
        b.err = usb_keys_add(w->usb, q->name, w->run[index].domid, ret);
    keyset_sort(ret);
    return b.err;
}
