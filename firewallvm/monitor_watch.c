/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices and foreign changes. effect. See monitor_watch.h. */
#include "firewallvm/monitor_watch.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>

#include "firewallvm/fw_state.h"
#include "firewallvm/table_compile.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/nl.h"

#define GROUP_NFTABLES (1u << (NFNLGRP_NFTABLES - 1))
#define REQUEST_BYTES 256

struct device {
    int index;
    bool seen;
    char name[IF_NAMESIZE];
};

struct monitor_watch {
    struct nl *links; /* group only */
    struct nl *dump;
    struct nl *table; /* group only */
    size_t n;
    struct device v[FW_DEVICES_MAX];
    monitor_device_fn fn; /* of the run */
    void *arg;
    int err;
};

int monitor_watch_new(uint32_t portid, struct monitor_watch **ret)
{
    struct monitor_watch *w = calloc(1, sizeof(*w));
    int r = w ? nl_new(NETLINK_ROUTE, RTMGRP_LINK, &w->links) : -ENOMEM;

    if (r == 0)
        r = nl_new(NETLINK_ROUTE, 0, &w->dump);
    if (r == 0)
        r = nl_new(NETLINK_NETFILTER, GROUP_NFTABLES, &w->table);
    if (r == 0)
        r = nl_ignore(w->table, portid);
    if (r < 0)
        monitor_watch_free(w);
    else
        *ret = w;
    return r;
}

void monitor_watch_free(struct monitor_watch *w)
{
    if (!w)
        return;
    nl_free(w->links);
    nl_free(w->dump);
    nl_free(w->table);
    free(w);
}

int monitor_watch_devices_fd(const struct monitor_watch *w)
{
    return nl_fd(w->links);
}

int monitor_watch_table_fd(const struct monitor_watch *w)
{
    return nl_fd(w->table);
}

/* ---- devices ---- */
static int tell(struct monitor_watch *w, const char *name, bool there)
{
    int r = w->fn(name, there, w->arg);

    if (r < 0)
        w->err = r;
    return r < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

static int forget(struct monitor_watch *w, struct device *d)
{
    struct device gone = *d;

    *d = w->v[--w->n];
    return tell(w, gone.name, false);
}

static struct device *find(struct monitor_watch *w, int index)
{
    size_t i;

    for (i = 0; i < w->n; i++)
        if (w->v[i].index == index)
            return &w->v[i];
    return NULL;
}

static int name_cb(const struct nlattr *attr, void *arg)
{
    const char **name = arg;

    if (mnl_attr_get_type(attr) == IFLA_IFNAME &&
        mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
        *name = mnl_attr_get_str(attr);
    return MNL_CB_OK;
}

static int on_there(struct monitor_watch *w, int index, const char *name)
{
    struct device *d = find(w, index);
    int r;

    if (d && strcmp(d->name, name) != 0) { /* another name */
        r = forget(w, d);
        if (r == MNL_CB_ERROR)
            return r;
        d = NULL;
    }
    if (d) {
        d->seen = true;
        return MNL_CB_OK;
    }
    if (w->n == FW_DEVICES_MAX)
        return MNL_CB_OK; /* its flows are not offloaded, no more */
    d = &w->v[w->n++];
    *d = (struct device){.index = index, .seen = true};
    strncpy(d->name, name, sizeof(d->name) - 1);
    return tell(w, d->name, true);
}

static int link_cb(const struct nlmsghdr *h, void *arg)
{
    struct monitor_watch *w = arg;
    const struct ifinfomsg *info;
    const char *name = NULL;
    struct device *d;

    if ((h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK) ||
        mnl_nlmsg_get_payload_len(h) < sizeof(*info))
        return MNL_CB_OK;
    info = mnl_nlmsg_get_payload(h);
    if (info->ifi_flags & IFF_LOOPBACK)
        return MNL_CB_OK;
    if (h->nlmsg_type == RTM_DELLINK) {
        d = find(w, info->ifi_index);
        return d ? forget(w, d) : MNL_CB_OK;
    }
    mnl_attr_parse(h, sizeof(*info), name_cb, &name);
    return name && strlen(name) < IF_NAMESIZE
               ? on_there(w, info->ifi_index, name)
               : MNL_CB_OK;
}

static int result(const struct monitor_watch *w, int r)
{
    return w->err < 0 ? w->err : r;
}

static void begin(struct monitor_watch *w, monitor_device_fn fn, void *arg)
{
    w->fn = fn;
    w->arg = arg;
    w->err = 0;
}

int monitor_watch_all_devices(struct monitor_watch *w, monitor_device_fn fn,
                              void *arg)
{
    uint8_t request[REQUEST_BYTES];
    struct nlmsghdr *h = mnl_nlmsg_put_header(request);
    struct ifinfomsg *info;
    size_t i;
    int r;

    begin(w, fn, arg);
    h->nlmsg_type = RTM_GETLINK;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    h->nlmsg_seq = nl_next_seq(w->dump);
    info = mnl_nlmsg_put_extra_header(h, sizeof(*info));
    info->ifi_family = AF_UNSPEC;
    for (i = 0; i < w->n; i++)
        w->v[i].seen = false;
    r = nl_talk(w->dump, request, h->nlmsg_len, link_cb, w);
    for (i = w->n; i-- > 0 && r == 0 && w->err == 0;)
        if (!w->v[i].seen)
            forget(w, &w->v[i]);
    return result(w, r);
}

int monitor_watch_devices(struct monitor_watch *w, monitor_device_fn fn,
                          void *arg)
{
    int r;

    begin(w, fn, arg);
    r = nl_poll(w->links, link_cb, w);
    if (r == -ENOBUFS)
        return monitor_watch_all_devices(w, fn, arg);
    return result(w, r);
}

/* ---- the table ---- */
/* The first attribute of every message about a table or what is in it is the
 * table's name. */
static int table_name_cb(const struct nlattr *attr, void *arg)
{
    bool *changed = arg;

    if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME &&
        mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 &&
        strcmp(mnl_attr_get_str(attr), FW_TABLE) == 0)
        *changed = true;
    return MNL_CB_OK;
}

static int table_cb(const struct nlmsghdr *h, void *arg)
{
    if (h->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES &&
        (h->nlmsg_type & 0xff) != NFT_MSG_NEWGEN &&
        (h->nlmsg_type & 0xff) != NFT_MSG_TRACE)
        mnl_attr_parse(h, sizeof(struct nfgenmsg), table_name_cb, arg);
    return MNL_CB_OK;
}

int monitor_watch_table(struct monitor_watch *w, bool *ret_changed)
{
    bool changed = false;
    int r = nl_poll(w->table, table_cb, &changed);

    if (r == -ENOBUFS) {
        changed = true;
        r = 0;
    }
    if (r == 0)
        *ret_changed = changed;
    return r;
}
