/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts for the USB plan. glue. See usb_world.h. */
#include "dom0/usb_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

#define TREE "/qubes-usb-devices/"

/* ---- devices ---- */

static const char *leaf(const struct keyset *s, struct text id,
                        const char *name)
{
    char path[QDB_REC_PATH + 32];

    snprintf(path, sizeof(path), TREE "%.*s/%s", (int)id.len, id.p, name);
    return keyset_get(s, path);
}

static const char *status(const struct keyset *s, const char *what,
                          struct text id)
{
    char path[QDB_REC_PATH + 32];

    snprintf(path, sizeof(path), "/sysqube-status/%s/%.*s", what, (int)id.len,
             id.p);
    return keyset_get(s, path);
}

/* Whatever cannot be read is marked: such a device cannot be attached. */
static void read_device(const struct keyset *s, struct text id,
                        const char *desc, struct usb_fact_dev *d)
{
    const char *codes = leaf(s, id, "interfaces");
    const char *map = status(s, "usb-if", id);
    const char *dev = status(s, "usb-dev", id);
    const char *seen = leaf(s, id, "devnum"), *num = status(s, "usb-num", id);

    if (usb_ident_parse(text_of(desc), &d->d.ident)) {
        d->d.ident = (struct usb_ident){0};
        snprintf(d->d.ident.model, sizeof(d->d.ident.model), "(malformed)");
        d->d.malformed = true;
    }
    if (codes && usb_ifaces_parse(text_of(codes), &d->d.ifaces)) {
        d->d.ifaces.n = 0;
        d->d.malformed = true;
    }
    if (map && usb_ifmap_parse(text_of(map), &d->d.map)) {
        d->d.map.n = 0;
        d->d.malformed = true;
    }
    /* What it says it is and what was identified come from two processes:
     * only when all is there, and of the same plug, it is taken together. */
    d->known = dev && usb_dev_parse(text_of(dev), &d->dev) == 0 && codes &&
               seen && num && strcmp(seen, num) == 0;
}

/* A key .../ID/desc is a device. */
static bool device_key(const struct key *k, struct text *ret_id,
                       struct usb_port *ret_port)
{
    struct text rest;

    if (strncmp(k->path, TREE, sizeof(TREE) - 1) != 0)
        return false;
    rest = text_of(k->path + sizeof(TREE) - 1);
    return parse_split(&rest, '/', ret_id) && rest.p && text_eq(rest, "desc") &&
           usb_port_from_key(*ret_id, ret_port) == 0;
}

static void read_usbvm(const struct manager *m, size_t index,
                       struct usb_world *w, struct usb_fact_dev *devs)
{
    const struct keyset *s = worker_status(m->qubes[index]->worker);
    size_t limit = w->facts.n_devs + USB_WORLD_DEVS_MAX;

    for (size_t i = 0; i < s->n; i++) {
        struct usb_port port;
        struct text id;
        struct usb_fact_dev *d;

        if (!device_key(&s->v[i], &id, &port))
            continue;
        if (w->facts.n_devs == limit) {
            w->n_ignored++;
            continue;
        }
        d = &devs[w->facts.n_devs++];
        d->backend = m->qubes[index]->domid;
        d->d.port = port;
        snprintf(d->d.usbvm, sizeof(d->d.usbvm), "%s",
                 m->cfg.qubes[index]->name);
        read_device(s, id, s->v[i].val, d);
    }
}

/* ---- both sides' links ---- */

static const struct keyset *status_of(const struct manager *m, uint32_t domid)
{
    for (size_t i = 0; i < m->cfg.n; i++)
        if (m->qubes[i]->has_domid && m->qubes[i]->domid == domid &&
            m->qubes[i]->worker)
            return worker_status(m->qubes[i]->worker);
    return NULL;
}

static int import_of(void *arg, uint32_t client, uint32_t backend,
                     const struct usb_port *port, struct usb_link_state *ret)
{
    const struct keyset *s = status_of(arg, client);
    char path[QDB_REC_PATH], key[USB_PORT_TEXT_MAX];
    const char *v;

    snprintf(path, sizeof(path), "/sysqube-status/usb-import/%u-%s", backend,
             usb_port_key(port, key));
    v = s ? keyset_get(s, path) : NULL;
    return v ? usb_import_parse(text_of(v), ret) : -ENOENT;
}

static int export_of(void *arg, uint32_t backend, const struct usb_port *port,
                     struct usb_link_state *ret)
{
    const struct keyset *s = status_of(arg, backend);
    char key[USB_PORT_TEXT_MAX];
    const char *v;

    usb_port_key(port, key);
    v = s ? status(s, "usb-export", text_of(key)) : NULL;
    return v ? usb_export_parse(text_of(v), ret) : -ENOENT;
}

/* ---- the whole ---- */

static size_t count_usbvms(const struct manager *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->cfg.n; i++)
        n += m->cfg.qubes[i]->kind == KIND_USBVM;
    return n;
}

