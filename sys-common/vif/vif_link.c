/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See vif_link.h. effect. */
#include "vif/vif_link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "vif/vif_link_impl.h"

#define SYSCTL_PATH_MAX 96

/* libnl's own numbers to errno, as far as the callers tell them apart. */
int vif_link_error(int nle)
{
    switch (nle < 0 ? -nle : nle) {
    case 0:
        return 0;
    case NLE_EXIST:
        return -EEXIST;
    case NLE_OBJ_NOTFOUND:
        return -ESRCH;
    case NLE_NODEV:
        return -ENODEV;
    case NLE_NOADDR:
        return -EADDRNOTAVAIL;
    case NLE_NOMEM:
        return -ENOMEM;
    case NLE_PERM:
        return -EPERM;
    case NLE_BUSY:
        return -EBUSY;
    case NLE_INVAL:
        return -EINVAL;
    case NLE_OPNOTSUPP:
    case NLE_AF_NOSUPPORT:
        return -EOPNOTSUPP;
    default:
        return -EIO;
    }
}

/* Adding what is there and deleting what is not there are both done. */
static int settled(bool add, int nle)
{
    int r = vif_link_error(nle);

    if (add)
        return r == -EEXIST ? 0 : r;
    if (r == -ESRCH || r == -ENODEV || r == -EADDRNOTAVAIL)
        return 0;
    return r;
}

