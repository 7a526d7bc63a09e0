/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Port forwards into the kernel. effect. See forward_apply.h. */
#include "netvm/forward_apply.h"

#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/nl.h"
#include "netvm/uplink_nft.h"

#define STATUS_KEY "/sysqube-status/forward"

struct forward_apply {
    struct qdb *qdb;
    struct nl *nl;
    struct uplink_forwards list;
    char status[UPLINK_FORWARD_WHY_MAX]; /* as last written */
};

int forward_apply_new(struct qdb *q, struct forward_apply **ret)
{
    struct forward_apply *f = calloc(1, sizeof(*f));
    int r = f ? nl_new(NETLINK_NETFILTER, 0, &f->nl) : -ENOMEM;

    if (r < 0) {
        free(f);
        return r;
    }
    f->qdb = q;
    *ret = f;
    return 0;
}

static int take(const char *path, const char *val, size_t len, void *arg)
{
    uplink_forwards_add(arg, text_of(path + strlen(UPLINK_FORWARD_PREFIX)),
                        (struct text){val, len});
    return 0;
}

static int commit(struct forward_apply *f)
{
    struct nft *b = NULL;
    int r = nft_new(UPLINK_NFT_TABLE, &b);

    if (r < 0)
        return r;
    uplink_nft_forwards(b, &f->list);
    r = nft_commit(b, f->nl, NULL);
    nft_free(b);
    return r;
}

int forward_apply_now(struct forward_apply *f)
{
    char status[UPLINK_FORWARD_WHY_MAX];
    int r;

    f->list.n = 0;
    f->list.error[0] = '\0';
    r = qdb_multiread(f->qdb, UPLINK_FORWARD_PREFIX, take, &f->list);
    if (r < 0)
        return r;
    r = commit(f);
    if (r < 0)
        snprintf(status, sizeof(status), "error kernel: %s", err_text(r));
    else
        uplink_forwards_status(&f->list, status);
    if (strcmp(status, f->status) == 0)
        return 0;
    log_info("forwards: %s", status);
    r = qdb_write(f->qdb, STATUS_KEY, status, strlen(status));
    if (r == 0)
        memcpy(f->status, status, sizeof(status));
    return r;
}
