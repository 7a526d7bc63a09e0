/* SPDX-License-Identifier: GPL-2.0-or-later */
/* veth pairs, by rtnetlink. effect. See netns_link.h. A netlink socket
 * belongs to the namespace it was made in, so the (single-threaded) daemon
 * steps into a namespace only to open one. */
#include "dom0/netns_link.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "lib/nl.h"

#define MSG_BYTES 1024

/* A NETLINK_ROUTE socket of the namespace, and the index of a name there. */
static int open_in(int ns, const char *name, struct nl **ret, unsigned *ifindex)
{
    CLEANUP_FD int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int r;

    if (own < 0)
        return err_last();
    if (setns(ns, CLONE_NEWNET))
        return err_last();
    r = nl_new(NETLINK_ROUTE, 0, ret);
    if (ifindex)
        *ifindex = if_nametoindex(name);
    if (setns(own, CLONE_NEWNET)) {
        /* in a foreign namespace nothing else may run */
        r = r ? r : err_last();
        _exit(70);
    }
    return r;
}

static struct nlmsghdr *put_head(void *buf, struct nl *nl, uint16_t type,
                                 uint16_t flags, struct ifinfomsg **ret)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

    h->nlmsg_type = type;
    h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    h->nlmsg_seq = nl_next_seq(nl);
    *ret = mnl_nlmsg_put_extra_header(h, sizeof(**ret));
    return h;
}

static void put_end(struct nlmsghdr *h, const struct netns_end *e)
{
    mnl_attr_put_strz(h, IFLA_IFNAME, e->name);
    mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)e->ns);
    if (e->mac)
        mnl_attr_put(h, IFLA_ADDRESS, 6, e->mac);
}

int netns_link_pair(const struct netns_end *a, const struct netns_end *b)
{
    uint8_t buf[MSG_BYTES] __attribute__((aligned(NLMSG_ALIGNTO))) = {0};
    struct nlattr *info, *data, *peer;
    struct ifinfomsg *ifi;
    struct nlmsghdr *h;
    struct nl *nl;
    int r = nl_new(NETLINK_ROUTE, 0, &nl);

    if (r)
        return r;
    h = put_head(buf, nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi);
    put_end(h, a);
    info = mnl_attr_nest_start(h, IFLA_LINKINFO);
    mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
    data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
    peer = mnl_attr_nest_start(h, VETH_INFO_PEER);
    /* the peer's attributes follow a header of their own */
    mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
    put_end(h, b);
    mnl_attr_nest_end(h, peer);
    mnl_attr_nest_end(h, data);
    mnl_attr_nest_end(h, info);
    r = nl_talk(nl, h, h->nlmsg_len, NULL, NULL);
    nl_free(nl);
    return r;
}

int netns_link_del(int ns, const char *name)
{
    uint8_t buf[MSG_BYTES] __attribute__((aligned(NLMSG_ALIGNTO))) = {0};
    struct ifinfomsg *ifi;
    struct nlmsghdr *h;
    unsigned index;
    struct nl *nl;
    int r = open_in(ns, name, &nl, &index);

    if (r)
        return r;
    if (index) {
        h = put_head(buf, nl, RTM_DELLINK, 0, &ifi);
        ifi->ifi_index = (int)index;
        r = nl_talk(nl, h, h->nlmsg_len, NULL, NULL);
    }
    nl_free(nl);
    return r == -ENODEV ? 0 : r;
}

static int bridge_index(int ns, const char *bridge, unsigned *ret)
{
    struct nl *nl;
    int r = open_in(ns, bridge, &nl, ret);

    if (r)
        return r;
    nl_free(nl);
    return *ret ? 0 : -ENODEV;
}

int netns_link_up(int ns, const char *name, const char *bridge)
{
    uint8_t buf[MSG_BYTES] __attribute__((aligned(NLMSG_ALIGNTO))) = {0};
    struct ifinfomsg *ifi;
    struct nlmsghdr *h;
    unsigned index, master = 0;
    struct nl *nl;
    int r = bridge[0] ? bridge_index(ns, bridge, &master) : 0;

    if (r)
        return r;
    r = open_in(ns, name, &nl, &index);
    if (r)
        return r;
    if (index) {
        h = put_head(buf, nl, RTM_NEWLINK, 0, &ifi);
        ifi->ifi_index = (int)index;
        ifi->ifi_flags = IFF_UP;
        ifi->ifi_change = IFF_UP;
        if (master)
            mnl_attr_put_u32(h, IFLA_MASTER, master);
        r = nl_talk(nl, h, h->nlmsg_len, NULL, NULL);
    } else {
        r = -ENODEV;
    }
    nl_free(nl);
    return r;
}
