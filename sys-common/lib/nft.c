/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One nftables transaction: batch, tables, chains, sets. effect
 * (nft_commit and nft_counter_read only). See nft.h; keys and elements are
 * in nft_elem.c, expressions of rules in nft_expr.c. */
#include "lib/nft.h"

#include <netinet/in.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "lib/nft_impl.h"

#define NFT_BATCH_MAX (64u << 20) /* bytes; 4,000 rules take about 2 MB */
#define NFT_MSG_ROOM 65536u       /* a message never grows beyond this */
#define NFT_SET_CONCAT_FLAG 0x80u
#define NFT_DATATYPE_MARK 19u /* as nft(8) shows it */

struct nft {
    const char *table;
    uint8_t *buf;
    size_t len;
    size_t cap;
    size_t last; /* offset of the newest message */
    unsigned msgs;
    uint32_t set_id;
    int err;
    bool closed;
};

int nft_new(const char *table, struct nft **ret)
{
    struct nft *b = calloc(1, sizeof(*b));

    if (!b)
        return -ENOMEM;
    b->table = table;
    b->cap = 2 * NFT_MSG_ROOM;
    b->buf = malloc(b->cap);
    if (!b->buf) {
        nft_free(b);
        return -ENOMEM;
    }
    struct nlmsghdr *h = nftnl_batch_begin((char *)b->buf, 0);
    b->len = h->nlmsg_len;
    *ret = b;
    return 0;
}

void nft_free(struct nft *b)
{
    if (!b)
        return;
    free(b->buf);
    free(b);
}

int nft_error(const struct nft *b)
{
    return b->err;
}

void nft_fail(struct nft *b, int err)
{
    if (b->err == 0)
        b->err = err;
}

const char *nft_table(const struct nft *b)
{
    return b->table;
}

static int reserve(struct nft *b)
{
    if (b->cap - b->len >= NFT_MSG_ROOM)
        return 0;
    if (b->cap >= NFT_BATCH_MAX)
        return -ENOBUFS;
    uint8_t *bigger = realloc(b->buf, b->cap * 2);
    if (!bigger)
        return -ENOMEM;
    b->buf = bigger;
    b->cap *= 2;
    return 0;
}

struct nlmsghdr *nft_msg_begin(struct nft *b, uint16_t type, uint16_t flags)
{
    int r = b->closed ? -EPROTO : reserve(b);

    if (r < 0)
        nft_fail(b, r);
    if (b->err)
        return NULL;
    b->last = b->len;
    return nftnl_nlmsg_build_hdr((char *)b->buf + b->len, type, NFPROTO_INET,
                                 flags, 0);
}

void nft_msg_end(struct nft *b, const struct nlmsghdr *h)
{
    b->len += h->nlmsg_len;
    b->msgs++;
}

const void *nft_bytes(struct nft *b, size_t *ret_len)
{
    *ret_len = b->len;
    return b->buf;
}

/* Give every message its sequence number; batch begin has the first. */
static uint32_t number_messages(struct nft *b, struct nl *nl)
{
    int left = (int)b->len;
    uint32_t first = 0;

    for (struct nlmsghdr *h = (void *)b->buf; mnl_nlmsg_ok(h, left);
         h = mnl_nlmsg_next(h, &left)) {
        h->nlmsg_seq = nl_next_seq(nl);
        if (h == (void *)b->buf)
            first = h->nlmsg_seq;
    }
    return first;
}

int nft_commit(struct nft *b, struct nl *nl, unsigned *ret_msg)
{
    int r = b->closed ? 0 : reserve(b);

    if (r < 0)
        nft_fail(b, r);
    if (b->err)
        return b->err;
    if (b->msgs == 0)
        return 0;
    if (!b->closed) {
        struct nlmsghdr *last = (void *)(b->buf + b->last);
        last->nlmsg_flags |= NLM_F_ACK;
        struct nlmsghdr *end = nftnl_batch_end((char *)b->buf + b->len, 0);
        b->len += end->nlmsg_len;
        b->closed = true;
    }
    uint32_t first = number_messages(b, nl);
    r = nl_talk(nl, b->buf, b->len, NULL, NULL);
    if (r < 0 && ret_msg)
        *ret_msg = nl_refused_seq(nl) - first - 1;
    return r;
}

