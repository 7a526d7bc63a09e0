/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/dom0/usb_plan.c and usb_claim.c: single stories, and
 * random ones (seed printed, SEED= repeats one) in which USBVMs and qubes
 * come, go, do as they are told, or lie, with what must always hold checked
 * after every step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dom0/config.h"
#include "dom0/usb_plan.h"
#include "lib/mem.h"

#define CLIENTS 3
#define USBVMS 2
#define QUBES (CLIENTS + USBVMS)
#define PORTS 4
#define NONE (-1)

static const char *const names[QUBES] = {"work", "untrusted", "media",
                                         "sys-usb", "sys-usb2"};

/* The world that the plan is told of. */
struct sim {
    struct usb_plan *plan;
    struct config_qube *conf[CLIENTS];
    bool running[QUBES];
    bool unseen[QUBES];
    uint32_t domid[QUBES];
    uint32_t next_domid;
    uint64_t next_gen;
    uint64_t now_ms;
    struct {
        bool plugged;
        struct usb_fact_dev f;
        int export; /* enum usb_link or NONE */
    } port[USBVMS][PORTS];
    int import[CLIENTS][USBVMS][PORTS];              /* the same */
    uint32_t import_backend[CLIENTS][USBVMS][PORTS]; /* whose device */
    struct usb_fact_qube q[QUBES];
    struct usb_fact_dev d[USBVMS * PORTS];
    struct usb_facts facts;
};

static void policy(struct sim *s, int client, const char *lines)
{
    char text[1024];
    struct config_daemon d;
    struct problems p = {0};

    config_qube_free(s->conf[client]);
    config_daemon_defaults(&d);
    snprintf(text, sizeof(text), "[Qube]\nKind=qube\nImage=i\n[USB]\n%s",
             lines);
    assert_int_equal(config_parse_qube(text_of(text), "f", names[client], &d,
                                       &s->conf[client], &p),
                     0);
}

static int port_index(const struct usb_port *p)
{
    return p->port[0] - 1;
}

static int link_of(int what, const char *why, struct usb_link_state *ret)
{
    if (what == NONE)
        return -ENOENT;
    *ret = (struct usb_link_state){.link = (enum usb_link)what, .vhci = 3};
    if (what == USB_LINK_FAILED)
        snprintf(ret->why, sizeof(ret->why), "%s", why);
    return 0;
}

static int import_of(void *arg, uint32_t client, uint32_t backend,
                     const struct usb_port *port, struct usb_link_state *ret)
{
    const struct sim *s = arg;

    for (int c = 0; c < CLIENTS; c++)
        for (int u = 0; u < USBVMS; u++)
            if (s->running[c] && s->domid[c] == client &&
                s->import_backend[c][u][port_index(port)] == backend)
                return link_of(s->import[c][u][port_index(port)], "no-vhci",
                               ret);
    return -ENOENT;
}

static int export_of(void *arg, uint32_t backend, const struct usb_port *port,
                     struct usb_link_state *ret)
{
    const struct sim *s = arg;

    for (int u = 0; u < USBVMS; u++)
        if (s->running[CLIENTS + u] && s->domid[CLIENTS + u] == backend)
            return link_of(s->port[u][port_index(port)].export, "protocol",
                           ret);
    return -ENOENT;
}

static void gather(struct sim *s)
{
    size_t n = 0;

    for (int i = 0; i < QUBES; i++)
        s->q[i] = (struct usb_fact_qube){
            .name = names[i],
            .running = s->running[i],
            .domid = s->domid[i],
            .policy = i < CLIENTS && s->conf[i] ? &s->conf[i]->usb : NULL,
            .unseen = s->unseen[i]};
    for (int u = 0; u < USBVMS; u++)
        for (int k = 0; k < PORTS; k++)
            if (s->running[CLIENTS + u] && s->port[u][k].plugged)
                s->d[n++] = s->port[u][k].f;
    s->facts = (struct usb_facts){.qubes = s->q,
                                  .n_qubes = QUBES,
                                  .devs = s->d,
                                  .n_devs = n,
                                  .now_ms = s->now_ms,
                                  .import = import_of,
                                  .export = export_of,
                                  .arg = s};
}

static bool step(struct sim *s)
{
    gather(s);
    return usb_plan_step(s->plan, &s->facts);
}

static void power(struct sim *s, int i, bool on)
{
    s->running[i] = on;
    s->unseen[i] = false;
    s->domid[i] = on ? s->next_domid++ : 0;
    for (int k = 0; k < PORTS; k++) {
        for (int u = 0; i < CLIENTS && u < USBVMS; u++)
            s->import[i][u][k] = NONE;
        if (i >= CLIENTS) {
            s->port[i - CLIENTS][k].export = USB_LINK_IDLE;
            s->port[i - CLIENTS][k].f.backend = s->domid[i];
            s->port[i - CLIENTS][k].f.dev.gen = s->next_gen++;
        }
    }
}

