/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dumps of elements and rules. effect. See nft_read.h. */
#include "lib/nft_read.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/expr.h>
#include <libnftnl/gen.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_BYTES 1024
#define COMMENT_MAX 64

struct reading {
    nft_seen_fn fn;
    void *arg;
    int err; /* of the callback or of memory */
};

static void take_expr(struct nftnl_expr *e, struct nft_seen *seen)
{
    const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);

    if (strcmp(name, "counter") == 0) {
        seen->packets = nftnl_expr_get_u64(e, NFTNL_EXPR_CTR_PACKETS);
        seen->bytes = nftnl_expr_get_u64(e, NFTNL_EXPR_CTR_BYTES);
    } else if (strcmp(name, "quota") == 0) {
        seen->used = nftnl_expr_get_u64(e, NFTNL_EXPR_QUOTA_CONSUMED);
    }
}

static int tell(struct reading *rd, const struct nft_seen *seen)
{
    int r = rd->fn(seen, rd->arg);

    if (r < 0)
        rd->err = r;
    return r < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

static int finish(const struct reading *rd, int r)
{
    return rd->err < 0 ? rd->err : r;
}

/* ---- elements ---- */
static int one_elem(struct nftnl_set_elem *e, void *arg)
{
    struct nft_seen seen = {.comment = ""};
    const void *data;
    uint32_t len = 0;

    seen.key = nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &len);
    seen.key_len = len;
    if (nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_DATA)) {
        data = nftnl_set_elem_get(e, NFTNL_SET_ELEM_DATA, &len);
        seen.has_mark = data && len == sizeof(seen.mark);
        if (seen.has_mark)
            memcpy(&seen.mark, data, sizeof(seen.mark));
    }
    if (nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_EXPR)) {
        const void *p = nftnl_set_elem_get(e, NFTNL_SET_ELEM_EXPR, &len);
        struct nftnl_expr *expr;

        memcpy(&expr, &p, sizeof(expr)); /* the getter lends it as const */
        if (expr)
            take_expr(expr, &seen);
    }
    return tell(arg, &seen) == MNL_CB_OK ? 0 : -1;
}

static int elems_cb(const struct nlmsghdr *h, void *arg)
{
    struct reading *rd = arg;
    struct nftnl_set *s = nftnl_set_alloc();
    int r = 0;

    if (!s) {
        rd->err = -ENOMEM;
        return MNL_CB_ERROR;
    }
    if (nftnl_set_elems_nlmsg_parse(h, s) == 0)
        r = nftnl_set_elem_foreach(s, one_elem, rd);
    nftnl_set_free(s);
    return r < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

int nft_read_elems(struct nl *nl, const char *table, const char *set,
                   nft_seen_fn fn, void *arg)
{
    struct reading rd = {.fn = fn, .arg = arg};
    struct nftnl_set *s = nftnl_set_alloc();
    char buf[REQUEST_BYTES];
    struct nlmsghdr *h;

    if (!s)
        return -ENOMEM;
    h = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETSETELEM, NFPROTO_INET, NLM_F_DUMP,
                              nl_next_seq(nl));
    nftnl_set_set_str(s, NFTNL_SET_TABLE, table);
    nftnl_set_set_str(s, NFTNL_SET_NAME, set);
    nftnl_set_elems_nlmsg_build_payload(h, s);
    nftnl_set_free(s);
    return finish(&rd, nl_talk(nl, buf, h->nlmsg_len, elems_cb, &rd));
}

/* ---- rules ---- */
static int one_expr(struct nftnl_expr *e, void *arg)
{
    take_expr(e, arg);
    return 0;
}

static int comment_cb(const struct nftnl_udata *attr, void *arg)
{
    char *comment = arg;
    uint8_t len = nftnl_udata_len(attr);
    const char *text = nftnl_udata_get(attr);

    if (nftnl_udata_type(attr) == NFTNL_UDATA_RULE_COMMENT && len > 0 &&
        len <= COMMENT_MAX && text[len - 1] == '\0')
        memcpy(comment, text, len);
    return 0;
}

static int rules_cb(const struct nlmsghdr *h, void *arg)
{
    struct reading *rd = arg;
    struct nftnl_rule *r = nftnl_rule_alloc();
    char comment[COMMENT_MAX] = "";
    struct nft_seen seen = {.comment = comment};
    const void *udata;
    uint32_t len = 0;
    int ret = MNL_CB_OK;

    if (!r) {
        rd->err = -ENOMEM;
        return MNL_CB_ERROR;
    }
    if (nftnl_rule_nlmsg_parse(h, r) == 0) {
        nftnl_expr_foreach(r, one_expr, &seen);
        udata = nftnl_rule_get_data(r, NFTNL_RULE_USERDATA, &len);
        if (udata)
            nftnl_udata_parse(udata, len, comment_cb, comment);
        ret = tell(rd, &seen);
    }
    nftnl_rule_free(r);
    return ret;
}

int nft_read_rules(struct nl *nl, const char *table, const char *chain,
                   nft_seen_fn fn, void *arg)
{
    struct reading rd = {.fn = fn, .arg = arg};
    struct nftnl_rule *r = nftnl_rule_alloc();
    char buf[REQUEST_BYTES];
    struct nlmsghdr *h;

    if (!r)
        return -ENOMEM;
    h = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETRULE, NFPROTO_INET, NLM_F_DUMP,
                              nl_next_seq(nl));
    nftnl_rule_set_str(r, NFTNL_RULE_TABLE, table);
    nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, chain);
    nftnl_rule_nlmsg_build_payload(h, r);
    nftnl_rule_free(r);
    return finish(&rd, nl_talk(nl, buf, h->nlmsg_len, rules_cb, &rd));
}

/* ---- the generation ---- */
static int gen_cb(const struct nlmsghdr *h, void *arg)
{
    struct nftnl_gen *g = nftnl_gen_alloc();
    uint32_t *id = arg;

    if (!g)
        return MNL_CB_ERROR;
    if (nftnl_gen_nlmsg_parse(h, g) == 0)
        *id = nftnl_gen_get_u32(g, NFTNL_GEN_ID);
    nftnl_gen_free(g);
    return MNL_CB_OK;
}

int nft_read_generation(struct nl *nl, uint32_t *ret)
{
    char buf[REQUEST_BYTES];
    uint32_t id = 0;
    struct nlmsghdr *h = nftnl_nlmsg_build_hdr(
        buf, NFT_MSG_GETGEN, NFPROTO_UNSPEC, NLM_F_ACK, nl_next_seq(nl));
    int r = nl_talk(nl, buf, h->nlmsg_len, gen_cb, &id);

    if (r == 0)
        *ret = id;
    return r;
}
