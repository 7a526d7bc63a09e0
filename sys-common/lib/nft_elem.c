/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys and elements of nftables sets. pure (bytes only, the batch is sent
 * by nft.c). See nft.h. Written attribute by attribute: a list of thousands
 * of elements needs no object for each of them. Source:
 * linux/netfilter/nf_tables.h. */
#include "lib/nft.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "lib/nft_impl.h"

/* A list attribute's length is 16 bits; the largest element is far below
 * what is left to it. */
#define LIST_FULL 60000u

/* ---- keys ---- */
static void key_append(struct nft_key *k, const void *src, size_t len)
{
    size_t full = nft_padded((uint32_t)len);

    if (k->len + full > sizeof(k->b)) {
        k->len = sizeof(k->b) + 1; /* refused by nft_elems_put() */
        return;
    }
    k->only = k->len == 0 ? len : 0;
    memset(k->b + k->len, 0, full);
    memcpy(k->b + k->len, src, len);
    k->len += full;
}

void nft_key_addr(struct nft_key *k, const struct ipaddr *a)
{
    key_append(k, a->b, ipaddr_len(a));
}

void nft_key_u8(struct nft_key *k, uint8_t v)
{
    key_append(k, &v, 1);
}

void nft_key_be16(struct nft_key *k, uint16_t v)
{
    uint16_t be = htons(v);

    key_append(k, &be, 2);
}

void nft_key_ifname(struct nft_key *k, const char *ifname)
{
    char name[16] = {0};

    strncpy(name, ifname, sizeof(name) - 1);
    key_append(k, name, sizeof(name));
}

static size_t key_len(const struct nft_key *k)
{
    return k->only ? k->only : k->len;
}

int nft_key_cmp(const struct nft_key *a, const struct nft_key *b)
{
    return memcmp(a->b, b->b, key_len(a));
}

/* ---- one element ---- */
static void put_value(struct nlmsghdr *h, uint16_t type,
                      const struct nft_key *k)
{
    struct nlattr *nest = mnl_attr_nest_start(h, type);

    mnl_attr_put(h, NFTA_DATA_VALUE, key_len(k), k->b);
    mnl_attr_nest_end(h, nest);
}

static void put_data(struct nlmsghdr *h, const struct nft_elem *e)
{
    uint32_t code = (uint32_t)(e->data == NFT_ELEM_JUMP ? NFT_JUMP : NFT_GOTO);
    struct nlattr *nest, *inner;

    if (e->data == NFT_ELEM_PLAIN)
        return;
    nest = mnl_attr_nest_start(h, NFTA_SET_ELEM_DATA);
    if (e->data == NFT_ELEM_MARK) {
        mnl_attr_put(h, NFTA_DATA_VALUE, sizeof(e->mark), &e->mark);
    } else {
        inner = mnl_attr_nest_start(h, NFTA_DATA_VERDICT);
        mnl_attr_put_u32(h, NFTA_VERDICT_CODE, htonl(code));
        mnl_attr_put_strz(h, NFTA_VERDICT_CHAIN, e->chain);
        mnl_attr_nest_end(h, inner);
    }
    mnl_attr_nest_end(h, nest);
}

static const char *state_name(enum nft_state_kind kind)
{
    return kind == NFT_STATE_FLOWS   ? "connlimit"
           : kind == NFT_STATE_QUOTA ? "quota"
                                     : "limit";
}

static void put_rate(struct nlmsghdr *h, const struct nft_elem *e)
{
    bool bytes = e->state == NFT_STATE_BYTES;

    mnl_attr_put_u64(h, NFTA_LIMIT_RATE, htobe64(e->limit));
    mnl_attr_put_u64(h, NFTA_LIMIT_UNIT, htobe64(1)); /* second */
    mnl_attr_put_u32(h, NFTA_LIMIT_BURST, htonl((uint32_t)e->burst));
    mnl_attr_put_u32(h, NFTA_LIMIT_TYPE,
                     htonl(bytes ? NFT_LIMIT_PKT_BYTES : NFT_LIMIT_PKTS));
    mnl_attr_put_u32(h, NFTA_LIMIT_FLAGS, htonl(NFT_LIMIT_F_INV));
}

