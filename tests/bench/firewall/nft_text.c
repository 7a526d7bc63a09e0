/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules as text for nft(8). effect. See nft_text.h. Knows the forms that
 * fwbench.c makes: an IPv4 network, tcp or udp, ports. */
#include "tests/bench/firewall/nft_text.h"

#include <stdio.h>
#include <stdlib.h>

#define TABLE "inet theirs"

static FILE *open_file(const char *path)
{
    FILE *f = fopen(path, "w");

    if (!f) {
        perror(path);
        exit(2);
    }
    return f;
}

static const char *verdict(enum fw_action a)
{
    return a == FW_ACCEPT ? "accept" : "reject with icmpx admin-prohibited";
}

static void put_rules(FILE *f, const char *prefix, const struct gen_list *l)
{
    char net[IPNET_TEXT_MAX];
    size_t i;

    for (i = 0; i < l->n; i++) {
        const struct fw_match *m = &l->v[i].m;
        fprintf(f, "%sip daddr %s %s dport %u-%u counter %s\n", prefix,
                ipnet_format(&m->dst, net),
                m->proto == FW_PROTO_TCP ? "tcp" : "udp", m->port_first,
                m->port_last, verdict(m->action));
    }
    fprintf(f, "%scounter %s\n", prefix, verdict(l->policy));
}

void nft_text_table(const char *path, const struct engine_source *v, size_t n)
{
    char addr[IPADDR_TEXT_MAX];
    FILE *f = open_file(path);
    size_t i;

    fprintf(f, "table " TABLE "\ndelete table " TABLE "\ntable " TABLE " {\n");
    for (i = 0; i < n; i++) {
        fprintf(f, "chain q%s {\n", ipaddr_format(&v[i].addr, addr));
        put_rules(f, "", v[i].list);
        fprintf(f, "}\n");
    }
    fprintf(f, "map by_source { type ipv4_addr : verdict; elements = {\n");
    for (i = 0; i < n; i++) {
        ipaddr_format(&v[i].addr, addr);
        fprintf(f, "%s : goto q%s,\n", addr, addr);
    }
    fprintf(f, "} }\nchain forward {\n"
               "type filter hook forward priority 0; policy drop;\n"
               "ct state invalid drop\nct state established,related accept\n"
               "iifname != \"vif*\" drop\noifname \"vif*\" drop\n"
               "ip saddr vmap @by_source\n}\n}\n");
    fclose(f);
}

void nft_text_chain(const char *path, const struct engine_source *s)
{
    char addr[IPADDR_TEXT_MAX], prefix[96];
    FILE *f = open_file(path);

    ipaddr_format(&s->addr, addr);
    snprintf(prefix, sizeof(prefix), "add rule " TABLE " q%s ", addr);
    fprintf(f, "flush chain " TABLE " q%s\n", addr);
    put_rules(f, prefix, s->list);
    fclose(f);
}
