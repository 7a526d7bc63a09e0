/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See vif_plan.h. pure. */
#include "vif/vif_plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* "D.N" */
static int pair_parse(struct text t, uint32_t *ret_domid, uint32_t *ret_devid)
{
    struct text piece;
    uint32_t domid, devid;

    if (!parse_split(&t, '.', &piece) ||
        parse_u32(piece, 0, VIF_DOMID_MAX, &domid) < 0)
        return -EBADMSG;
    if (!parse_split(&t, '.', &piece) || t.p != NULL ||
        parse_u32(piece, 0, VIF_DEVID_MAX, &devid) < 0)
        return -EBADMSG;
    *ret_domid = domid;
    *ret_devid = devid;
    return 0;
}

int vif_plan_name_parse(struct text t, uint32_t *ret_domid, uint32_t *ret_devid)
{
    if (t.len < 3 || memcmp(t.p, "vif", 3) != 0)
        return -EBADMSG;
    t.p += 3;
    t.len -= 3;
    return pair_parse(t, ret_domid, ret_devid);
}

void vif_plan_name(const struct vif_ident *id, char ret[VIF_NAME_MAX])
{
    /* The remainders only tell the compiler what the limits say already. */
    (void)snprintf(ret, VIF_NAME_MAX, "vif%u.%u",
                   id->domid % (VIF_DOMID_MAX + 1),
                   id->devid % (VIF_DEVID_MAX + 1));
}

int vif_plan_ident_parse(struct text key, struct text value,
                         struct vif_ident *ret)
{
    struct vif_ident id = {.domid = 0};
    struct text piece;

    if (pair_parse(key, &id.domid, &id.devid) < 0)
        return -EBADMSG;
    if (!parse_split(&value, ' ', &piece) ||
        ipaddr_parse_family(piece, AF_INET, &id.ip4) < 0)
        return -EBADMSG;
    if (!parse_split(&value, ' ', &piece) || parse_mac(piece, id.mac) < 0)
        return -EBADMSG;
    if (parse_split(&value, ' ', &piece) &&
        (ipaddr_parse_family(piece, AF_INET6, &id.ip6) < 0 || value.p != NULL))
        return -EBADMSG;
    if (!ipaddr_is_host(&id.ip4) ||
        (id.ip6.family != 0 && !ipaddr_is_host(&id.ip6)))
        return -EBADMSG;
    *ret = id;
    return 0;
}

int vif_plan_ident_xen(struct text ips, struct text mac, struct vif_ident *ret)
{
    struct vif_ident id = *ret;
    struct text piece;

    memset(&id.ip4, 0, sizeof(id.ip4));
    memset(&id.ip6, 0, sizeof(id.ip6));
    if (parse_mac(mac, id.mac) < 0)
        return -EBADMSG;
    while (parse_split(&ips, ' ', &piece)) {
        struct ipaddr a;
        struct ipaddr *to;

        if (piece.len == 0)
            continue;
        if (ipaddr_parse(piece, &a) < 0 || !ipaddr_is_host(&a))
            return -EBADMSG;
        to = a.family == AF_INET ? &id.ip4 : &id.ip6;
        if (to->family != 0)
            return -EBADMSG;
        *to = a;
    }
    if (id.ip4.family == 0 && id.ip6.family == 0)
        return -EBADMSG;
    *ret = id;
    return 0;
}

static void push(struct vif_steps *l, enum vif_op op, const struct ipaddr *a,
                 const struct ipaddr *via, const uint8_t *mac)
{
    struct vif_step *s;

    if (l->n == VIF_STEPS_MAX)
        return; /* cannot be: the limits of a want fit */
    s = &l->s[l->n++];
    memset(s, 0, sizeof(*s));
    s->op = op;
    if (a != NULL) {
        s->net.addr = *a;
        s->net.prefix = (uint8_t)(8 * ipaddr_len(a));
    }
    if (via != NULL)
        s->via = *via;
    if (mac != NULL)
        memcpy(s->mac, mac, sizeof(s->mac));
}

static bool is_own(const struct vif_want *w, const struct ipaddr *a)
{
    return ipaddr_eq(a, &w->id.ip4) || ipaddr_eq(a, &w->id.ip6);
}

/* The client's own address of that family, NULL when it has none. */
static const struct ipaddr *via_of(const struct vif_want *w, uint8_t family)
{
    const struct ipaddr *own = family == AF_INET ? &w->id.ip4 : &w->id.ip6;

    return own->family == family ? own : NULL;
}

