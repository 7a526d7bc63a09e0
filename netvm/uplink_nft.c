/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table inet sysqube-uplink. pure. Fed by constants and the list of
 * forwards; see uplink_nft.h. Numbers: RFC 792, RFC 4443, RFC 4861, RFC 2131,
 * RFC 8415. */
#include "netvm/uplink_nft.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/mem.h"
#include "netvm/uplink_name.h"

#define VIF UPLINK_VIF_PREFIX "*"
#define PRIO_FILTER 0
#define PRIO_DSTNAT (-100)
#define PRIO_SRCNAT 100
#define FORWARDS "forwards"
#define TRANSLATE "translate"
#define OUTWARD "outward"

#define PORT_DNS 53
#define PORT_DHCP4_SERVER 67
#define PORT_DHCP4_CLIENT 68
#define PORT_DHCP6_CLIENT 546
#define PORT_DHCP6_SERVER 547

#define ICMP_ECHO_REQUEST 8
#define ICMP6_ECHO_REQUEST 128
#define ICMP6_MLD_QUERY 130
#define ICMP6_ROUTER_ADVERT 134
#define ICMP6_NEIGHBOUR_SOLICIT 135
#define ICMP6_NEIGHBOUR_ADVERT 136

static struct ipnet net_of(const char *s)
{
    struct ipnet n = {0};

    /* Constants of this file only; a wrong one is caught by the tests. */
    (void)ipnet_parse(text_of(s), &n);
    return n;
}

static void accept_known(struct nft *b, const char *chain)
{
    struct nft_rule *r = nft_rule_begin(b, chain);

    nft_match_ct_state(r, NFT_CT_ESTABLISHED | NFT_CT_RELATED);
    nft_accept(r);
    nft_rule_end(b, r);

    r = nft_rule_begin(b, chain);
    nft_match_ct_state(r, NFT_CT_INVALID);
    nft_counter(r);
    nft_drop(r);
    nft_rule_end(b, r);
}

static void accept_loopback(struct nft *b)
{
    struct nft_rule *r = nft_rule_begin(b, "input");

    nft_match_iifname(r, "lo", false);
    nft_accept(r);
    nft_rule_end(b, r);
}

/* ICMPv6 of one type; from the uplink only, and then from a neighbour there,
 * unless @p any_link. Hop limit 255 is checked by the kernel. */
static void accept_icmp6(struct nft *b, uint8_t type, bool any_link)
{
    struct nft_rule *r = nft_rule_begin(b, "input");
    struct ipnet link_local = net_of("fe80::/10");

    nft_match_nfproto(r, NFT_NH_V6);
    if (!any_link) {
        nft_match_iifname(r, VIF, true);
        nft_match_saddr(r, &link_local, false);
    }
    nft_match_l4proto(r, IPPROTO_ICMPV6);
    nft_match_icmp_type(r, type);
    nft_accept(r);
    nft_rule_end(b, r);
}

/* Answers of DHCP servers: not part of a known connection, because the
 * question went out from 0.0.0.0 or to a multicast address. */
static void accept_dhcp(struct nft *b)
{
    struct nft_rule *r = nft_rule_begin(b, "input");
    struct ipnet link_local = net_of("fe80::/10");

    nft_match_nfproto(r, NFT_NH_V4);
    nft_match_iifname(r, VIF, true);
    nft_match_l4proto(r, IPPROTO_UDP);
    nft_match_sport(r, PORT_DHCP4_SERVER, PORT_DHCP4_SERVER);
    nft_match_dport(r, PORT_DHCP4_CLIENT, PORT_DHCP4_CLIENT);
    nft_accept(r);
    nft_rule_end(b, r);

    r = nft_rule_begin(b, "input");
    nft_match_nfproto(r, NFT_NH_V6);
    nft_match_iifname(r, VIF, true);
    nft_match_saddr(r, &link_local, false);
    nft_match_l4proto(r, IPPROTO_UDP);
    nft_match_sport(r, PORT_DHCP6_SERVER, PORT_DHCP6_SERVER);
    nft_match_dport(r, PORT_DHCP6_CLIENT, PORT_DHCP6_CLIENT);
    nft_accept(r);
    nft_rule_end(b, r);
}