/* 0 a stick, 1 a keyboard, 2 both in one, 3 without interfaces */
static void plug(struct sim *s, int u, int k, int kind)
{
    static const struct usb_iface stick = {8, 6, 0x50}, keys = {3, 1, 1};
    struct usb_fact_dev *f = &s->port[u][k].f;

    *f = (struct usb_fact_dev){
        .d = {.port = {.bus = 1, .depth = 1, .port = {(uint8_t)(k + 1)}},
              .ident = {.vendor_id = 0x1000, .product_id = (uint16_t)kind}},
        .backend = s->domid[CLIENTS + u],
        .known = true,
        .dev = {.gen = s->next_gen++, .speed = 3}};
    snprintf(f->d.usbvm, sizeof(f->d.usbvm), "%s", names[CLIENTS + u]);
    f->dev.hash[0] = (uint8_t)kind;
    s->port[u][k].export = USB_LINK_IDLE;
    if (kind == 0 || kind == 2) {
        usb_ifaces_add(&f->d.ifaces, stick);
        usb_ifmap_add(&f->d.map, 0, stick);
    }
    if (kind == 1 || kind == 2) {
        usb_ifaces_add(&f->d.ifaces, keys);
        usb_ifmap_add(&f->d.map, 1, keys);
    }
    s->port[u][k].plugged = true;
}

static void unplug(struct sim *s, int u, int k)
{
    s->port[u][k].plugged = false;
    s->port[u][k].export = NONE;
}

/* Everybody does what the keys say, one step. A device that is no longer
 * granted is reset first, then idle. */
static void obey_usbvm(struct sim *s, int u)
{
    for (int k = 0; k < PORTS; k++) {
        struct usb_fact_dev *f = &s->port[u][k].f;
        int *export = &s->port[u][k].export;
        const struct usb_att *a =
            usb_plan_of(s->plan, names[CLIENTS + u], &f->d.port);
        bool granted = a && a->state != USB_ATT_CLOSING &&
                       a->backend == s->domid[CLIENTS + u] &&
                       a->dev.gen == f->dev.gen && s->port[u][k].plugged;

        if (granted) {
            *export = USB_LINK_ATTACHED;
        } else if (*export == NONE || *export == USB_LINK_IDLE) {
            *export = s->port[u][k].plugged ? USB_LINK_IDLE : NONE;
            f->known = true;
        } else {
            *export = NONE;
            f->known = false;
        }
    }
}

static void obey_client(struct sim *s, int c)
{
    for (int u = 0; u < USBVMS; u++)
        for (int k = 0; k < PORTS; k++) {
            struct usb_port port = {
                .bus = 1, .depth = 1, .port = {(uint8_t)(k + 1)}};
            const struct usb_att *a =
                usb_plan_of(s->plan, names[CLIENTS + u], &port);

            s->import[c][u][k] = NONE;
            if (s->running[c] && a && a->client == s->domid[c] &&
                a->state != USB_ATT_CLOSING) {
                s->import[c][u][k] = USB_LINK_ATTACHED;
                s->import_backend[c][u][k] = a->backend;
            }
        }
}

static void obey(struct sim *s)
{
    for (int u = 0; u < USBVMS; u++)
        obey_usbvm(s, u);
    for (int c = 0; c < CLIENTS; c++)
        obey_client(s, c);
}

static int set_up(void **state)
{
    struct sim *s = calloc(1, sizeof(*s));

    s->next_domid = 1;
    s->next_gen = 1;
    s->now_ms = 1000;
    assert_int_equal(usb_plan_new(&s->plan), 0);
    for (int i = 0; i < QUBES; i++)
        power(s, i, true);
    for (int c = 0; c < CLIENTS; c++)
        policy(s, c, "");
    for (int u = 0; u < USBVMS; u++)
        for (int k = 0; k < PORTS; k++) {
            s->port[u][k].export = NONE;
            s->port[u][k].f.d.port = (struct usb_port){
                .bus = 1, .depth = 1, .port = {(uint8_t)(k + 1)}};
        }
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct sim *s = *state;

    for (int c = 0; c < CLIENTS; c++)
        config_qube_free(s->conf[c]);
    usb_plan_free(s->plan);
    free(s);
    return 0;
}