int vif_link_new(struct vif_link **ret)
{
    struct vif_link *l = calloc(1, sizeof(*l));
    int r;

    if (l == NULL)
        return -ENOMEM;
    l->sys_net = open("/proc/sys/net", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (l->sys_net < 0) {
        r = err_last();
        free(l);
        return r;
    }
    l->req = nl_socket_alloc();
    l->events = nl_socket_alloc();
    if (l->req == NULL || l->events == NULL) {
        vif_link_free(l);
        return -ENOMEM;
    }
    nl_socket_disable_seq_check(l->events);
    r = nl_connect(l->req, NETLINK_ROUTE);
    if (r == 0)
        r = nl_connect(l->events, NETLINK_ROUTE);
    if (r == 0)
        r = nl_socket_add_membership(l->events, RTNLGRP_LINK);
    if (r == 0)
        r = nl_socket_set_nonblocking(l->events);
    if (r < 0) {
        vif_link_free(l);
        return vif_link_error(r);
    }
    *ret = l;
    return 0;
}

void vif_link_free(struct vif_link *l)
{
    if (l == NULL)
        return;
    if (l->req != NULL)
        nl_socket_free(l->req);
    if (l->events != NULL)
        nl_socket_free(l->events);
    close(l->sys_net);
    free(l);
}

int vif_link_fd(const struct vif_link *l)
{
    return nl_socket_get_fd(l->events);
}

/* An overrun (ENOBUFS) is fine as well: the list follows in any case. */
void vif_link_drain(struct vif_link *l)
{
    char data[8192];

    for (unsigned i = 0; i < 256; i++) {
        ssize_t n =
            recv(vif_link_fd(l), data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC);

        if (n < 0 && errno != ENOBUFS && errno != EINTR)
            return;
    }
}

static int list_one(struct nl_object *o, vif_link_cb cb, void *arg)
{
    union {
        struct nl_object *o;
        struct rtnl_link *l;
    } u = {.o = o};
    struct vif_link_info info = {.ifindex = rtnl_link_get_ifindex(u.l)};
    const char *name = rtnl_link_get_name(u.l);
    struct nl_addr *mac = rtnl_link_get_addr(u.l);
    unsigned flags = rtnl_link_get_flags(u.l);

    if (name == NULL || strlen(name) >= sizeof(info.name))
        return 0;
    memcpy(info.name, name, strlen(name));
    info.up = (flags & IFF_UP) != 0;
    info.loopback = (flags & IFF_LOOPBACK) != 0;
    info.ethernet = rtnl_link_get_arptype(u.l) == ARPHRD_ETHER;
    if (mac != NULL && nl_addr_get_len(mac) == sizeof(info.mac))
        memcpy(info.mac, nl_addr_get_binary_addr(mac), sizeof(info.mac));
    return cb(&info, arg);
}

int vif_link_list(struct vif_link *l, vif_link_cb cb, void *arg)
{
    struct nl_cache *cache = NULL;
    int r = rtnl_link_alloc_cache(l->req, AF_UNSPEC, &cache);

    if (r < 0)
        return vif_link_error(r);
    for (struct nl_object *o = nl_cache_get_first(cache); o != NULL && r >= 0;
         o = nl_cache_get_next(o))
        r = list_one(o, cb, arg);
    nl_cache_free(cache);
    return r < 0 ? r : 0;
}

static int link_change(struct vif_link *l, int ifindex, int up,
                       const uint8_t *mac)
{
    struct rtnl_link *want = rtnl_link_alloc();
    struct nl_addr *addr = NULL;
    int r = -NLE_NOMEM;

    if (want == NULL)
        return -ENOMEM;
    rtnl_link_set_ifindex(want, ifindex);
    if (up > 0)
        rtnl_link_set_flags(want, IFF_UP);
    else if (up == 0)
        rtnl_link_unset_flags(want, IFF_UP);
    if (mac != NULL) {
        addr = nl_addr_build(AF_LLC, mac, 6);
        if (addr == NULL)
            goto out;
        rtnl_link_set_addr(want, addr);
    }
    r = rtnl_link_change(l->req, want, want, 0);
out:
    nl_addr_put(addr);
    rtnl_link_put(want);
    return vif_link_error(r);
}

int vif_link_set_up(struct vif_link *l, int ifindex, bool up)
{
    int r = link_change(l, ifindex, up ? 1 : 0, NULL);

    return !up && r == -ENODEV ? 0 : r;
}

int vif_link_set_mac(struct vif_link *l, int ifindex, const uint8_t mac[6])
{
    struct rtnl_link *now = NULL;
    struct nl_addr *addr;
    bool same;
    int r = rtnl_link_get_kernel(l->req, ifindex, NULL, &now);

    if (r < 0)
        return vif_link_error(r);
    addr = rtnl_link_get_addr(now);
    same = addr != NULL && nl_addr_get_len(addr) == 6 &&
           memcmp(nl_addr_get_binary_addr(addr), mac, 6) == 0;
    rtnl_link_put(now);
    if (same)
        return 0;
    return link_change(l, ifindex, -1, mac);
}

static struct nl_addr *to_nl(const struct ipaddr *a, unsigned prefix)
{
    struct nl_addr *n = nl_addr_build(a->family, a->b, ipaddr_len(a));

    if (n != NULL)
        nl_addr_set_prefixlen(n, (int)prefix);
    return n;
}

int vif_link_addr(struct vif_link *l, bool add, int ifindex,
                  const struct ipaddr *addr)
{
    struct rtnl_addr *want = rtnl_addr_alloc();
    struct nl_addr *local = to_nl(addr, (unsigned)ipaddr_len(addr) * 8);
    int r = -NLE_NOMEM;

    if (want == NULL || local == NULL)
        goto out;
    rtnl_addr_set_ifindex(want, ifindex);
    r = rtnl_addr_set_local(want, local);
    if (r < 0)
        goto out;
    if (add) {
        unsigned flags = IFA_F_NOPREFIXROUTE;

        if (addr->family == AF_INET6)
            flags |= IFA_F_NODAD;
        rtnl_addr_set_flags(want, flags);
        r = rtnl_addr_add(l->req, want, 0);
    } else {
        r = rtnl_addr_delete(l->req, want, 0);
    }
out:
    nl_addr_put(local);
    rtnl_addr_put(want);
    return settled(add, r);
}

int vif_link_neigh(struct vif_link *l, bool add, int ifindex,
                   const struct ipaddr *addr, const uint8_t *mac)
{
    struct rtnl_neigh *want = rtnl_neigh_alloc();
    struct nl_addr *dst = to_nl(addr, (unsigned)ipaddr_len(addr) * 8);
    struct nl_addr *ll = NULL;
    int r = -NLE_NOMEM;

    if (want == NULL || dst == NULL)
        goto out;
    rtnl_neigh_set_ifindex(want, ifindex);
    r = rtnl_neigh_set_dst(want, dst);
    if (r < 0)
        goto out;
    if (add) {
        r = -NLE_NOMEM;
        ll = nl_addr_build(AF_LLC, mac, 6);
        if (ll == NULL)
            goto out;
        rtnl_neigh_set_lladdr(want, ll);
        rtnl_neigh_set_state(want, NUD_PERMANENT);
        r = rtnl_neigh_add(l->req, want, NLM_F_CREATE | NLM_F_REPLACE);
    } else {
        r = rtnl_neigh_delete(l->req, want, 0);
    }
out:
    nl_addr_put(ll);
    nl_addr_put(dst);
    rtnl_neigh_put(want);
    return settled(add, r);
}

static struct rtnl_route *route_of(int ifindex, const struct ipnet *dst,
                                   const struct ipaddr *via)
{
    struct rtnl_route *want = rtnl_route_alloc();
    struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
    struct nl_addr *to = to_nl(&dst->addr, dst->prefix);
    struct nl_addr *gw =
        via != NULL ? to_nl(via, 8 * (unsigned)ipaddr_len(via)) : NULL;

    if (want == NULL || hop == NULL || to == NULL ||
        (via != NULL && gw == NULL) || rtnl_route_set_dst(want, to) < 0) {
        if (hop != NULL)
            rtnl_route_nh_free(hop);
        rtnl_route_put(want);
        want = NULL;
    } else {
        rtnl_route_set_family(want, dst->addr.family);
        rtnl_route_set_table(want, RT_TABLE_MAIN);
        rtnl_route_set_protocol(want, RTPROT_STATIC);
        rtnl_route_set_type(want, RTN_UNICAST);
        rtnl_route_set_scope(want, via == NULL && dst->addr.family == AF_INET
                                       ? RT_SCOPE_LINK
                                       : RT_SCOPE_UNIVERSE);
        rtnl_route_nh_set_ifindex(hop, ifindex);
        if (gw != NULL)
            rtnl_route_nh_set_gateway(hop, gw);
        rtnl_route_add_nexthop(want, hop);
    }
    nl_addr_put(gw);
    nl_addr_put(to);
    return want;
}

int vif_link_route(struct vif_link *l, bool add, int ifindex,
                   const struct ipnet *dst, const struct ipaddr *via)
{
    struct rtnl_route *want = route_of(ifindex, dst, via);
    int r;

    if (want == NULL)
        return -ENOMEM;
    if (add)
        r = rtnl_route_add(l->req, want, NLM_F_CREATE | NLM_F_REPLACE);
    else
        r = rtnl_route_delete(l->req, want, 0);
    rtnl_route_put(want);
    return settled(add, r);
}

int vif_link_sysctl(struct vif_link *l, const char *value, const char *path,
                    ...)
{
    CLEANUP_FD int fd = -1;
    char rel[SYSCTL_PATH_MAX];
    va_list ap;
    ssize_t w;
    int n;

    va_start(ap, path);
    n = vsnprintf(rel, sizeof(rel), path, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(rel))
        return -ENOBUFS;
    fd = openat(l->sys_net, rel, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return err_last();
    w = write(fd, value, strlen(value));
    return w < 0 ? err_last() : 0;
}
