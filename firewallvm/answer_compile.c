/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chain of answers that wait. pure (appends to a batch). Fed by the
 * monitor's state. See answer_compile.h. */
#include "firewallvm/answer_compile.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "firewallvm/answer_queue.h"
#include "lib/mem.h"

#define PRIO_ANSWERS (-1)
#define QUBES "vif*"
#define DNS "dns" /* with the family: the resolvers */

static const uint8_t FAMILIES[] = {AF_INET, AF_INET6};

static void add_rule(struct nft *b, uint8_t family, enum nft_queue_way way)
{
    struct nft_rule *r = nft_rule_begin(b, FW_CHAIN_ANSWERS);
    char name[FW_SET_NAME_MAX];

    nft_match_iifname(r, QUBES, true);
    nft_match_nfproto(r, family == AF_INET ? NFT_NH_V4 : NFT_NH_V6);
    nft_match_l4proto(r, IPPROTO_UDP);
    nft_match_sport(r, FW_DNS_PORT, FW_DNS_PORT);
    nft_match_ct_state(r, NFT_CT_ESTABLISHED);
    nft_load_saddr(r, family, 0);
    nft_lookup(r, compile_set_name(DNS, family, name), false);
    nft_load_daddr(r, family, 0);
    nft_lookup(r, compile_set_name(FW_SET_WATCHED, family, name), false);
    nft_queue(r, ANSWER_QUEUE, way);
    nft_rule_end(b, r);
}

static void add_all(struct nft *b, enum nft_queue_way way)
{
    char name[FW_SET_NAME_MAX];
    size_t i;

    nft_base_chain(b, FW_CHAIN_ANSWERS, "filter", NFT_HOOK_FORWARD,
                   PRIO_ANSWERS, false);
    for (i = 0; i < ARRAY_LEN(FAMILIES); i++) {
        const struct nft_set_spec spec = {
            .name = compile_set_name(FW_SET_WATCHED, FAMILIES[i], name),
            .types = {FAMILIES[i] == AF_INET ? NFT_T_IPV4 : NFT_T_IPV6},
            .n_types = 1,
        };

        nft_set_add(b, &spec);
        add_rule(b, FAMILIES[i], way);
    }
}

static void each_set(struct nft *b, void (*fn)(struct nft *b, const char *name))
{
    char name[FW_SET_NAME_MAX];
    size_t i;

    for (i = 0; i < ARRAY_LEN(FAMILIES); i++)
        fn(b, compile_set_name(FW_SET_WATCHED, FAMILIES[i], name));
}

void compile_answers(struct nft *b, const struct fw_state *st, size_t had,
                     enum nft_queue_way way)
{
    char name[FW_SET_NAME_MAX];
    size_t i;

    if (way == NFT_QUEUE_NONE || (had == 0 && st->n_watched == 0))
        return;
    if (had == 0)
        add_all(b, way);
    else
        each_set(b, nft_set_flush);
    for (i = 0; i < st->n_watched; i++) {
        struct nft_key key = {0};

        nft_key_addr(&key, &st->watched[i]);
        nft_elem_add(
            b, compile_set_name(FW_SET_WATCHED, st->watched[i].family, name),
            &key);
    }
    if (st->n_watched > 0)
        return;
    nft_chain_flush(b, FW_CHAIN_ANSWERS);
    nft_chain_del(b, FW_CHAIN_ANSWERS);
    each_set(b, nft_set_del);
}