static enum usb_refusal attach(struct sim *s, int c, int u, int k,
                               uint32_t ifaces, struct usb_answer *ret)
{
    struct usb_want w = {.some = ifaces != 0, .ifaces = ifaces};

    gather(s);
    for (size_t i = 0; i < s->facts.n_devs; i++)
        if (!strcmp(s->d[i].d.usbvm, names[CLIENTS + u]) &&
            port_index(&s->d[i].d.port) == k)
            return usb_plan_attach(s->plan, &s->facts, (size_t)c, i, &w, ret);
    fail();
    return USB_OK;
}

static const struct usb_att *at(const struct sim *s, int u, int k)
{
    return usb_plan_of(s->plan, names[CLIENTS + u], &s->port[u][k].f.d.port);
}

/* ---- stories ---- */

static void test_attach_detach(void **state)
{
    struct sim *s = *state;
    struct usb_answer a, b;

    plug(s, 0, 0, 0);
    assert_false(step(s));
    assert_int_equal(attach(s, 0, 0, 0, 0, &a), USB_OK);
    assert_int_equal(at(s, 0, 0)->state, USB_ATT_OFFERED);
    assert_int_equal(at(s, 0, 0)->vport, USB_GRANT_VPORT_MIN);
    assert_int_equal(attach(s, 1, 0, 0, 0, &b), USB_BUSY);
    assert_string_equal(b.who, "work");
    assert_int_equal(attach(s, 0, 0, 0, 0, &b), USB_HAS_IT);
    assert_int_equal(b.serial, a.serial);
    obey(s);
    assert_true(step(s));
    assert_int_equal(at(s, 0, 0)->state, USB_ATT_ATTACHED);
    assert_int_equal(at(s, 0, 0)->vhci, 3);
    assert_int_equal(usb_plan_detach(s->plan, &s->facts, "untrusted", "sys-usb",
                                     &s->port[0][0].f.d.port),
                     -ENOENT);
    assert_int_equal(usb_plan_detach(s->plan, &s->facts, "work", "sys-usb",
                                     &s->port[0][0].f.d.port),
                     0);
    /* not before it was reset */
    for (int i = 0; i < 2; i++) {
        assert_false(step(s));
        assert_int_equal(attach(s, 1, 0, 0, 0, &b), USB_WAIT);
        obey(s);
    }
    assert_true(step(s));
    assert_null(at(s, 0, 0));
    assert_int_equal(attach(s, 1, 0, 0, 0, &b), USB_OK);
    assert_int_equal(at(s, 0, 0)->vport, USB_GRANT_VPORT_MIN + 2);
}

/* A new generation while the old export still runs is not enough. */
static void test_export_must_end(void **state)
{
    struct sim *s = *state;
    struct usb_answer a;

    plug(s, 0, 0, 0);
    assert_int_equal(attach(s, 0, 0, 0, 0, &a), USB_OK);
    obey(s);
    step(s);
    s->port[0][0].f.dev.gen = s->next_gen++;
    for (int i = 0; i < 3; i++)
        step(s);
    assert_int_equal(at(s, 0, 0)->state, USB_ATT_CLOSING);
    assert_int_equal(attach(s, 1, 0, 0, 0, &a), USB_WAIT);
    s->port[0][0].export = USB_LINK_IDLE;
    step(s);
    assert_null(at(s, 0, 0));
}

/* A qube has as many devices as its sysqube-usb takes. */
static void test_many(void **state)
{
    static struct usb_fact_dev d[USB_PLAN_QUBE_MAX + 1];
    struct sim *s = *state;
    struct usb_want all = {0};
    struct usb_answer a;

    plug(s, 0, 0, 0);
    gather(s);
    for (size_t i = 0; i < ARRAY_LEN(d); i++) {
        d[i] = s->d[0];
        d[i].d.port.bus = (uint8_t)(2 + i);
    }
    s->facts.devs = d;
    s->facts.n_devs = ARRAY_LEN(d);
    for (size_t i = 0; i < USB_PLAN_QUBE_MAX; i++)
        assert_int_equal(usb_plan_attach(s->plan, &s->facts, 0, i, &all, &a),
                         USB_OK);
    assert_int_equal(
        usb_plan_attach(s->plan, &s->facts, 0, USB_PLAN_QUBE_MAX, &all, &a),
        USB_FULL);
    assert_int_equal(
        usb_plan_attach(s->plan, &s->facts, 1, USB_PLAN_QUBE_MAX, &all, &a),
        USB_OK);
}

