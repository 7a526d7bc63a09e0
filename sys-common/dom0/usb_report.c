/* SPDX-License-Identifier: GPL-2.0-or-later */
/* USB devices as JSON. pure. See usb_report.h. */
#include "dom0/usb_report.h"

#include <stdio.h>
#include <string.h>

#include "device/usb_class.h"
#include "lib/err.h"

static json_t *text_or_null(const char *s)
{
    return s && s[0] ? json_string(s) : json_null();
}

static const char *code_text(struct usb_iface c, char buf[8])
{
    snprintf(buf, 8, "%02x%02x%02x", c.cls, c.sub, c.proto);
    return buf;
}

static json_t *codes_json(const struct usb_ifaces *l)
{
    json_t *a = json_array();
    char text[8];

    for (unsigned i = 0; i < l->n; i++)
        json_array_append_new(a, json_string(code_text(l->code[i], text)));
    return a;
}

/* A key of the device in its USBVM, below @p tree and, perhaps, a leaf. */
static const char *key_of(const struct manager *m, const struct usb_device *d,
                          const char *tree, const char *leaf)
{
    char port[USB_PORT_TEXT_MAX], path[QDB_REC_PATH];
    int i = manager_find(m, d->usbvm);

    snprintf(path, sizeof(path), "%s/%s%s%s", tree,
             usb_port_key(&d->port, port), leaf[0] ? "/" : "", leaf);
    return i < 0 ? NULL : manager_status(m, (size_t)i, path);
}

/* One digit, or nothing. */
static json_t *version_json(const struct manager *m, const struct usb_device *d)
{
    const char *v = key_of(m, d, "/qubes-usb-devices", "usb-ver");
    uint8_t digit;

    return v && !usb_ident_parse_version(text_of(v), &digit) ? json_string(v)
                                                             : json_null();
}

/* ---- who has it ---- */

static const char *free_state(const struct manager *m,
                              const struct usb_facts *f, size_t dev,
                              struct usb_link_state *ret_export)
{
    const struct usb_fact_dev *d = &f->devs[dev];
    size_t who[CONFIG_QUBES_MAX];
    int r = f->export(f->arg, d->backend, &d->d.port, ret_export);

    if (d->d.malformed || r == -EBADMSG)
        return "malformed";
    if (!r && ret_export->link == USB_LINK_FAILED)
        return "failed";
    if (r || !d->known || ret_export->link != USB_LINK_IDLE)
        return "identifying";
    return usb_plan_question(m->usb, f, dev, who) ? "question" : "free";
}

static void put_state(json_t *o, const struct manager *m,
                      const struct usb_facts *f, size_t dev)
{
    static const char *const names[] = {[USB_ATT_OFFERED] = "attaching",
                                        [USB_ATT_ATTACHED] = "attached",
                                        [USB_ATT_CLOSING] = "detaching"};
    const struct usb_device *d = &f->devs[dev].d;
    const struct usb_att *a = usb_plan_of(m->usb, d->usbvm, &d->port);
    struct usb_link_state out = {0};

    if (!a) {
        const char *s = free_state(m, f, dev, &out);

        json_object_set_new(o, "state", json_string(s));
        json_object_set_new(o, "client", json_null());
        json_object_set_new(o, "why", text_or_null(out.why));
        return;
    }
    json_object_set_new(o, "state", json_string(names[a->state]));
    json_object_set_new(o, "client", json_string(a->qube));
    json_object_set_new(o, "why", text_or_null(a->why));
    json_object_set_new(o, "mode",
                        json_string(a->want.evdev ? "evdev" : "raw"));
    if (a->state == USB_ATT_ATTACHED)
        json_object_set_new(o, "vhci", json_integer((json_int_t)a->vhci));
}

static json_t *device_json(const struct manager *m, const struct usb_facts *f,
                           size_t dev)
{
    const struct usb_device *d = &f->devs[dev].d;
    char port[USB_PORT_TEXT_MAX], classes[USB_CLASS_LIST_MAX];
    char vendor[8], product[8], identity[USB_DEVID_TEXT_MAX];
    json_t *o;

    snprintf(vendor, sizeof(vendor), "%04x", d->ident.vendor_id);
    snprintf(product, sizeof(product), "%04x", d->ident.product_id);
    o = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:s}", "qube",
        d->usbvm, "port", usb_port_name(&d->port, port), "vendor_id", vendor,
        "product_id", product, "vendor", d->ident.vendor, "product",
        d->ident.model, "serial", text_or_null(d->ident.serial), "classes",
        usb_class_list(&d->ifaces, classes, sizeof(classes)), "interfaces",
        codes_json(&d->ifaces), "usb_version", version_json(m, d), "identity",
        usb_devid_format(&d->ident, &d->ifaces, identity));
    if (o)
        put_state(o, m, f, dev);
    return o;
}