/* Room for all that may come: pages that nothing is written to cost nothing. */
int usb_world_new(const struct manager *m, struct usb_world *ret)
{
    struct usb_fact_qube *q = calloc(m->cfg.n + 1, sizeof(*q));
    struct usb_fact_dev *d =
        calloc(count_usbvms(m) * USB_WORLD_DEVS_MAX + 1, sizeof(*d));
    union {
        const struct manager *m;
        void *arg;
    } self = {.m = m}; /* the callbacks only read */

    if (!q || !d) {
        free(q);
        free(d);
        return -ENOMEM;
    }
    *ret = (struct usb_world){.facts = {.qubes = q,
                                        .n_qubes = m->cfg.n,
                                        .devs = d,
                                        .now_ms = io_now_ms(),
                                        .import = import_of,
                                        .export = export_of,
                                        .arg = self.arg}};
    for (size_t i = 0; i < m->cfg.n; i++) {
        const struct config_qube *c = m->cfg.qubes[i];
        const struct qube *r = m->qubes[i];

        q[i] = (struct usb_fact_qube){
            .name = c->name,
            .running =
                (r->state == QUBE_RUNNING || r->state == QUBE_STOPPING) &&
                r->worker,
            .domid = r->domid,
            .policy = c->kind == KIND_QUBE ? &c->usb : NULL,
            .stopping = r->state == QUBE_STOPPING,
            .unseen = r->worker && !worker_settled(r->worker, io_now_ms(),
                                                   USB_WORLD_SETTLE_MS)};
        if (c->kind == KIND_USBVM && q[i].running)
            read_usbvm(m, i, ret, d);
    }
    return 0;
}

void usb_world_free(struct usb_world *w)
{
    union {
        const void *c;
        void *p;
    } q = {.c = w->facts.qubes}, d = {.c = w->facts.devs};

    free(q.p);
    free(d.p);
    *w = (struct usb_world){0};
}

/* What the last step changed. */
static void log_changes(const struct usb_plan *p, uint64_t now_ms)
{
    const struct usb_att *a;

    for (size_t i = 0; (a = usb_plan_at(p, i)) != NULL; i++) {
        char port[USB_PORT_TEXT_MAX];

        if (a->since_ms != now_ms)
            continue;
        usb_port_name(&a->port, port);
        if (a->state == USB_ATT_CLOSING)
            log_info("%s: USB %s:%s ends: %s", a->qube, a->usbvm, port, a->why);
        else
            log_debug("%s: USB %s:%s %s", a->qube, a->usbvm, port,
                      a->state == USB_ATT_OFFERED ? "offered" : "attached");
    }
}

void manager_usb_step(struct manager *m)
{
    struct usb_world w;
    uint64_t now_ms;
    bool changed;

    if (usb_world_new(m, &w)) {
        log_err("USB: out of memory");
        return;
    }
    now_ms = w.facts.now_ms;
    changed = usb_plan_step(m->usb, &w.facts);
    usb_world_free(&w);
    if (!changed)
        return;
    log_changes(m->usb, now_ms);
    manager_update(m);
}

int usb_world_missing(const struct manager *m, size_t index, char why[512])
{
    const struct config_qube *c = m->cfg.qubes[index];
    const struct usb_assign *a;
    struct usb_world w;

    if (c->usb.n_assigns == 0)
        return 0;
    if (usb_world_new(m, &w))
        return -ENOMEM;
    a = usb_plan_missing(m->usb, &w.facts, &c->usb);
    usb_world_free(&w);
    if (!a)
        return 0;
    snprintf(why, 512,
             "no free USB device fits the line %s:%u, which requires one",
             c->file, a->line);
    return -ENODEV;
}

/* ---- finding ---- */

static bool has_text(const char *where, const char *what)
{
    return strcasestr(where, what) != NULL;
}

/* Several words are one name: "Acme Stick". */
static bool is_named(const struct usb_ident *id, const char *text)
{
    char all[sizeof(id->vendor) + sizeof(id->model) + sizeof(id->serial)];

    snprintf(all, sizeof(all), "%s %s %s", id->vendor, id->model, id->serial);
    return has_text(all, text);
}

static bool fits(const struct usb_device *d, const struct usb_select *sel,
                 const char *text)
{
    return sel ? usb_select_rank(sel, d, NULL) >= 0 : is_named(&d->ident, text);
}

int usb_world_find(const struct usb_facts *f, const char *text, size_t *ret_dev,
                   char many[USB_FIND_MANY_MAX])
{
    struct usb_select sel;
    char why[USB_WHY_MAX];
    /* A class word is no device; it may well be part of a name. */
    bool exact =
        usb_select_parse(text_of(text), &sel, why) == 0 && !sel.has_class;
    size_t n = 0, at = 0, found = 0;

    many[0] = '\0';
    if (!text[0])
        return -ENOENT;
    for (size_t i = 0; i < f->n_devs; i++) {
        char port[USB_PORT_TEXT_MAX];

        if (!fits(&f->devs[i].d, exact ? &sel : NULL, text))
            continue;
        found = i;
        n++;
        if (at < USB_FIND_MANY_MAX)
            at += (size_t)snprintf(many + at, USB_FIND_MANY_MAX - at, "%s%s:%s",
                                   at ? ", " : "", f->devs[i].d.usbvm,
                                   usb_port_name(&f->devs[i].d.port, port));
    }
    if (n > 1)
        return -EEXIST;
    if (n == 0)
        return -ENOENT;
    *ret_dev = found;
    return 0;
}