/* What is not identified, or not said to be idle, is not granted. */
static void test_idle_first(void **state)
{
    static const int busy[] = {NONE, USB_LINK_WAITING, USB_LINK_ATTACHED,
                               USB_LINK_FAILED};
    struct sim *s = *state;
    struct usb_answer a;

    plug(s, 0, 0, 0);
    for (size_t i = 0; i < ARRAY_LEN(busy); i++) {
        s->port[0][0].export = busy[i];
        assert_int_equal(attach(s, 0, 0, 0, 0, &a), USB_WAIT);
    }
    s->port[0][0].export = USB_LINK_IDLE;
    s->port[0][0].f.known = false;
    assert_int_equal(attach(s, 0, 0, 0, 0, &a), USB_WAIT);
    s->port[0][0].f.known = true;
    assert_int_equal(attach(s, 0, 0, 0, 0, &a), USB_OK);
}

/* A qube that ended, then its device unplugged in the middle of the reset. */
static void test_unplug_while_closing(void **state)
{
    struct sim *s = *state;
    struct usb_answer a;

    plug(s, 0, 0, 0);
    assert_int_equal(attach(s, 0, 0, 0, 0, &a), USB_OK);
    obey(s);
    step(s);
    power(s, 0, false);
    step(s);
    assert_int_equal(at(s, 0, 0)->end, USB_END_QUBE);
    s->port[0][0].plugged = false;
    step(s);
    assert_non_null(at(s, 0, 0)); /* still exported, it says */
    s->port[0][0].export = NONE;
    step(s);
    assert_null(at(s, 0, 0));
}

/* Nobody describes it for a moment, but it is lent: it stays. */
static void test_undescribed(void **state)
{
    struct sim *s = *state;
    struct usb_answer a;

    plug(s, 0, 0, 0);
    assert_int_equal(attach(s, 0, 0, 0, 0, &a), USB_OK);
    obey(s);
    step(s);
    s->port[0][0].plugged = false;
    assert_false(step(s));
    s->port[0][0].plugged = true; /* not in full yet */
    s->port[0][0].f.known = false;
    s->port[0][0].f.d.ifaces.n = 0;
    assert_false(step(s));
    policy(s, 0, "Deny=Storage\n");
    assert_true(step(s)); /* as last seen */
    assert_int_equal(at(s, 0, 0)->end, USB_END_DENIED);
}

/* Both sides must say attached, and go on saying it. */
static void test_both_sides(void **state)
{
    struct sim *s = *state;
    struct usb_answer a;

    plug(s, 0, 0, 0);
    assert_int_equal(attach(s, 0, 0, 0, 0, &a), USB_OK);
    obey_client(s, 0);
    assert_false(step(s));
    assert_int_equal(at(s, 0, 0)->state, USB_ATT_OFFERED);
    s->port[0][0].export = USB_LINK_WAITING;
    assert_false(step(s));
    s->port[0][0].export = USB_LINK_ATTACHED;
    assert_true(step(s));
    assert_int_equal(at(s, 0, 0)->state, USB_ATT_ATTACHED);
    s->port[0][0].export = USB_LINK_IDLE;
    assert_true(step(s));
    assert_int_equal(at(s, 0, 0)->state, USB_ATT_CLOSING);
    assert_string_equal(at(s, 0, 0)->why, "the side of sys-usb ended");
}

/* dom0's own view of a VM was lost for a while: nothing ends by that; what
 * is said nevertheless counts, and so does the policy. */
static void test_unseen(void **state)
{
    struct sim *s = *state;
    struct usb_answer a;

    plug(s, 0, 0, 0);
    assert_int_equal(attach(s, 0, 0, 0, 0, &a), USB_OK);
    obey(s);
    step(s);
    s->unseen[0] = s->unseen[CLIENTS] = true;
    s->port[0][0].plugged = false;
    s->port[0][0].export = NONE;
    s->import[0][0][0] = NONE;
    assert_false(step(s));
    assert_int_equal(at(s, 0, 0)->state, USB_ATT_ATTACHED);
    s->port[0][0].plugged = true;
    s->port[0][0].f.known = false;
    assert_false(step(s));
    s->unseen[CLIENTS] = false;
    s->port[0][0].f.known = true;
    s->port[0][0].export = USB_LINK_ATTACHED;
    assert_false(step(s));
    policy(s, 0, "Deny=Storage\n");
    s->unseen[CLIENTS] = true;
    s->port[0][0].plugged = false;
    assert_true(step(s));
    assert_int_equal(at(s, 0, 0)->end, USB_END_DENIED);
    /* whether it was reset is not known */
    s->port[0][0].export = NONE;
    assert_false(step(s));
    s->unseen[CLIENTS] = false;
    assert_true(step(s));
    assert_null(at(s, 0, 0));
}