static void accept_dns(struct nft *b, const char *server, uint8_t proto)
{
    struct nft_rule *r = nft_rule_begin(b, "input");
    struct ipnet net = net_of(server);

    nft_match_nfproto(r, net.addr.family == AF_INET ? NFT_NH_V4 : NFT_NH_V6);
    nft_match_iifname(r, VIF, false);
    nft_match_daddr(r, &net, false);
    nft_match_l4proto(r, proto);
    nft_match_dport(r, PORT_DNS, PORT_DNS);
    nft_accept(r);
    nft_rule_end(b, r);
}

static void accept_echo(struct nft *b, uint8_t nfproto, uint8_t l4proto,
                        uint8_t type)
{
    struct nft_rule *r = nft_rule_begin(b, "input");

    nft_match_nfproto(r, nfproto);
    nft_match_iifname(r, VIF, false);
    nft_match_l4proto(r, l4proto);
    nft_match_icmp_type(r, type);
    nft_accept(r);
    nft_rule_end(b, r);
}

/* What ends up here is counted; the policy would drop it as well. */
static void drop_rest(struct nft *b, const char *chain, const char *counter)
{
    struct nft_rule *r = nft_rule_begin(b, chain);

    nft_counter_ref(r, counter);
    nft_drop(r);
    nft_rule_end(b, r);
}

static void build_input(struct nft *b)
{
    static const char *const servers[] = {UPLINK_DNS1, UPLINK_DNS2,
                                          UPLINK_DNS6};

    nft_base_chain(b, "input", "filter", NFT_HOOK_INPUT, PRIO_FILTER, true);
    accept_loopback(b);
    accept_known(b, "input");
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        accept_dns(b, servers[i], IPPROTO_UDP);
        accept_dns(b, servers[i], IPPROTO_TCP);
    }
    accept_echo(b, NFT_NH_V4, IPPROTO_ICMP, ICMP_ECHO_REQUEST);
    accept_echo(b, NFT_NH_V6, IPPROTO_ICMPV6, ICMP6_ECHO_REQUEST);
    accept_icmp6(b, ICMP6_NEIGHBOUR_SOLICIT, true);
    accept_icmp6(b, ICMP6_NEIGHBOUR_ADVERT, true);
    accept_icmp6(b, ICMP6_ROUTER_ADVERT, false);
    accept_icmp6(b, ICMP6_MLD_QUERY, false);
    accept_dhcp(b);
    drop_rest(b, "input", "closed-input");
}

/* What was translated on its way in goes on only as long as its forward is
 * declared: a connection whose forward went ends, too. */
static void forward_translated(struct nft *b)
{
    struct nft_rule *r = nft_rule_begin(b, "forward");

    nft_match_iifname(r, VIF, true);
    nft_match_ct_status(r, NFT_CT_DNAT);
    nft_goto(r, FORWARDS);
    nft_rule_end(b, r);
}

static void build_forward(struct nft *b)
{
    struct nft_rule *r;

    nft_base_chain(b, "forward", "filter", NFT_HOOK_FORWARD, PRIO_FILTER, true);
    forward_translated(b);
    accept_known(b, "forward");
    r = nft_rule_begin(b, "forward");
    nft_match_iifname(r, VIF, false);
    nft_match_oifname(r, VIF, true);
    nft_goto(r, OUTWARD);
    nft_rule_end(b, r);
    drop_rest(b, "forward", "closed-forward");
}

static void build_nat(struct nft *b)
{
    struct nft_rule *r;

    nft_base_chain(b, "postrouting", "nat", NFT_HOOK_POSTROUTING, PRIO_SRCNAT,
                   false);
    r = nft_rule_begin(b, "postrouting");
    nft_match_oifname(r, "lo", false);
    nft_return(r);
    nft_rule_end(b, r);

    r = nft_rule_begin(b, "postrouting");
    nft_match_iifname(r, VIF, false);
    nft_match_oifname(r, VIF, true);
    nft_masquerade(r);
    nft_rule_end(b, r);
}

