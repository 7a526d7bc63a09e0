/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log, limits, segment size and flowtables of nftables. pure
 * (bytes only, the batch is sent by nft.c). See nft.h. */
#include "lib/nft.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <libnftnl/expr.h>
#include <libnftnl/flowtable.h>
#include <libnftnl/object.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/nft_impl.h"

#define STATE_TIMEOUT_MS 60000u
#define TCP_FLAGS_AT 13
#define TCP_OPT_MSS_AT 2 /* of the option: its value */

void nft_reject_no_route(struct nft_rule *r)
{
    struct nftnl_expr *e = nft_expr_new(r, "reject");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
    nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, NFT_REJECT_ICMPX_NO_ROUTE);
    nft_expr_add(r, e);
}

void nft_log(struct nft_rule *r, const char *prefix, uint16_t group,
             uint32_t snaplen)
{
    struct nftnl_expr *e = nft_expr_new(r, "log");

    if (!e)
        return;
    nftnl_expr_set_str(e, NFTNL_EXPR_LOG_PREFIX, prefix);
    nftnl_expr_set_u16(e, NFTNL_EXPR_LOG_GROUP, group);
    nftnl_expr_set_u32(e, NFTNL_EXPR_LOG_SNAPLEN, snaplen);
    nft_expr_add(r, e);
}

static void queue_xt(struct nft_rule *r, uint16_t num)
{
    const struct xt_NFQ_info_v3 info = {
        .queuenum = num, .queues_total = 1, .flags = NFQ_FLAG_BYPASS};
    struct nftnl_expr *e = nft_expr_new(r, "target");
    void *data;

    if (!e)
        return;
    data = calloc(1, XT_ALIGN(sizeof(info)));
    if (!data) {
        nftnl_expr_free(e);
        nft_rule_fail(r, -ENOMEM);
        return;
    }
    memcpy(data, &info, sizeof(info));
    nftnl_expr_set_str(e, NFTNL_EXPR_TG_NAME, "NFQUEUE");
    nftnl_expr_set_u32(e, NFTNL_EXPR_TG_REV, 3);
    /* It takes the memory over. */
    nftnl_expr_set(e, NFTNL_EXPR_TG_INFO, data, XT_ALIGN(sizeof(info)));
    nft_expr_add(r, e);
}

void nft_queue(struct nft_rule *r, uint16_t num, enum nft_queue_way way)
{
    struct nftnl_expr *e;

    if (way == NFT_QUEUE_XT) {
        queue_xt(r, num);
        return;
    }
    e = nft_expr_new(r, "queue");
    if (!e)
        return;
    nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_NUM, num);
    nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_TOTAL, 1);
    nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_FLAGS, NFT_QUEUE_FLAG_BYPASS);
    nft_expr_add(r, e);
}

void nft_limit_ref(struct nft_rule *r, const char *name)
{
    struct nftnl_expr *e = nft_expr_new(r, "objref");

    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_LIMIT);
    nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, name);
    nft_expr_add(r, e);
}

void nft_clamp_mss(struct nft_rule *r)
{
    static const uint8_t syn_rst = TH_SYN | TH_RST, syn = TH_SYN;
    uint8_t proto = IPPROTO_TCP;
    struct nftnl_expr *e;

    nft_match_l4proto(r, proto);
    nft_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_AT, 1, NFT_REG_1);
    nft_mask(r, &syn_rst, 1);
    nft_cmp(r, NFT_CMP_EQ, &syn, 1);
    e = nft_expr_new(r, "rt");
    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_RT_KEY, NFT_RT_TCPMSS);
    nftnl_expr_set_u32(e, NFTNL_EXPR_RT_DREG, NFT_REG_1);
    nft_expr_add(r, e);
    e = nft_expr_new(r, "byteorder");
    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_SREG, NFT_REG_1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_DREG, NFT_REG_1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
    nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_LEN, 2);
    nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_SIZE, 2);
    nft_expr_add(r, e);
    e = nft_expr_new(r, "exthdr");
    if (!e)
        return;
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_SREG, NFT_REG_1);
    nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, TCPOPT_MAXSEG);
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OFFSET, TCP_OPT_MSS_AT);
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_LEN, 2);
    nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
    nft_expr_add(r, e);
}

/* @return the stateful expression, NULL after an error (noted) */
static struct nftnl_expr *state_expr(struct nft_rule *r,
                                     enum nft_state_kind kind, uint64_t limit,
                                     uint32_t burst)
{
    bool flows = kind == NFT_STATE_FLOWS;
    struct nftnl_expr *e = nft_expr_new(r, flows ? "connlimit" : "limit");

    if (!e)
        return NULL;
    if (flows) {
        nftnl_expr_set_u32(e, NFTNL_EXPR_CONNLIMIT_COUNT, (uint32_t)limit);
        nftnl_expr_set_u32(e, NFTNL_EXPR_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
    } else {
        nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_RATE, limit);
        nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_UNIT, 1); /* second */
        nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_BURST, burst);
        nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
        nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_FLAGS, NFT_LIMIT_F_INV);
    }
    return e;
}