static void test_refusals(void **state)
{
    struct sim *s = *state;
    struct usb_answer a;
    struct usb_want input = {.evdev = true, .keyboard = true};

    plug(s, 0, 0, 2);
    plug(s, 0, 1, 0);
    policy(s, 0, "Deny=Keyboard\n");
    assert_int_equal(attach(s, 0, 0, 0, 0, &a), USB_DENIED);
    assert_int_equal(a.ruling.line, 5);
    assert_int_equal(attach(s, 0, 0, 0, 1u << 4, &a), USB_DENIED);
    assert_int_equal(attach(s, 1, 0, 0, 1u << 4, &a), USB_NO_IFACE);
    assert_int_equal(attach(s, 0, 0, 0, 1u << 0, &a), USB_OK);
    gather(s);
    assert_int_equal(usb_plan_attach(s->plan, &s->facts, 1, 1, &input, &a),
                     USB_NO_INPUT);
    assert_int_equal(
        usb_plan_attach(s->plan, &s->facts, CLIENTS, 1, &input, &a),
        USB_NO_TAKER);
    s->port[0][1].f.d.malformed = true;
    assert_int_equal(attach(s, 1, 0, 1, 0, &a), USB_MALFORMED);
    power(s, 1, false);
    assert_int_equal(attach(s, 1, 0, 1, 0, &a), USB_OFF);
}

static void test_ends(void **state)
{
    static const enum usb_end want[] = {
        USB_END_QUBE,    USB_END_USBVM,  USB_END_GONE,   USB_END_CHANGED,
        USB_END_CHANGED, USB_END_DENIED, USB_END_FAILED, USB_END_FAILED,
        USB_END_FAILED,  USB_END_TIMEOUT};
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct usb_answer a;
        struct sim *s;

        (void)tear_down(state);
        (void)set_up(state);
        s = *state;
        plug(s, 0, 0, 0);
        assert_int_equal(attach(s, 0, 0, 0, 0, &a), USB_OK);
        if (i != 9) {
            obey(s);
            step(s);
            assert_int_equal(at(s, 0, 0)->state, USB_ATT_ATTACHED);
        }
        switch (i) {
        case 0:
            power(s, 0, false);
            break;
        case 1:
            power(s, CLIENTS, false);
            break;
        case 2:
            unplug(s, 0, 0);
            break;
        case 3:
            s->port[0][0].f.dev.gen++;
            break;
        case 4:
            s->port[0][0].f.dev.hash[5] ^= 1;
            break;
        case 5:
            policy(s, 0, "Deny=Storage\n");
            break;
        case 6:
            s->import[0][0][0] = USB_LINK_FAILED;
            break;
        case 7:
            s->port[0][0].export = USB_LINK_FAILED;
            break;
        case 8:
            s->import[0][0][0] = NONE;
            break;
        default:
            s->now_ms += USB_PLAN_ATTACH_MS;
            break;
        }
        assert_true(step(s));
        const struct usb_att *att = at(s, 0, 0);
        assert_non_null(att);
        if (att->end != want[i] || att->state != USB_ATT_CLOSING)
            fail_msg("row %zu: %d %s", i, att->end, att->why);
        assert_true(att->why[0] != '\0');
    }
}

/* A replug at the same port attaches what is assigned; what changed does
 * not; by hand does not. */
static void test_replug(void **state)
{
    struct sim *s = *state;
    struct usb_answer a;

    policy(s, 0, "Assign=auto sys-usb:1-1 1000:0000\n");
    plug(s, 0, 0, 0);
    plug(s, 0, 1, 0);
    assert_true(step(s));
    assert_non_null(at(s, 0, 0));
    assert_null(at(s, 0, 1));
    assert_int_equal(attach(s, 0, 0, 1, 0, &a), USB_OK);
    obey(s);
    step(s);
    for (int k = 0; k < 2; k++)
        unplug(s, 0, k);
    step(s);
    obey(s);
    obey(s);
    step(s);
    assert_null(at(s, 0, 0));
    plug(s, 0, 0, 0);
    plug(s, 0, 1, 0);
    step(s);
    assert_null(at(s, 0, 0)); /* it was there for a moment only */
    s->now_ms += USB_PLAN_RETRY_MS;
    step(s);
    assert_non_null(at(s, 0, 0));
    assert_true(at(s, 0, 0)->by_itself);
    assert_null(at(s, 0, 1));
    unplug(s, 0, 0);
    step(s);
    obey(s);
    obey(s);
    step(s);
    plug(s, 0, 0, 2); /* another identity */
    s->now_ms += USB_PLAN_RETRY_MS;
    step(s);
    assert_null(at(s, 0, 0));
    /* after a long time without a pause */
    plug(s, 0, 0, 0);
    step(s);
    obey(s);
    step(s);
    assert_int_equal(at(s, 0, 0)->state, USB_ATT_ATTACHED);
    s->now_ms += USB_PLAN_STABLE_MS;
    unplug(s, 0, 0);
    step(s);
    obey(s);
    obey(s);
    step(s);
    plug(s, 0, 0, 0);
    step(s);
    assert_non_null(at(s, 0, 0));
}

