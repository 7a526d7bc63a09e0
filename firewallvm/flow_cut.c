/* SPDX-License-Identifier: GPL-2.0-or-later */
/* End tracked flows. effect (ctnetlink over lib/nl.h). Fed by the kernel.
 * See flow_cut.h. A flow that cannot be read is an error, not skipped: a
 * changed list must hold for every flow. */
#include "firewallvm/flow_cut.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/err.h"
#include "lib/mem.h"

#define PASSES_MAX 16
#define BATCH_FLOWS 8192 /* deleted per pass at most */
#define FIRST_BYTES 4096

/* The delete messages of one pass, one behind another. */
struct pass {
    const struct ipaddr *src;
    flow_cut_fn must_end;
    void *arg;
    struct nl *nl;
    uint8_t *buf;
    size_t len, cap;
    size_t last; /* offset of the newest message */
    unsigned n;
    unsigned unread;
    int err;
};

static int make_room(struct pass *p)
{
    size_t cap = p->cap ? p->cap * 2 : FIRST_BYTES;
    uint8_t *buf;

    if (p->cap - p->len >= FLOW_MSG_MAX)
        return 0;
    buf = realloc(p->buf, cap);
    if (!buf)
        return -ENOMEM;
    p->buf = buf;
    p->cap = cap;
    return 0;
}

static int each_flow(const struct nlmsghdr *h, void *arg)
{
    struct pass *p = arg;
    struct nlmsghdr *del;
    struct flow flow;

    if (flow_msg_parse(h, &flow) < 0) {
        p->unread++;
        return MNL_CB_OK;
    }
    if ((p->src && !ipaddr_eq(p->src, &flow.src)) || p->n >= BATCH_FLOWS ||
        !p->must_end(&flow, p->arg))
        return MNL_CB_OK;
    p->err = make_room(p);
    if (p->err < 0)
        return MNL_CB_ERROR;
    del = flow_msg_delete(p->buf + p->len, &flow, nl_next_seq(p->nl), 0);
    p->last = p->len;
    p->len += del->nlmsg_len;
    p->n++;
    return MNL_CB_OK;
}

/* Find and delete once. @return flows deleted; -errno */
static int one_pass(struct nl *nl, uint8_t family, struct pass *p)
{
    uint8_t request[FLOW_MSG_MAX];
    struct nlmsghdr *h =
        flow_msg_dump(request, family, p->src, nl_next_seq(nl));
    int r;

    p->len = 0;
    p->n = 0;
    p->unread = 0;
    r = nl_talk(nl, request, h->nlmsg_len, each_flow, p);
    if (p->err < 0)
        return p->err;
    if (r < 0)
        return r;
    if (p->unread > 0)
        return -EBADMSG;
    if (p->n == 0)
        return 0;
    ((struct nlmsghdr *)(void *)(p->buf + p->last))->nlmsg_flags |= NLM_F_ACK;
    r = nl_talk(nl, p->buf, p->len, NULL, NULL);
    if (r < 0 && r != -ENOENT) /* it may have ended by itself */
        return r;
    return (int)p->n;
}

static int count_cb(const struct nlmsghdr *h, void *arg)
{
    return flow_msg_parse_count(h, arg) < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

/* A pass walks the kernel's whole table, so first ask if there is any flow;
 * if the answer is missing, look. */
static bool has_flows(struct nl *nl)
{
    uint8_t request[FLOW_MSG_MAX];
    struct nlmsghdr *h = flow_msg_count(request, nl_next_seq(nl));
    uint32_t n = UINT32_MAX;

    return nl_talk(nl, request, h->nlmsg_len, count_cb, &n) < 0 || n > 0;
}

int flow_cut(struct nl *nl, const struct ipaddr *src, flow_cut_fn must_end,
             void *arg, unsigned *ret_cut)
{
    struct pass p = {.src = src, .must_end = must_end, .arg = arg, .nl = nl};
    unsigned total = 0;
    int i, r = -EBUSY;

    if (!has_flows(nl))
        r = 0;
    for (i = 0; i < PASSES_MAX && r == -EBUSY; i++) {
        r = one_pass(nl, src ? src->family : AF_UNSPEC, &p);
        if (r > 0) {
            total += (unsigned)r;
            r = -EBUSY;
        }
    }
    free(p.buf);
    if (r == 0 && ret_cut)
        *ret_cut = total;
    return r;
}