static void put_state(struct nlmsghdr *h, const struct nft_elem *e)
{
    struct nlattr *nest, *inner;

    if (e->state == NFT_STATE_NONE)
        return;
    nest = mnl_attr_nest_start(h, NFTA_SET_ELEM_EXPR);
    mnl_attr_put_strz(h, NFTA_EXPR_NAME, state_name(e->state));
    inner = mnl_attr_nest_start(h, NFTA_EXPR_DATA);
    if (e->state == NFT_STATE_FLOWS) {
        mnl_attr_put_u32(h, NFTA_CONNLIMIT_COUNT, htonl((uint32_t)e->limit));
        mnl_attr_put_u32(h, NFTA_CONNLIMIT_FLAGS, htonl(NFT_CONNLIMIT_F_INV));
    } else if (e->state == NFT_STATE_QUOTA) {
        mnl_attr_put_u64(h, NFTA_QUOTA_BYTES, htobe64(e->limit));
        mnl_attr_put_u64(h, NFTA_QUOTA_CONSUMED, htobe64(e->used));
        mnl_attr_put_u32(h, NFTA_QUOTA_FLAGS, htonl(NFT_QUOTA_F_INV));
    } else {
        put_rate(h, e);
    }
    mnl_attr_nest_end(h, inner);
    mnl_attr_nest_end(h, nest);
}

static void put_elem(struct nlmsghdr *h, const struct nft_elem *e)
{
    struct nlattr *nest = mnl_attr_nest_start(h, NFTA_LIST_ELEM);

    if (e->key)
        put_value(h, NFTA_SET_ELEM_KEY, e->key);
    else
        mnl_attr_put_u32(h, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_CATCHALL));
    if (e->end)
        put_value(h, NFTA_SET_ELEM_KEY_END, e->end);
    if (e->interval_end)
        mnl_attr_put_u32(h, NFTA_SET_ELEM_FLAGS,
                         htonl(NFT_SET_ELEM_INTERVAL_END));
    put_data(h, e);
    if (e->timeout_ms)
        mnl_attr_put_u64(h, NFTA_SET_ELEM_TIMEOUT, htobe64(e->timeout_ms));
    put_state(h, e);
    mnl_attr_nest_end(h, nest);
}

/* ---- a run of elements ---- */
void nft_elems_begin(struct nft *b, const char *set, bool del,
                     struct nft_elems *ret)
{
    *ret = (struct nft_elems){.b = b, .set = set, .del = del};
}

static void close_message(struct nft_elems *run)
{
    if (!run->h)
        return;
    mnl_attr_nest_end(run->h, run->list);
    nft_msg_end(run->b, run->h);
    run->h = NULL;
}

static bool open_message(struct nft_elems *run)
{
    run->h = nft_msg_begin(run->b,
                           run->del ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM,
                           run->del ? 0 : NLM_F_CREATE);
    if (!run->h)
        return false;
    mnl_attr_put_strz(run->h, NFTA_SET_ELEM_LIST_TABLE, nft_table(run->b));
    mnl_attr_put_strz(run->h, NFTA_SET_ELEM_LIST_SET, run->set);
    run->list = mnl_attr_nest_start(run->h, NFTA_SET_ELEM_LIST_ELEMENTS);
    return true;
}

void nft_elems_put(struct nft_elems *run, const struct nft_elem *e)
{
    if ((e->key && e->key->len > sizeof(e->key->b)) ||
        (e->end && e->end->len > sizeof(e->end->b))) {
        nft_fail(run->b, -ENOBUFS);
        return;
    }
    if (run->h && run->h->nlmsg_len > LIST_FULL)
        close_message(run);
    if (run->h || open_message(run))
        put_elem(run->h, e);
}

void nft_elems_end(struct nft_elems *run)
{
    close_message(run);
}

/* Big-endian increment; false when it wraps to zero. */
static bool key_next(struct nft_key *k)
{
    for (size_t i = key_len(k); i-- > 0;)
        if (++k->b[i] != 0)
            return true;
    return false;
}

void nft_elems_put_range(struct nft_elems *run, const struct nft_elem *first,
                         const struct nft_key *last)
{
    struct nft_key after = *last;
    struct nft_elem end = {.key = &after, .interval_end = true};

    nft_elems_put(run, first);
    if (key_next(&after))
        nft_elems_put(run, &end);
}

/* ---- single elements ---- */
static void put_one(struct nft *b, const char *set, bool del,
                    const struct nft_elem *e)
{
    struct nft_elems run;

    nft_elems_begin(b, set, del, &run);
    nft_elems_put(&run, e);
    nft_elems_end(&run);
}

void nft_elem_add(struct nft *b, const char *set, const struct nft_key *key)
{
    struct nft_elem e = {.key = key};

    put_one(b, set, false, &e);
}

void nft_elem_del(struct nft *b, const char *set, const struct nft_key *key)
{
    struct nft_elem e = {.key = key};

    put_one(b, set, true, &e);
}