/* A hostile USBVM plugs and unplugs as fast as it can. */
static void test_flapping(void **state)
{
    struct sim *s = *state;
    uint64_t last = 0;
    unsigned n = 0;

    policy(s, 0, "Assign=auto *\n");
    for (int i = 0; i < 1000; i++) {
        plug(s, 0, 0, 0);
        step(s);
        if (at(s, 0, 0) && at(s, 0, 0)->serial != last) {
            last = at(s, 0, 0)->serial;
            n++;
        }
        unplug(s, 0, 0);
        step(s);
        s->now_ms += 10;
    }
    assert_in_range(n, 8, 10 * 1000 / USB_PLAN_RETRY_MS + 1);
}

static void test_detached_stays_detached(void **state)
{
    struct sim *s = *state;

    policy(s, 0, "Assign=auto Storage\n");
    plug(s, 0, 0, 0);
    step(s);
    obey(s);
    step(s);
    assert_int_equal(usb_plan_detach(s->plan, &s->facts, "work", "sys-usb",
                                     &s->port[0][0].f.d.port),
                     0);
    for (int i = 0; i < 20; i++) {
        obey(s);
        s->now_ms += 10000;
        step(s);
    }
    assert_null(at(s, 0, 0));
    power(s, 0, false);
    step(s);
    power(s, 0, true);
    step(s);
    assert_non_null(at(s, 0, 0));
}

/* Failures: tried again with growing pauses, then no more. */
static void test_retry(void **state)
{
    struct sim *s = *state;
    unsigned tries = 0;
    uint64_t last = 0;

    policy(s, 0, "Assign=auto Storage\n");
    plug(s, 0, 0, 0);
    for (int i = 0; i < 2000; i++) {
        step(s);
        const struct usb_att *a = at(s, 0, 0);
        if (a && a->serial != last) {
            tries++;
            last = a->serial;
            s->import[0][0][0] = USB_LINK_FAILED;
            s->import_backend[0][0][0] = a->backend;
        } else {
            obey(s);
        }
        s->now_ms += 50;
    }
    assert_int_equal(tries, USB_PLAN_TRIES);
}

static void test_questions(void **state)
{
    struct sim *s = *state;
    size_t who[QUBES];
    struct usb_answer a;

    policy(s, 0, "Assign=ask Storage\n");
    plug(s, 0, 0, 0);
    assert_false(step(s));
    assert_int_equal(usb_plan_question(s->plan, &s->facts, 0, who), 1);
    assert_int_equal(who[0], 0);
    policy(s, 0, "Assign=auto Storage\n");
    policy(s, 1, "Assign=auto Storage\n");
    policy(s, 2, "Assign=auto *\n"); /* less exact */
    assert_false(step(s));
    assert_int_equal(usb_plan_question(s->plan, &s->facts, 0, who), 2);
    /* the answers: one denies it for itself, or one takes it */
    policy(s, 1, "Assign=auto Storage\nDeny=1000:0000\n");
    gather(s);
    assert_int_equal(usb_plan_question(s->plan, &s->facts, 0, who), 0);
    policy(s, 1, "Assign=auto Storage\n");
    assert_int_equal(attach(s, 1, 0, 0, 0, &a), USB_OK);
    assert_int_equal(usb_plan_question(s->plan, &s->facts, 0, who), 0);
    /* a running one only */
    power(s, 1, false);
    for (int i = 0; i < 3; i++) {
        step(s);
        obey(s);
    }
    assert_string_equal(at(s, 0, 0)->qube, "work");
}

static void test_required(void **state)
{
    struct sim *s = *state;
    const struct usb_assign *a;
    struct usb_answer answer;

    policy(s, 0, "Assign=auto 1000:0001\nAssign=required 1000:0000\n");
    gather(s);
    a = usb_plan_missing(s->plan, &s->facts, &s->conf[0]->usb);
    assert_non_null(a);
    assert_int_equal(a->line, 6);
    plug(s, 1, 2, 0);
    gather(s);
    assert_null(usb_plan_missing(s->plan, &s->facts, &s->conf[0]->usb));
    power(s, 0, false);
    assert_int_equal(attach(s, 1, 1, 2, 0, &answer), USB_OK);
    assert_non_null(usb_plan_missing(s->plan, &s->facts, &s->conf[0]->usb));
}

