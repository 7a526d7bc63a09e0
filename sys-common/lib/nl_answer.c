/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answers to one netlink exchange. pure. See nl_answer.h. */
#include "lib/nl_answer.h"

#include <errno.h>
#include <limits.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* mnl_nlmsg_ok() takes lengths from 2^31 up for negative ones, and so for
 * short enough. */
static bool msg_ok(const struct nlmsghdr *h, int left)
{
    return mnl_nlmsg_ok(h, left) && h->nlmsg_len <= INT_MAX;
}

int nl_answer_init(struct nl_answer *ret, const void *msg, size_t len,
                   mnl_cb_t cb, void *arg)
{
    struct nl_answer a = {.cb = cb, .arg = arg};
    bool any = false, asked = false;

    if (len > INT_MAX)
        return -EINVAL;
    int left = (int)len;
    for (const struct nlmsghdr *h = msg; msg_ok(h, left);
         h = mnl_nlmsg_next(h, &left)) {
        if (!any) {
            a.first_seq = h->nlmsg_seq;
            a.batch = h->nlmsg_type == NFNL_MSG_BATCH_BEGIN;
        }
        any = true;
        if (h->nlmsg_flags & (NLM_F_ACK | NLM_F_DUMP)) {
            a.last_seq = h->nlmsg_seq;
            asked = true;
        }
    }
    if (!asked)
        return -EINVAL;
    *ret = a;
    return 0;
}

static bool is_ours(const struct nl_answer *a, uint32_t seq)
{
    return seq - a->first_seq <= a->last_seq - a->first_seq;
}

/* An acknowledgement (error 0) or a refusal. */
static int take_error(struct nl_answer *a, const struct nlmsghdr *h)
{
    struct nlmsgerr e;

    if (mnl_nlmsg_get_payload_len(h) < sizeof(e))
        return -EBADMSG;
    memcpy(&e, mnl_nlmsg_get_payload(h), sizeof(e));
    if (e.error == INT_MIN)
        return -EBADMSG;
    if (e.error != 0 && a->first_err == 0) {
        a->first_err = e.error < 0 ? e.error : -e.error;
        a->refused_seq = h->nlmsg_seq;
    }
    /* A batch whose begin is refused gets no other answer. */
    if (h->nlmsg_seq == a->last_seq ||
        (a->batch && h->nlmsg_seq == a->first_seq))
        a->done = true;
    return 0;
}

int nl_answer_feed(struct nl_answer *a, const void *buf, size_t len)
{
    if (len > INT_MAX)
        return -EBADMSG;
    int left = (int)len;
    for (const struct nlmsghdr *h = buf; msg_ok(h, left);
         h = mnl_nlmsg_next(h, &left)) {
        if (!is_ours(a, h->nlmsg_seq))
            continue;
        if (h->nlmsg_type == NLMSG_ERROR) {
            int r = take_error(a, h);
            if (r < 0)
                return r;
        } else if (h->nlmsg_type == NLMSG_DONE) {
            a->done = true;
        } else if (h->nlmsg_type >= NLMSG_MIN_TYPE && a->cb) {
            if (a->cb(h, a->arg) < 0)
                return -ECANCELED;
        }
    }
    return 0;
}