json_t *usb_report_list(const struct manager *m, const struct usb_facts *f)
{
    json_t *list = json_array();

    for (size_t i = 0; i < f->n_devs; i++)
        json_array_append_new(list, device_json(m, f, i));
    return list;
}

/* ---- one device ---- */

static const char *speed_name(uint8_t speed)
{
    switch (speed) {
    case 1:
        return "low (1.5 Mbit/s)";
    case 2:
        return "full (12 Mbit/s)";
    case 3:
        return "high (480 Mbit/s)";
    case 5:
        return "super (5 Gbit/s)";
    case 6:
        return "super plus (10 Gbit/s)";
    default:
        return "";
    }
}

static json_t *numbers_json(const struct usb_ifmap *map)
{
    json_t *a = json_array();
    char text[8];

    for (unsigned i = 0; i < map->n; i++)
        json_array_append_new(
            a, json_pack("{s:i, s:s, s:s}", "number", (int)map->e[i].number,
                         "code", code_text(map->e[i].code, text), "class",
                         usb_class_name(map->e[i].code)));
    return a;
}

/* What a qube's policy says, if anything. */
static void add_qube(json_t *list, const struct usb_fact_qube *q,
                     const struct config_qube *c, const struct usb_device *d)
{
    const struct usb_assign *a;
    struct usb_ruling r;
    json_t *o;

    if (!q->policy)
        return;
    a = usb_policy_assigned(q->policy, d, NULL);
    usb_policy_rule(q->policy, d, a ? &a->want : NULL, &r);
    if (!a && r.allowed)
        return;
    o = json_pack("{s:s, s:o, s:o, s:b}", "qube", q->name, "mode",
                  a ? json_string(usb_assign_mode_name(a->mode)) : json_null(),
                  "line", a ? json_integer(a->line) : json_null(), "allowed",
                  r.allowed);
    if (o && !r.allowed) {
        char text[CONFIG_PATH_MAX + 32];

        snprintf(text, sizeof(text), "%s:%u", c->file, r.line);
        json_object_set_new(o, "denied_by", json_string(text));
    }
    json_array_append_new(list, o);
}

json_t *usb_report_info(const struct manager *m, const struct usb_facts *f,
                        size_t dev)
{
    const struct usb_fact_dev *d = &f->devs[dev];
    char hash[USB_GRANT_HASH_BYTES * 2 + 1] = "";
    json_t *o = device_json(m, f, dev), *list = json_array();

    if (!o || !list) {
        json_decref(o);
        json_decref(list);
        return NULL;
    }
    if (d->known)
        usb_hash_format(d->dev.hash, hash);
    json_object_set_new(o, "speed",
                        text_or_null(d->known ? speed_name(d->dev.speed) : ""));
    json_object_set_new(o, "hash", text_or_null(hash));
    json_object_set_new(o, "numbers", numbers_json(&d->d.map));
    for (size_t i = 0; i < f->n_qubes; i++)
        add_qube(list, &f->qubes[i], m->cfg.qubes[i], &d->d);
    json_object_set_new(o, "policies", list);
    return o;
}

/* ---- figures ---- */

static json_t *stat_json(const struct usb_stat *s)
{
    json_t *reasons = json_object();

    for (size_t i = 0; i < s->n; i++)
        json_object_set_new(reasons, s->reason[i].name,
                            json_integer((json_int_t)s->reason[i].count));
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "in",
                     (json_int_t)s->in, "out", (json_int_t)s->out, "flight",
                     (json_int_t)s->flight, "p50_us", (json_int_t)s->p50_us,
                     "p99_us", (json_int_t)s->p99_us, "refused",
                     (json_int_t)s->refused, "reasons", reasons);
}

json_t *usb_report_stats(const struct manager *m, const struct usb_facts *f)
{
    json_t *list = json_array();

    for (size_t i = 0; i < f->n_devs; i++) {
        const struct usb_device *d = &f->devs[i].d;
        const char *v = key_of(m, d, "/sysqube-status/usb-stat", "");
        const struct usb_att *a = usb_plan_of(m->usb, d->usbvm, &d->port);
        char port[USB_PORT_TEXT_MAX];
        struct usb_stat s;
        json_t *o;

        if (!v || usb_stat_parse(text_of(v), &s))
            continue;
        o = stat_json(&s);
        if (!o)
            continue;
        json_object_set_new(o, "qube", json_string(d->usbvm));
        json_object_set_new(o, "port",
                            json_string(usb_port_name(&d->port, port)));
        json_object_set_new(o, "product", json_string(d->ident.model));
        json_object_set_new(o, "client", text_or_null(a ? a->qube : NULL));
        json_array_append_new(list, o);
    }
    return list;
}