static void test_linger(void **state)
{
    struct sim *s = *state;
    struct usb_answer a;
    uint16_t old;

    plug(s, 0, 0, 0);
    assert_int_equal(attach(s, 0, 0, 0, 0, &a), USB_OK);
    old = at(s, 0, 0)->vport;
    obey(s);
    step(s);
    usb_plan_detach(s->plan, &s->facts, "work", "sys-usb",
                    &s->port[0][0].f.d.port);
    obey_usbvm(s, 0);
    obey_usbvm(s, 0);
    step(s); /* the qube still says attached */
    assert_null(at(s, 0, 0));
    assert_int_equal(attach(s, 0, 0, 0, 0, &a), USB_WAIT);
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(attach(s, 1, 0, 0, 0, &a), USB_OK);
        assert_int_not_equal(at(s, 0, 0)->vport, old);
        obey_usbvm(s, 0);
        usb_plan_detach(s->plan, &s->facts, "untrusted", "sys-usb",
                        &s->port[0][0].f.d.port);
        obey_usbvm(s, 0);
        obey_usbvm(s, 0);
        step(s);
    }
    obey_client(s, 0);
    step(s);
    assert_int_equal(attach(s, 0, 0, 0, 0, &a), USB_OK);
}

/* ---- random ---- */

static unsigned rnd(unsigned *seed, unsigned n)
{
    return (unsigned)rand_r(seed) % n;
}

#define SEEN_MAX 20000
struct seen {
    uint64_t serial;
    uint32_t client, backend;
    struct usb_port port;
    uint16_t vport;
};
static struct seen seen[SEEN_MAX];
static size_t n_seen;

static const struct seen *seen_serial(uint64_t serial)
{
    for (size_t i = n_seen; i > 0; i--)
        if (seen[i - 1].serial == serial)
            return &seen[i - 1];
    return NULL;
}

/* A new attachment: of an idle device, with a port nobody reports. */
static void check_new(struct sim *s, const struct usb_att *a)
{
    struct usb_link_state l;

    assert_int_equal(export_of(s, a->backend, &a->port, &l), 0);
    assert_int_equal(l.link, USB_LINK_IDLE);
    for (size_t i = 0; i < n_seen; i++) {
        const struct seen *o = &seen[i];
        bool newer = false;

        if (o->vport != a->vport || usb_plan_find(s->plan, o->serial) ||
            import_of(s, o->client, o->backend, &o->port, &l) == -ENOENT)
            continue;
        /* reported still, by the one who had it first? */
        for (size_t k = i + 1; k < n_seen; k++)
            newer |= seen[k].client == o->client &&
                     seen[k].backend == o->backend &&
                     usb_port_cmp(&seen[k].port, &o->port) == 0;
        if (!newer)
            fail_msg("vchan port %u used again", o->vport);
    }
    assert_true(n_seen < SEEN_MAX);
    seen[n_seen++] =
        (struct seen){a->serial, a->client, a->backend, a->port, a->vport};
}

static void check_live(const struct sim *s, const struct usb_att *a)
{
    const struct usb_fact_qube *q = NULL;
    const struct usb_fact_dev *d = NULL;
    struct usb_ruling r;
    bool dark = false;

    for (int i = 0; i < QUBES; i++) {
        if (s->running[i] && s->domid[i] == a->client)
            q = &s->q[i];
        if (s->running[i] && s->domid[i] == a->backend)
            dark = s->unseen[i];
    }
    for (size_t i = 0; i < s->facts.n_devs; i++)
        if (s->d[i].backend == a->backend &&
            usb_port_cmp(&s->d[i].d.port, &a->port) == 0)
            d = &s->d[i];
    assert_non_null(q);
    assert_string_equal(q->name, a->qube);
    usb_policy_rule(q->policy, &a->d, &a->want, &r);
    assert_true(r.allowed);
    if (dark && (!d || !d->known))
        return;
    if (!d || !d->known) { /* still lent, it is said */
        struct usb_link_state l;

        assert_int_equal(
            s->facts.export(s->facts.arg, a->backend, &a->port, &l), 0);
        assert_true(l.link == USB_LINK_WAITING || l.link == USB_LINK_ATTACHED);
        return;
    }
    assert_int_equal(d->dev.gen, a->dev.gen);
    assert_memory_equal(d->dev.hash, a->dev.hash, sizeof(a->dev.hash));
    usb_policy_rule(q->policy, &d->d, &a->want, &r);
    assert_true(r.allowed);
}

static void check_all(struct sim *s)
{
    for (size_t i = 0; usb_plan_at(s->plan, i); i++) {
        const struct usb_att *a = usb_plan_at(s->plan, i);

        assert_true(a->vport >= USB_GRANT_VPORT_MIN &&
                    a->vport <= USB_GRANT_VPORT_MAX && a->vport % 2 == 0);
        for (size_t k = 0; k < i; k++) {
            const struct usb_att *b = usb_plan_at(s->plan, k);

            assert_int_not_equal(a->vport, b->vport);
            if (!strcmp(a->usbvm, b->usbvm) &&
                !usb_port_cmp(&a->port, &b->port))
                fail_msg("two owners: %s %s", a->qube, b->qube);
        }
        if (!seen_serial(a->serial))
            check_new(s, a);
        if (a->state != USB_ATT_CLOSING)
            check_live(s, a);
    }
}