/* Is there all that a message needs? What is missing has been noted. */
static bool ready(struct nft *b, const struct nlmsghdr *h, const void *object)
{
    if (h && !object)
        nft_fail(b, -ENOMEM);
    return h && object;
}

/* ---- tables ---- */
static void table_msg(struct nft *b, uint16_t type, uint16_t flags)
{
    struct nlmsghdr *h = nft_msg_begin(b, type, flags);
    struct nftnl_table *t = h ? nftnl_table_alloc() : NULL;

    if (!ready(b, h, t))
        return;
    nftnl_table_set_str(t, NFTNL_TABLE_NAME, b->table);
    nftnl_table_nlmsg_build_payload(h, t);
    nft_msg_end(b, h);
    nftnl_table_free(t);
}

void nft_table_add(struct nft *b)
{
    table_msg(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
}

void nft_table_drop(struct nft *b)
{
    nft_table_add(b);
    table_msg(b, NFT_MSG_DELTABLE, 0);
}

void nft_table_reset(struct nft *b)
{
    nft_table_drop(b);
    nft_table_add(b);
}

/* ---- chains ---- */
static void chain_msg(struct nft *b, uint16_t type, uint16_t flags,
                      struct nftnl_chain *c)
{
    struct nlmsghdr *h = c ? nft_msg_begin(b, type, flags) : NULL;

    if (!c)
        nft_fail(b, -ENOMEM);
    if (h) {
        nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, b->table);
        nftnl_chain_nlmsg_build_payload(h, c);
        nft_msg_end(b, h);
    }
    if (c)
        nftnl_chain_free(c);
}

static struct nftnl_chain *chain_named(const char *name)
{
    struct nftnl_chain *c = nftnl_chain_alloc();

    if (c)
        nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name);
    return c;
}

void nft_base_chain(struct nft *b, const char *name, const char *type,
                    uint32_t hook, int32_t prio, bool policy_drop)
{
    struct nftnl_chain *c = chain_named(name);

    if (c) {
        nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, type);
        nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, hook);
        nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, prio);
        nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY,
                            policy_drop ? NF_DROP : NF_ACCEPT);
    }
    chain_msg(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, c);
}

void nft_chain_add(struct nft *b, const char *name)
{
    chain_msg(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, chain_named(name));
}

void nft_chain_del(struct nft *b, const char *name)
{
    chain_msg(b, NFT_MSG_DELCHAIN, 0, chain_named(name));
}

void nft_chain_flush(struct nft *b, const char *name)
{
    struct nlmsghdr *h = nft_msg_begin(b, NFT_MSG_DELRULE, 0);
    struct nftnl_rule *r = h ? nftnl_rule_alloc() : NULL;

    if (!ready(b, h, r))
        return;
    nftnl_rule_set_str(r, NFTNL_RULE_TABLE, b->table);
    nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, name);
    nftnl_rule_nlmsg_build_payload(h, r);
    nft_msg_end(b, h);
    nftnl_rule_free(r);
}

void nft_counter_add(struct nft *b, const char *name)
{
    struct nlmsghdr *h = nft_msg_begin(b, NFT_MSG_NEWOBJ, NLM_F_CREATE);
    struct nftnl_obj *o = h ? nftnl_obj_alloc() : NULL;

    if (!ready(b, h, o))
        return;
    nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, b->table);
    nftnl_obj_set_str(o, NFTNL_OBJ_NAME, name);
    nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
    nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_PKTS, 0);
    nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_BYTES, 0);
    nftnl_obj_nlmsg_build_payload(h, o);
    nft_msg_end(b, h);
    nftnl_obj_free(o);
}

/* ---- sets ---- */
static uint32_t type_len(enum nft_type t)
{
    switch (t) {
    case NFT_T_IPV4:
        return 4;
    case NFT_T_IPV6:
        return 16;
    case NFT_T_INET_PROTO:
        return 1;
    case NFT_T_INET_SERVICE:
        return 2;
    case NFT_T_ICMP_TYPE:
    case NFT_T_ICMPV6_TYPE:
        return 1;
    case NFT_T_IFNAME:
        return 16;
    }
    return 0;
}

uint32_t nft_padded(uint32_t len)
{
    return (len + 3u) & ~3u;
}

