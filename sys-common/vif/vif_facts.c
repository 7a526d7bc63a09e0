/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See vif_facts.h. pure. */
#include "vif/vif_facts.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/mem.h"

#define KEY_GATEWAY "/qubes-netvm-gateway"
#define KEY_GATEWAY6 "/qubes-netvm-gateway6"
#define KEY_CONNECTED "/connected-ips"
#define KEY_CONNECTED6 "/connected-ips6"
#define KEY_FIREWALL "/qubes-service/qubes-firewall"
#define TREE_BEHIND "/sysqube-behind/"
#define TREE_STATUS "/sysqube-status/firewall/"

const char *const vif_facts_keys[VIF_FACTS_WATCHES] = {
    KEY_GATEWAY,  KEY_GATEWAY6, KEY_CONNECTED, KEY_CONNECTED6,
    KEY_FIREWALL, TREE_BEHIND,  TREE_STATUS,
};

int vif_facts_client(struct vif_facts *f, const struct ipaddr *a)
{
    unsigned lo = 0;
    unsigned hi = f->n_clients;

    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        int c = ipaddr_cmp(&f->clients[mid], a);

        if (c == 0)
            return 0;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (f->n_clients == VIF_FACTS_CLIENTS_MAX)
        return -ENOBUFS;
    memmove(&f->clients[lo + 1], &f->clients[lo],
            (f->n_clients - lo) * sizeof(f->clients[0]));
    f->clients[lo] = *a;
    f->n_clients++;
    return 0;
}

static int add_connected(struct vif_facts *f, struct text value, uint8_t family)
{
    struct text piece;
    struct ipaddr a;
    int r = 0;

    while (r == 0 && parse_split(&value, ' ', &piece)) {
        if (piece.len == 0)
            continue;
        r = ipaddr_parse_family(piece, family, &a);
        if (r == 0)
            r = vif_facts_client(f, &a);
    }
    return r;
}

/* CLIENT/NNNN */
static int add_behind(struct vif_facts *f, struct text rest, struct text value)
{
    struct vif_behind b;
    struct text piece;

    if (!parse_split(&rest, '/', &piece) ||
        ipaddr_parse_family(piece, AF_INET, &b.client) < 0)
        return -EBADMSG;
    if (!parse_split(&rest, '/', &piece) || piece.len != 4 ||
        !text_only(piece, PARSE_DIGIT) || rest.p != NULL)
        return -EBADMSG;
    if (ipaddr_parse(value, &b.addr) < 0 || !ipaddr_is_host(&b.addr))
        return -EBADMSG;
    if (f->n_behind == VIF_FACTS_BEHIND_MAX)
        return -ENOBUFS;
    f->behind[f->n_behind++] = b;
    return 0;
}

static int add_status(struct vif_facts *f, struct text ip, struct text value)
{
    struct ipaddr a;

    if (ipaddr_parse(ip, &a) < 0)
        return -EBADMSG;
    if (!vif_plan_applied(value))
        return 0;
    if (f->n_applied == VIF_FACTS_APPLIED_MAX)
        return -ENOBUFS;
    f->applied[f->n_applied++] = a;
    return 0;
}

static int add_gateway(struct ipaddr *to, uint8_t family, struct text value)
{
    return value.len == 0 ? 0 : ipaddr_parse_family(value, family, to);
}

/* The rest of @p path behind @p tree, or NULL. */
static const char *under(const char *path, const char *tree)
{
    size_t n = strlen(tree);

    return strncmp(path, tree, n) == 0 ? path + n : NULL;
}

int vif_facts_add(struct vif_facts *f, const char *path, struct text value)
{
    const char *rest;

    if (strcmp(path, KEY_GATEWAY) == 0)
        return add_gateway(&f->gw4, AF_INET, value);
    if (strcmp(path, KEY_GATEWAY6) == 0)
        return add_gateway(&f->gw6, AF_INET6, value);
    if (strcmp(path, KEY_CONNECTED) == 0)
        return add_connected(f, value, AF_INET);
    if (strcmp(path, KEY_CONNECTED6) == 0)
        return add_connected(f, value, AF_INET6);
    if (strcmp(path, KEY_FIREWALL) == 0) {
        f->gated = text_eq(value, "1");
        return 0;
    }
    rest = under(path, TREE_BEHIND);
    if (rest != NULL)
        return add_behind(f, text_of(rest), value);
    rest = under(path, TREE_STATUS);
    if (rest != NULL)
        return add_status(f, text_of(rest), value);
    return 0;
}

int vif_facts_want(const struct vif_facts *f, const struct vif_ident *id,
                   struct vif_want *ret)
{
    ret->id = *id;
    ret->gw4 = f->gw4;
    ret->gw6 = f->gw6;
    ret->n_behind = 0;
    for (unsigned i = 0; i < f->n_behind; i++) {
        if (!ipaddr_eq(&f->behind[i].client, &id->ip4))
            continue;
        if (ret->n_behind == VIF_BEHIND_MAX)
            return -ENOBUFS;
        ret->behind[ret->n_behind++] = f->behind[i].addr;
    }
    return 0;
}

static bool is_applied(const struct vif_facts *f, const struct ipaddr *a)
{
    for (unsigned i = 0; i < f->n_applied; i++)
        if (ipaddr_eq(&f->applied[i], a))
            return true;
    return false;
}

const char *vif_facts_waits_for(const struct vif_facts *f,
                                const struct vif_ident *id)
{
    const struct {
        const struct ipaddr *own, *gw;
        const char *no_gw, *no_rules;
    } fam[2] = {{&id->ip4, &f->gw4, "/qubes-netvm-gateway",
                 "the firewall rules of its IPv4 address"},
                {&id->ip6, &f->gw6, "/qubes-netvm-gateway6",
                 "the firewall rules of its IPv6 address"}};

    for (unsigned i = 0; i < ARRAY_LEN(fam); i++) {
        if (fam[i].own->family == 0)
            continue;
        if (fam[i].gw->family == 0)
            return fam[i].no_gw;
        if (f->gated && !is_applied(f, fam[i].own))
            return fam[i].no_rules;
    }
    return NULL;
}