static void act(struct sim *s, unsigned *seed)
{
    static const char *const policies[] = {
        "",
        "Deny=Keyboard\n",
        "Deny=*\n",
        "Deny=*\nAllow=Storage\n",
        "Assign=auto Storage\n",
        "Assign=auto *\nDeny=Keyboard\n",
        "Assign=required 1000:0001\nAssign=ask *\n",
        "Assign=auto sys-usb:1-1\nAssign=auto sys-usb2:1-2 interfaces=0\n",
    };
    int c = (int)rnd(seed, CLIENTS), u = (int)rnd(seed, USBVMS);
    int k = (int)rnd(seed, PORTS);
    struct usb_answer a;

    switch (rnd(seed, 17)) {
    case 0:
        plug(s, u, k, (int)rnd(seed, 4));
        break;
    case 1:
        s->port[u][k].plugged = false;
        if (rnd(seed, 3))
            s->port[u][k].export = NONE;
        break;
    case 2:
        s->port[u][k].f.dev.hash[1]++;
        break;
    case 3:
        s->port[u][k].f.dev.gen = s->next_gen++;
        break;
    case 4:
        if (rnd(seed, 4) == 0)
            power(s, (int)rnd(seed, QUBES), rnd(seed, 3) != 0);
        break;
    case 5:
        policy(s, c, policies[rnd(seed, ARRAY_LEN(policies))]);
        break;
    case 6:
        gather(s);
        usb_plan_detach(s->plan, &s->facts, names[c], names[CLIENTS + u],
                        &s->port[u][k].f.d.port);
        break;
    case 7:
        s->now_ms += rnd(seed, 4000);
        break;
    case 8:
        s->import[c][u][k] = (int)rnd(seed, 6) - 1;
        break;
    case 9:
        s->port[u][k].export = (int)rnd(seed, 6) - 1;
        break;
    case 10:
        s->port[u][k].f.known = rnd(seed, 4) != 0;
        break;
    case 11:
        obey_client(s, c);
        break;
    case 12:
        obey_usbvm(s, u);
        break;
    case 13:
        obey(s);
        break;
    case 14:
        s->unseen[rnd(seed, QUBES)] = rnd(seed, 3) == 0;
        break;
    default:
        gather(s);
        if (s->running[CLIENTS + u] && s->port[u][k].plugged)
            (void)attach(s, c, u, k, rnd(seed, 4) ? 0 : rnd(seed, 4), &a);
        break;
    }
}

/* When all obey, every attachment becomes one or goes. */
static void settle(struct sim *s)
{
    memset(s->unseen, 0, sizeof(s->unseen));
    for (int u = 0; u < USBVMS; u++)
        for (int k = 0; k < PORTS; k++)
            s->port[u][k].f.known = true;
    for (int i = 0; i < 40; i++) {
        obey(s);
        s->now_ms += 500;
        step(s);
        check_all(s);
    }
    for (size_t i = 0; usb_plan_at(s->plan, i); i++)
        assert_int_equal(usb_plan_at(s->plan, i)->state, USB_ATT_ATTACHED);
}

static void test_random(void **state)
{
    const char *given = getenv("SEED");
    unsigned first =
        given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

    for (unsigned n = 0; n < (given ? 1 : 60); n++) {
        unsigned seed = first + n;
        struct sim *s;

        print_message("SEED=%u\n", seed);
        (void)tear_down(state);
        (void)set_up(state);
        s = *state;
        n_seen = 0;
        for (int i = 0; i < 1500; i++) {
            act(s, &seed);
            step(s);
            check_all(s);
            /* nothing new: it comes to rest */
            for (int k = 0; step(s); k++) {
                assert_true(k < 10);
                check_all(s);
            }
        }
        settle(s);
    }
}

int main(void)
{
#define STORY(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORY(test_attach_detach),
        STORY(test_export_must_end),
        STORY(test_idle_first),
        STORY(test_many),
        STORY(test_unplug_while_closing),
        STORY(test_undescribed),
        STORY(test_flapping),
        STORY(test_both_sides),
        STORY(test_unseen),
        STORY(test_refusals),
        STORY(test_ends),
        STORY(test_replug),
        STORY(test_detached_stays_detached),
        STORY(test_retry),
        STORY(test_questions),
        STORY(test_required),
        STORY(test_linger),
        STORY(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