void nft_over(struct nft_rule *r, enum nft_state_kind kind, uint64_t limit,
              uint32_t burst)
{
    struct nftnl_expr *e = state_expr(r, kind, limit, burst);

    if (e)
        nft_expr_add(r, e);
}

/* @return the expression, to be added; NULL after an error (noted) */
static struct nftnl_expr *dynset(struct nft_rule *r, const char *set,
                                 uint32_t op)
{
    struct nftnl_expr *e = nft_expr_new(r, "dynset");

    if (!e)
        return NULL;
    nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG32_00);
    nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, set);
    nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, op);
    return e;
}

void nft_over_in_set(struct nft_rule *r, const char *set,
                     enum nft_state_kind kind, uint64_t limit, uint32_t burst)
{
    bool rate = kind != NFT_STATE_FLOWS;
    struct nftnl_expr *state = state_expr(r, kind, limit, burst), *e;

    if (!state)
        return;
    e = dynset(r, set, rate ? NFT_DYNSET_OP_UPDATE : NFT_DYNSET_OP_ADD);
    if (!e) {
        nftnl_expr_free(state);
        return;
    }
    if (rate)
        nftnl_expr_set_u64(e, NFTNL_EXPR_DYNSET_TIMEOUT, STATE_TIMEOUT_MS);
    nftnl_expr_add_expr(e, NFTNL_EXPR_DYNSET_EXPR, state);
    nft_expr_add(r, e);
}

void nft_count_in_set(struct nft_rule *r, const char *set)
{
    struct nftnl_expr *e = dynset(r, set, NFT_DYNSET_OP_UPDATE);

    if (e)
        nft_expr_add(r, e);
}

void nft_flow_add(struct nft_rule *r, const char *flowtable)
{
    struct nftnl_expr *e = nft_expr_new(r, "flow_offload");

    if (!e)
        return;
    nftnl_expr_set_str(e, NFTNL_EXPR_FLOW_TABLE_NAME, flowtable);
    nft_expr_add(r, e);
}

/* ---- objects ---- */
void nft_limit_add(struct nft *b, const char *name, uint64_t rate,
                   uint32_t burst)
{
    struct nlmsghdr *h = nft_msg_begin(b, NFT_MSG_NEWOBJ, NLM_F_CREATE);
    struct nftnl_obj *o = h ? nftnl_obj_alloc() : NULL;

    if (!h)
        return;
    if (!o) {
        nft_fail(b, -ENOMEM);
        return;
    }
    nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, nft_table(b));
    nftnl_obj_set_str(o, NFTNL_OBJ_NAME, name);
    nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_LIMIT);
    nftnl_obj_set_u64(o, NFTNL_OBJ_LIMIT_RATE, rate);
    nftnl_obj_set_u64(o, NFTNL_OBJ_LIMIT_UNIT, 1);
    nftnl_obj_set_u32(o, NFTNL_OBJ_LIMIT_BURST, burst);
    nftnl_obj_set_u32(o, NFTNL_OBJ_LIMIT_TYPE, NFT_LIMIT_PKTS);
    nftnl_obj_set_u32(o, NFTNL_OBJ_LIMIT_FLAGS, 0);
    nftnl_obj_nlmsg_build_payload(h, o);
    nft_msg_end(b, h);
    nftnl_obj_free(o);
}

static void flowtable_msg(struct nft *b, uint16_t type, uint16_t flags,
                          const char *name, const char *const *devices)
{
    struct nlmsghdr *h = nft_msg_begin(b, type, flags);
    struct nftnl_flowtable *f = h ? nftnl_flowtable_alloc() : NULL;

    if (!h)
        return;
    if (!f) {
        nft_fail(b, -ENOMEM);
        return;
    }
    nftnl_flowtable_set_str(f, NFTNL_FLOWTABLE_TABLE, nft_table(b));
    nftnl_flowtable_set_str(f, NFTNL_FLOWTABLE_NAME, name);
    nftnl_flowtable_set_u32(f, NFTNL_FLOWTABLE_HOOKNUM, 0); /* ingress */
    nftnl_flowtable_set_u32(f, NFTNL_FLOWTABLE_PRIO, 0);
    if (devices &&
        nftnl_flowtable_set_data(f, NFTNL_FLOWTABLE_DEVICES, devices, 0) < 0)
        nft_fail(b, -ENOMEM);
    nftnl_flowtable_nlmsg_build_payload(h, f);
    nft_msg_end(b, h);
    nftnl_flowtable_free(f);
}

void nft_flowtable_add(struct nft *b, const char *name)
{
    flowtable_msg(b, NFT_MSG_NEWFLOWTABLE, NLM_F_CREATE, name, NULL);
}

void nft_flowtable_devices(struct nft *b, const char *name,
                           const char *const *devices, bool del)
{
    flowtable_msg(b, del ? NFT_MSG_DELFLOWTABLE : NFT_MSG_NEWFLOWTABLE,
                  del ? 0 : NLM_F_CREATE, name, devices);
}