/* The translation, only of what is not yet a connection, as for every chain
 * of type nat. */
static void build_translation(struct nft *b)
{
    struct nft_rule *r;

    nft_base_chain(b, "prerouting", "nat", NFT_HOOK_PREROUTING, PRIO_DSTNAT,
                   false);
    r = nft_rule_begin(b, "prerouting");
    nft_match_iifname(r, VIF, true);
    nft_goto(r, TRANSLATE);
    nft_rule_end(b, r);
}

static void match_from(struct nft_rule *r, const struct uplink_forward *f)
{
    nft_match_nfproto(r, f->dst.family == AF_INET ? NFT_NH_V4 : NFT_NH_V6);
    if (f->from.addr.family && f->from.prefix > 0)
        nft_match_saddr(r, &f->from, false);
}

static void translate(struct nft *b, const struct uplink_forward *f)
{
    struct nft_rule *r = nft_rule_begin(b, TRANSLATE);

    match_from(r, f);
    nft_match_l4proto(r, f->l4proto);
    nft_match_dport(r, f->uplink_port, f->uplink_port);
    nft_dnat(r, &f->dst, f->dst_port);
    nft_rule_end(b, r);
}

static void let_in(struct nft *b, const struct uplink_forward *f)
{
    struct nft_rule *r = nft_rule_begin(b, FORWARDS);
    struct ipnet dst = {f->dst, (uint8_t)(8 * ipaddr_len(&f->dst))};

    nft_match_oifname(r, VIF, false);
    match_from(r, f);
    nft_match_daddr(r, &dst, false);
    nft_match_l4proto(r, f->l4proto);
    nft_match_dport(r, f->dst_port, f->dst_port);
    nft_accept(r);
    nft_rule_end(b, r);
}

static void fill_forwards(struct nft *b, const struct uplink_forwards *l)
{
    struct nft_rule *r = nft_rule_begin(b, FORWARDS);

    /* ICMP errors, which are of the connection's state, too */
    nft_match_ct_state(r, NFT_CT_RELATED);
    nft_accept(r);
    nft_rule_end(b, r);
    for (size_t i = 0; i < l->n; i++) {
        translate(b, &l->v[i]);
        let_in(b, &l->v[i]);
    }
    drop_rest(b, FORWARDS, "closed-forward");
}

void uplink_nft_forwards(struct nft *b, const struct uplink_forwards *l)
{
    nft_chain_flush(b, TRANSLATE);
    nft_chain_flush(b, FORWARDS);
    fill_forwards(b, l);
}

/* Without an address to translate to, masquerade would drop the packet, and
 * its sender wait. */
static void fill_outward(struct nft *b, bool have_ipv6)
{
    struct nft_rule *r;

    if (!have_ipv6) {
        r = nft_rule_begin(b, OUTWARD);
        nft_match_nfproto(r, NFT_NH_V6);
        nft_reject_no_route(r);
        nft_rule_end(b, r);
    }
    r = nft_rule_begin(b, OUTWARD);
    nft_accept(r);
    nft_rule_end(b, r);
}

void uplink_nft_outward(struct nft *b, bool have_ipv6)
{
    nft_chain_flush(b, OUTWARD);
    fill_outward(b, have_ipv6);
}

void uplink_nft_build(struct nft *b, const struct uplink_forwards *l)
{
    nft_table_reset(b);
    nft_counter_add(b, "closed-input");
    nft_counter_add(b, "closed-forward");
    nft_chain_add(b, TRANSLATE);
    nft_chain_add(b, FORWARDS);
    nft_chain_add(b, OUTWARD);
    fill_forwards(b, l);
    fill_outward(b, false);
    build_input(b);
    build_forward(b);
    build_nat(b);
    build_translation(b);
}