static void set_describe(struct nftnl_set *s, const struct nft_set_spec *spec)
{
    uint32_t type = 0, len = 0, flags = spec->flags;
    uint8_t field_len[NFT_KEY_FIELDS] = {0};

    for (unsigned i = 0; i < spec->n_types && i < NFT_KEY_FIELDS; i++) {
        uint32_t one = type_len(spec->types[i]);
        type = type << 6 | (uint32_t)spec->types[i];
        len += spec->n_types > 1 ? nft_padded(one) : one;
        field_len[i] = (uint8_t)one;
    }
    if (spec->n_types > 1 && (flags & NFT_F_INTERVAL)) {
        flags |= NFT_SET_CONCAT_FLAG;
        nftnl_set_set_data(s, NFTNL_SET_DESC_CONCAT, field_len, spec->n_types);
    }
    nftnl_set_set_u32(s, NFTNL_SET_FLAGS, flags);
    nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, type);
    nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, len);
    if ((flags & NFT_F_MAP) && spec->marks) {
        nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, NFT_DATATYPE_MARK);
        nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, sizeof(uint32_t));
    } else if (flags & NFT_F_MAP) {
        nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
    }
    if (spec->size)
        nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, spec->size);
}

/* Every element counts what it matched. */
static void set_counted(struct nft *b, struct nftnl_set *s)
{
    struct nftnl_expr *e = nftnl_expr_alloc("counter");

    if (e)
        nftnl_set_add_expr(s, e);
    else
        nft_fail(b, -ENOMEM);
}

static void set_msg(struct nft *b, uint16_t type, uint16_t flags,
                    const char *name, const struct nft_set_spec *spec)
{
    struct nlmsghdr *h = nft_msg_begin(b, type, flags);
    struct nftnl_set *s = h ? nftnl_set_alloc() : NULL;

    if (!ready(b, h, s))
        return;
    nftnl_set_set_str(s, NFTNL_SET_TABLE, b->table);
    nftnl_set_set_str(s, NFTNL_SET_NAME, name);
    nftnl_set_set_u32(s, NFTNL_SET_FAMILY, NFPROTO_INET);
    if (spec) {
        nftnl_set_set_u32(s, NFTNL_SET_ID, ++b->set_id);
        set_describe(s, spec);
        if (spec->counted)
            set_counted(b, s);
    }
    nftnl_set_nlmsg_build_payload(h, s);
    nft_msg_end(b, h);
    nftnl_set_free(s);
}

void nft_set_add(struct nft *b, const struct nft_set_spec *spec)
{
    set_msg(b, NFT_MSG_NEWSET, NLM_F_CREATE, spec->name, spec);
}

void nft_set_del(struct nft *b, const char *name)
{
    set_msg(b, NFT_MSG_DELSET, 0, name, NULL);
}

void nft_set_flush(struct nft *b, const char *name)
{
    set_msg(b, NFT_MSG_DELSETELEM, 0, name, NULL);
}

/* ---- counters ---- */
struct counter_answer {
    uint64_t packets;
    uint64_t bytes;
    bool found;
};

static int counter_cb(const struct nlmsghdr *h, void *arg)
{
    struct counter_answer *a = arg;
    struct nftnl_obj *o = nftnl_obj_alloc();

    if (!o)
        return -1;
    if (nftnl_obj_nlmsg_parse(h, o) == 0) {
        a->packets = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_PKTS);
        a->bytes = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_BYTES);
        a->found = true;
    }
    nftnl_obj_free(o);
    return 1;
}

int nft_counter_read(struct nl *nl, const char *table, const char *name,
                     uint64_t *ret_packets, uint64_t *ret_bytes)
{
    char buf[1024];
    struct counter_answer a = {0};
    struct nftnl_obj *o = nftnl_obj_alloc();

    if (!o)
        return -ENOMEM;
    struct nlmsghdr *h = nftnl_nlmsg_build_hdr(
        buf, NFT_MSG_GETOBJ, NFPROTO_INET, NLM_F_ACK, nl_next_seq(nl));
    nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, table);
    nftnl_obj_set_str(o, NFTNL_OBJ_NAME, name);
    nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
    nftnl_obj_nlmsg_build_payload(h, o);
    nftnl_obj_free(o);
    int r = nl_talk(nl, buf, h->nlmsg_len, counter_cb, &a);
    if (r < 0)
        return r;
    if (!a.found)
        return -ENOENT;
    if (ret_packets)
        *ret_packets = a.packets;
    if (ret_bytes)
        *ret_bytes = a.bytes;
    return 0;
}