void vif_plan_build(const struct vif_want *w, struct vif_steps *ret)
{
    const struct ipaddr *own[2] = {&w->id.ip4, &w->id.ip6};
    const struct ipaddr *gw[2] = {&w->gw4, &w->gw6};

    ret->n = 0;
    for (unsigned i = 0; i < 2; i++)
        if (own[i]->family != 0)
            push(ret, VIF_OP_ALLOW, own[i], NULL, NULL);
    for (unsigned i = 0; i < w->n_behind; i++)
        if (!is_own(w, &w->behind[i]))
            push(ret, VIF_OP_ALLOW, &w->behind[i], NULL, NULL);
    push(ret, VIF_OP_PREPARE, NULL, NULL, NULL);
    for (unsigned i = 0; i < 2; i++)
        if (own[i]->family != 0)
            push(ret, VIF_OP_NEIGH, own[i], NULL, w->id.mac);
    for (unsigned i = 0; i < w->n_behind; i++)
        if (via_of(w, w->behind[i].family) == NULL)
            push(ret, VIF_OP_NEIGH, &w->behind[i], NULL, w->id.mac);
    push(ret, VIF_OP_UP, NULL, NULL, NULL);
    for (unsigned i = 0; i < 2; i++)
        if (own[i]->family != 0)
            push(ret, VIF_OP_ROUTE, own[i], NULL, NULL);
    for (unsigned i = 0; i < w->n_behind; i++)
        if (!is_own(w, &w->behind[i]))
            push(ret, VIF_OP_ROUTE, &w->behind[i],
                 via_of(w, w->behind[i].family), NULL);
    for (unsigned i = 0; i < 2; i++)
        if (own[i]->family != 0 && gw[i]->family != 0)
            push(ret, VIF_OP_ADDR, gw[i], NULL, NULL);
    push(ret, VIF_OP_CONNECT, NULL, NULL, NULL);
}

bool vif_plan_step_eq(const struct vif_step *a, const struct vif_step *b)
{
    return a->op == b->op && a->net.prefix == b->net.prefix &&
           ipaddr_eq(&a->net.addr, &b->net.addr) &&
           ipaddr_eq(&a->via, &b->via) &&
           memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
}

bool vif_plan_has(const struct vif_steps *steps, const struct vif_step *s)
{
    for (unsigned i = 0; i < steps->n; i++)
        if (vif_plan_step_eq(&steps->s[i], s))
            return true;
    return false;
}

int vif_plan_diff(const struct vif_steps *old, const struct vif_steps *new,
                  vif_plan_cb cb, void *arg)
{
    int r = 0;

    for (unsigned i = old->n; i-- > 0 && r >= 0;) {
        struct vif_action a = {.add = false, .step = old->s[i]};

        if (!vif_plan_has(new, &old->s[i]))
            r = cb(&a, arg);
    }
    for (unsigned i = 0; i < new->n &&r >= 0; i++) {
        struct vif_action a = {.add = true, .step = new->s[i]};

        if (!vif_plan_has(old, &new->s[i]))
            r = cb(&a, arg);
    }
    return r < 0 ? r : 0;
}

int vif_plan_record(struct vif_steps *steps, const struct vif_action *a)
{
    unsigned i;

    if (a->add) {
        if (steps->n == VIF_STEPS_MAX)
            return -ENOBUFS;
        steps->s[steps->n++] = a->step;
        return 0;
    }
    for (i = 0; i < steps->n; i++)
        if (vif_plan_step_eq(&steps->s[i], &a->step))
            break;
    if (i == steps->n)
        return 0;
    memmove(&steps->s[i], &steps->s[i + 1],
            (steps->n - i - 1) * sizeof(steps->s[0]));
    steps->n--;
    return 0;
}

void vif_plan_link_gone(struct vif_steps *steps)
{
    unsigned n = 0;

    for (unsigned i = 0; i < steps->n; i++)
        if (steps->s[i].op == VIF_OP_ALLOW)
            steps->s[n++] = steps->s[i];
    steps->n = n;
}

void vif_plan_take_allow(struct vif_steps *steps, const struct vif_steps *want)
{
    unsigned n_allow = 0;
    unsigned n = 0;

    for (unsigned i = 0; i < steps->n; i++)
        if (steps->s[i].op != VIF_OP_ALLOW)
            steps->s[n++] = steps->s[i];
    while (n_allow < want->n && want->s[n_allow].op == VIF_OP_ALLOW)
        n_allow++;
    if (n_allow + n > VIF_STEPS_MAX)
        n = 0; /* then all the rest is done once more: it is idempotent */
    memmove(&steps->s[n_allow], &steps->s[0], n * sizeof(steps->s[0]));
    memcpy(&steps->s[0], &want->s[0], n_allow * sizeof(steps->s[0]));
    steps->n = n_allow + n;
}

bool vif_plan_applied(struct text status)
{
    static const char word[] = "applied";
    size_t n = sizeof(word) - 1;

    return status.len >= n && memcmp(status.p, word, n) == 0 &&
           (status.len == n || status.p[n] == ' ');
}
