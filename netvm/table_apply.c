/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of the table. effect. See table_apply.h. */
#include "netvm/table_apply.h"

#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/nl.h"
#include "netvm/uplink_nft.h"

#define STATUS_KEY "/sysqube-status/forward"

struct table_apply {
    struct qdb *qdb;
    struct nl *nl;
    bool ipv6; /* the uplink has it, says the table */
    struct uplink_forwards list;
    char status[UPLINK_FORWARD_WHY_MAX]; /* as last written */
};

int table_apply_new(struct qdb *q, struct table_apply **ret)
{
    struct table_apply *t = calloc(1, sizeof(*t));
    int r = t ? nl_new(NETLINK_NETFILTER, 0, &t->nl) : -ENOMEM;

    if (r < 0) {
        free(t);
        return r;
    }
    t->qdb = q;
    *ret = t;
    return 0;
}

static int take(const char *path, const char *val, size_t len, void *arg)
{
    uplink_forwards_add(arg, text_of(path + strlen(UPLINK_FORWARD_PREFIX)),
                        (struct text){val, len});
    return 0;
}

static int commit_forwards(struct table_apply *t)
{
    struct nft *b = NULL;
    int r = nft_new(UPLINK_NFT_TABLE, &b);

    if (r < 0)
        return r;
    uplink_nft_forwards(b, &t->list);
    r = nft_commit(b, t->nl, NULL);
    nft_free(b);
    return r;
}

int table_apply_ipv6(struct table_apply *t, bool have)
{
    struct nft *b = NULL;
    int r = have == t->ipv6 ? 0 : nft_new(UPLINK_NFT_TABLE, &b);

    if (have == t->ipv6 || r < 0)
        return r;
    uplink_nft_outward(b, have);
    r = nft_commit(b, t->nl, NULL);
    nft_free(b);
    if (r == 0)
        t->ipv6 = have;
    return r;
}

int table_apply_forwards(struct table_apply *t)
{
    char status[UPLINK_FORWARD_WHY_MAX];
    int r;

    t->list.n = 0;
    t->list.error[0] = '\0';
    r = qdb_multiread(t->qdb, UPLINK_FORWARD_PREFIX, take, &t->list);
    if (r < 0)
        return r;
    r = commit_forwards(t);
    if (r < 0)
        snprintf(status, sizeof(status), "error kernel: %s", err_text(r));
    else
        uplink_forwards_status(&t->list, status);
    if (strcmp(status, t->status) == 0)
        return 0;
    log_info("forwards: %s", status);
    r = qdb_write(t->qdb, STATUS_KEY, status, strlen(status));
    if (r == 0)
        memcpy(t->status, status, sizeof(status));
    return r;
}
