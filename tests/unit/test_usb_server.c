/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of usb_check_server.c: what becomes of a qube's requests, in which
 * order, and what it is told. What is refused: test_usb_hostile.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "tests/mock/usbdev.h"
#include "usbvm/protocol/usb_check_server.h"

#define DEVID 0x10002u
#define BULK USB_CHANNEL_BULK
#define CONTROL USB_CHANNEL_CONTROL

static const uint8_t GET_DEVICE[8] = {0x80, 6, 0, 1, 0, 0, 18, 0};
static const uint8_t GET_DEVICE_64[8] = {0x80, 6, 0, 1, 0, 0, 64, 0};
static const uint8_t GET_STATUS[8] = {0x80, 0, 0, 0, 0, 0, 2, 0};
static const uint8_t SET_CONFIG_0[8] = {0, 9, 0, 0, 0, 0, 0, 0};
static const uint8_t SET_CONFIG_1[8] = {0, 9, 1, 0, 0, 0, 0, 0};
static const uint8_t SET_ALT_0[8] = {1, 11, 0, 0, 1, 0, 0, 0};

struct rig {
    struct usb_snapshot *snapshot;
    struct usb_server *server;
    struct usb_act act;     /* of the last PDU */
    struct usb_replies rep; /* of the last PDU or end */
    uint64_t now_ms;
};

static struct rig rig_new(const struct usb_quota quota[2])
{
    struct usb_server_config conf = {
        .devid = DEVID,
        .quota = USB_QUOTA_DEFAULT,
        .policy = USB_POLICY_DEFAULT,
    };
    struct rig g = {.snapshot = usbdev_mix(), .now_ms = 1000};

    if (quota)
        memcpy(conf.quota, quota, sizeof(conf.quota));
    g.server = usb_server_new(&conf, g.snapshot);
    assert_non_null(g.server);
    return g;
}

static void rig_free(struct rig *g)
{
    usb_server_free(g->server);
    usb_snapshot_free(g->snapshot);
}

static enum usb_verdict feed(struct rig *g, enum usb_channel ch,
                             const struct usbip_pdu *pdu, struct cur descs)
{
    uint8_t head[USBIP_HEADER_BYTES];
    struct usbip_body body;

    usbip_pdu_encode(pdu, head);
    enum usb_verdict v = usb_server_head(g->server, ch, head, &body);
    if (v != USB_PASS)
        return v;
    g->rep.n = 0;
    return usb_server_pdu(g->server, ch, head, descs, g->now_ms, &g->act,
                          &g->rep);
}

static struct usbip_pdu submit(uint32_t seqnum, uint8_t address, int32_t len)
{
    return (struct usbip_pdu){
        .command = USBIP_CMD_SUBMIT,
        .seqnum = seqnum,
        .devid = DEVID,
        .direction = address & 0x80 ? USBIP_DIR_IN : USBIP_DIR_OUT,
        .ep = address & 0xf,
        .submit.length = len,
    };
}

static enum usb_verdict feed_ep(struct rig *g, uint32_t seqnum, uint8_t address,
                                int32_t len)
{
    const struct usbip_pdu p = submit(seqnum, address, len);

    return feed(g, (address & 0xf) == 2 ? CONTROL : BULK, &p, cur_of(NULL, 0));
}

static enum usb_verdict feed_setup(struct rig *g, uint32_t seqnum,
                                   const uint8_t setup[8])
{
    struct usbip_pdu p = submit(seqnum, setup[0] & 0x80, setup[6]);

    memcpy(p.submit.setup, setup, 8);
    return feed(g, CONTROL, &p, cur_of(NULL, 0));
}

static enum usb_verdict feed_unlink(struct rig *g, enum usb_channel ch,
                                    uint32_t seqnum, uint32_t victim)
{
    const struct usbip_pdu p = {
        .command = USBIP_CMD_UNLINK,
        .seqnum = seqnum,
        .devid = DEVID,
        .victim = victim,
    };

    return feed(g, ch, &p, cur_of(NULL, 0));
}

static void done(struct rig *g, uint32_t seqnum, int32_t status,
                 uint32_t actual, bool cancelled)
{
    static const uint8_t data[4096];
    const struct usb_server_end end = {
        .seqnum = seqnum,
        .status = status,
        .actual = actual,
        .cancelled = cancelled,
        .data = data,
    };

    assert_int_equal(usb_server_done(g->server, &end, &g->rep), 0);
}

static struct usbip_pdu reply(const struct rig *g, size_t i)
{
    struct cur in = cur_of(g->rep.r[i].head, USBIP_HEADER_BYTES);
    struct usbip_pdu p = {0};

    assert_true(i < g->rep.n);
    assert_int_equal(usbip_pdu_decode(&in, USBIP_FROM_SERVER, &p), 0);
    assert_int_equal(p.devid | p.direction | p.ep, 0);
    return p;
}

static void expect_submit(const struct rig *g, size_t i, uint32_t seqnum,
                          int32_t status, int32_t actual)
{
    struct usbip_pdu p = reply(g, i);

    assert_int_equal(p.command, USBIP_RET_SUBMIT);
    assert_int_equal(p.seqnum, seqnum);
    assert_int_equal(p.done.status, status);
    assert_int_equal(p.done.actual, actual);
}

static void expect_unlink(const struct rig *g, size_t i, uint32_t seqnum,
                          int32_t status)
{
    struct usbip_pdu p = reply(g, i);

    assert_int_equal(p.command, USBIP_RET_UNLINK);
    assert_int_equal(p.seqnum, seqnum);
    assert_int_equal(p.status, status);
}

static void test_transfer(void **state)
{
    struct rig g = rig_new(NULL);

    (void)state;
    assert_int_equal(feed_ep(&g, 7, 0x81, 4096), USB_PASS);
    assert_int_equal(g.act.kind, USB_ACT_TRANSFER);
    assert_int_equal(g.act.seqnum, 7);
    assert_int_equal(g.act.type, USB_XFER_BULK);
    assert_int_equal(g.act.ep, 0x81);
    assert_int_equal(g.act.length, 4096);
    assert_int_equal(usb_server_flight(g.server, BULK), 1);
    assert_int_equal(usb_server_flight(g.server, CONTROL), 0);
    done(&g, 7, 0, 512, false);
    assert_int_equal(g.rep.n, 1);
    expect_submit(&g, 0, 7, 0, 512);
    assert_int_equal(g.rep.r[0].channel, BULK);
    assert_int_equal(g.rep.r[0].payload_len, 512);
    assert_int_equal(usb_server_flight(g.server, BULK), 0);
    /* OUT has no payload; more than was asked is cut */
    assert_int_equal(feed_ep(&g, 8, 0x02, 10), USB_PASS);
    assert_int_equal(g.act.type, USB_XFER_INTERRUPT);
    done(&g, 8, 0, 11, false);
    expect_submit(&g, 0, 8, 0, 10);
    assert_int_equal(g.rep.r[0].payload_len, 0);
    assert_int_equal(g.rep.r[0].channel, CONTROL);
    const struct usb_server_end again = {.seqnum = 8};
    assert_int_equal(usb_server_done(g.server, &again, &g.rep), -ENOENT);
    rig_free(&g);
}

/* Of transfer_flags only those that mean something reach the device. */
static void test_flags(void **state)
{
    static const struct {
        uint8_t address;
        uint32_t keep;
    } cases[] = {
        {0x81, USBIP_URB_SHORT_NOT_OK | USBIP_URB_NO_INTERRUPT},
        {0x01, USBIP_URB_ZERO_PACKET | USBIP_URB_NO_INTERRUPT},
        {0x82, USBIP_URB_SHORT_NOT_OK | USBIP_URB_NO_INTERRUPT},
        {0x02, USBIP_URB_NO_INTERRUPT},
        {0x83, USBIP_URB_ISO_ASAP | USBIP_URB_NO_INTERRUPT},
        {0x03, USBIP_URB_ISO_ASAP | USBIP_URB_NO_INTERRUPT},
    };
    struct rig g = rig_new(NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usbip_pdu p = submit((uint32_t)i, cases[i].address, 0);
        p.submit.flags = UINT32_MAX;
        assert_int_equal(
            feed(&g, (p.ep == 2) ? CONTROL : BULK, &p, cur_of(NULL, 0)),
            USB_PASS);
        assert_int_equal(g.act.flags, cases[i].keep);
    }
    rig_free(&g);
}

static void test_status(void **state)
{
    static const struct {
        int32_t status, want;
    } cases[] = {
        {0, 0},
        {-EPIPE, -EPIPE},
        {-EOVERFLOW, -EOVERFLOW},
        {-EREMOTEIO, -EREMOTEIO},
        {-ENOENT, -ENOENT},
        {-ECONNRESET, -ESHUTDOWN}, /* nobody asked for it */
        {-EPERM, -EPROTO},
        {-9999, -EPROTO},
        {1, -EPROTO},
    };
    struct rig g = rig_new(NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(feed_ep(&g, (uint32_t)i, 0x81, 64), USB_PASS);
        done(&g, (uint32_t)i, cases[i].status, 0, false);
        expect_submit(&g, 0, (uint32_t)i, cases[i].want, 0);
    }
    rig_free(&g);
}

/* The three ways of an unlink; the kernel's vhci drops the device when it
 * sees an answer behind that of the unlink. */
static void test_unlink(void **state)
{
    struct rig g = rig_new(NULL);
    int mine = 0;

    (void)state;
    /* in time */
    assert_int_equal(feed_ep(&g, 1, 0x81, 64), USB_PASS);
    assert_int_equal(usb_server_bind(g.server, 1, &mine), 0);
    assert_int_equal(feed_unlink(&g, BULK, 2, 1), USB_PASS);
    assert_int_equal(g.act.kind, USB_ACT_CANCEL);
    assert_int_equal(g.act.seqnum, 1);
    assert_ptr_equal(g.act.arg, &mine);
    assert_true(g.act.begun);
    done(&g, 1, -ECONNRESET, 9, true);
    assert_int_equal(g.rep.n, 1);
    expect_unlink(&g, 0, 2, -ECONNRESET);
    /* the transfer ended while it was cancelled */
    assert_int_equal(feed_ep(&g, 3, 0x81, 64), USB_PASS);
    assert_int_equal(feed_unlink(&g, BULK, 4, 3), USB_PASS);
    done(&g, 3, 0, 64, false);
    assert_int_equal(g.rep.n, 2);
    expect_submit(&g, 0, 3, 0, 64);
    expect_unlink(&g, 1, 4, 0);
    assert_int_equal(g.rep.r[1].payload_len, 0);
    /* the answer was sent before the unlink came */
    assert_int_equal(feed_ep(&g, 5, 0x81, 64), USB_PASS);
    done(&g, 5, 0, 64, false);
    assert_int_equal(feed_unlink(&g, BULK, 6, 5), USB_ANSWER);
    assert_int_equal(g.rep.n, 1);
    expect_unlink(&g, 0, 6, 0);
    /* one unlink per victim, also of those that have ended */
    assert_int_equal(feed_unlink(&g, BULK, 7, 5), USB_CLOSE);
    assert_int_equal(usb_server_reason(g.server), USB_REASON_UNLINK_TWICE);
    assert_int_equal(feed_unlink(&g, BULK, 8, 3), USB_CLOSE);
    assert_int_equal(usb_server_reason(g.server), USB_REASON_UNLINK_TWICE);
    assert_int_equal(usb_server_bind(g.server, 1, &mine), -ENOENT);
    rig_free(&g);
}

/* As many unlinks as requests, and what has ended is forgotten some time. */
static void test_unlink_all(void **state)
{
    struct rig g = rig_new(NULL);

    (void)state;
    for (uint32_t i = 0; i < 256; i++)
        assert_int_equal(feed_ep(&g, i, 0x81, 64), USB_PASS);
    for (uint32_t i = 0; i < 256; i++)
        assert_int_equal(feed_unlink(&g, BULK, 1000 + i, i), USB_PASS);
    for (uint32_t i = 0; i < 256; i++) {
        done(&g, 255 - i, -ECONNRESET, 0, true);
        expect_unlink(&g, 0, 1000 + 255 - i, -ECONNRESET);
    }
    assert_int_equal(usb_server_flight(g.server, BULK), 0);
    for (uint32_t i = 0; i < 1024; i++) {
        assert_int_equal(feed_ep(&g, 5000 + i, 0x81, 64), USB_PASS);
        done(&g, 5000 + i, 0, 0, false);
    }
    assert_int_equal(feed_unlink(&g, BULK, 1, 5000), USB_ANSWER);
    assert_int_equal(feed_unlink(&g, BULK, 2, 0), USB_CLOSE);
    assert_int_equal(usb_server_reason(g.server), USB_REASON_UNLINK_VICTIM);
    rig_free(&g);
}

static void test_quota(void **state)
{
    static const struct usb_quota small[2] = {{2, 1000}, {2, 1000}};
    struct rig g = rig_new(small);

    (void)state;
    /* the only one may be larger than the quota */
    assert_int_equal(feed_ep(&g, 1, 0x81, 4096), USB_PASS);
    assert_int_equal(feed_ep(&g, 2, 0x81, 1), USB_WAIT);
    assert_int_equal(feed_ep(&g, 2, 0x82, 64), USB_PASS); /* other channel */
    done(&g, 1, 0, 0, false);
    assert_int_equal(feed_ep(&g, 3, 0x81, 600), USB_PASS);
    assert_int_equal(feed_ep(&g, 4, 0x81, 401), USB_WAIT);
    assert_int_equal(feed_ep(&g, 4, 0x81, 400), USB_PASS);
    assert_int_equal(feed_ep(&g, 5, 0x81, 0), USB_WAIT);     /* two requests */
    assert_int_equal(feed_unlink(&g, BULK, 6, 3), USB_PASS); /* never waits */
    /* waiting too long: answered, and what is behind it can come */
    usb_server_unstick(g.server, BULK);
    assert_int_equal(feed_ep(&g, 5, 0x81, 0), USB_ANSWER);
    expect_submit(&g, 0, 5, -EPROTO, 0);
    assert_int_equal(usb_server_reason(g.server), USB_REASON_STUCK);
    assert_int_equal(feed_unlink(&g, BULK, 8, 5), USB_ANSWER);
    expect_unlink(&g, 0, 8, 0);
    assert_int_equal(feed_ep(&g, 9, 0x81, 0), USB_WAIT);
    rig_free(&g);
}

static void test_quota_bounds(void **state)
{
    static const struct {
        uint32_t a, b;
        bool ok;
    } cases[] = {
        {1, 1, true},           {0, 1, false},    {1, 0, false},
        {512, 1, false},        {256, 256, true}, {513, 1, false},
        {UINT32_MAX, 2, false},
    };
    struct usb_snapshot *s = usbdev_mix();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct usb_server_config conf = {
            .quota = {{cases[i].a, 1}, {cases[i].b, 1}}};
        struct usb_server *v = usb_server_new(&conf, s);
        assert_int_equal(v != NULL, cases[i].ok);
        usb_server_free(v);
    }
    usb_snapshot_free(s);
}

/* What is answered here does not overtake what the device thinks about. */
static void test_order(void **state)
{
    struct rig g = rig_new(NULL);
    int second = 0, third = 0;

    (void)state;
    assert_int_equal(feed_setup(&g, 1, GET_STATUS), USB_PASS);
    assert_int_equal(feed_setup(&g, 2, GET_DEVICE), USB_KEEP);
    assert_int_equal(usb_server_bind(g.server, 2, &second), 0);
    assert_int_equal(feed_setup(&g, 3, SET_CONFIG_0), USB_KEEP);
    assert_int_equal(usb_server_bind(g.server, 3, &third), 0);
    assert_int_equal(feed_ep(&g, 4, 0x82, 8), USB_PASS); /* not held up */
    assert_int_equal(usb_server_due(g.server, 0, &g.act, &g.rep), USB_DROP);
    done(&g, 1, 0, 2, false);
    assert_int_equal(usb_server_due(g.server, 0, &g.act, &g.rep), USB_ANSWER);
    expect_submit(&g, 0, 2, 0, 18);
    assert_ptr_equal(g.act.arg, &second);
    assert_int_equal(g.rep.r[0].payload_len, 18);
    assert_int_equal(usb_server_due(g.server, 0, &g.act, &g.rep), USB_PASS);
    assert_int_equal(g.act.kind, USB_ACT_SET_CONFIGURATION);
    assert_ptr_equal(g.act.arg, &third);
    assert_int_equal(usb_server_due(g.server, 0, &g.act, &g.rep), USB_DROP);
    assert_int_equal(usb_snapshot_configuration(g.snapshot), 1);
    done(&g, 3, 0, 0, false);
    assert_int_equal(usb_snapshot_configuration(g.snapshot), 0);
    assert_int_equal(feed_setup(&g, 5, GET_STATUS), USB_PASS);
    rig_free(&g);
}

/* An unlink of one that has not had its turn. */
static void test_unlink_kept(void **state)
{
    struct rig g = rig_new(NULL);
    int mine = 0;

    (void)state;
    assert_int_equal(feed_setup(&g, 1, GET_STATUS), USB_PASS);
    assert_int_equal(feed_setup(&g, 2, SET_CONFIG_0), USB_KEEP);
    assert_int_equal(usb_server_bind(g.server, 2, &mine), 0);
    assert_int_equal(feed_setup(&g, 3, GET_STATUS), USB_KEEP);
    assert_int_equal(feed_unlink(&g, CONTROL, 4, 2), USB_PASS);
    assert_ptr_equal(g.act.arg, &mine);
    assert_false(g.act.begun);
    done(&g, 2, -ECONNRESET, 0, true);
    expect_unlink(&g, 0, 4, -ECONNRESET);
    done(&g, 1, 0, 2, false);
    assert_int_equal(usb_server_due(g.server, 0, &g.act, &g.rep), USB_PASS);
    assert_int_equal(g.act.seqnum, 3);
    assert_int_equal(usb_snapshot_configuration(g.snapshot), 1);
    rig_free(&g);
}

static void test_state_follows(void **state)
{
    struct rig g = rig_new(NULL);

    (void)state;
    assert_int_equal(feed_setup(&g, 1, SET_ALT_0), USB_PASS);
    assert_int_equal(g.act.kind, USB_ACT_SET_INTERFACE);
    assert_int_equal(g.act.interface, 1);
    assert_int_equal(g.act.alt, 0);
    done(&g, 1, -EPIPE, 0, false); /* the device did not */
    assert_non_null(usb_snapshot_ep(g.snapshot, 0x83));
    assert_int_equal(feed_setup(&g, 2, SET_ALT_0), USB_PASS);
    done(&g, 2, 0, 0, false);
    assert_null(usb_snapshot_ep(g.snapshot, 0x83));
    assert_int_equal(feed_ep(&g, 3, 0x83, 0), USB_ANSWER);
    expect_submit(&g, 0, 3, -ENOENT, 0);
    assert_int_equal(feed_setup(&g, 4, SET_CONFIG_1), USB_PASS);
    assert_int_equal(g.act.configuration, 1);
    done(&g, 4, 0, 0, false);
    static const uint8_t clear[8] = {2, 1, 0, 0, 0x81, 0, 0, 0};
    assert_int_equal(feed_setup(&g, 5, clear), USB_PASS);
    assert_int_equal(g.act.kind, USB_ACT_CLEAR_HALT);
    assert_int_equal(g.act.ep, 0x81);
    done(&g, 5, 0, 0, false);
    rig_free(&g);
}

/* A port that is numbered anew resets the device, once it was touched. */
static void test_reset(void **state)
{
    struct rig g = rig_new(NULL);

    (void)state;
    assert_int_equal(feed_setup(&g, 1, GET_DEVICE_64), USB_ANSWER);
    expect_submit(&g, 0, 1, 0, 18);
    assert_int_equal(feed_setup(&g, 2, GET_STATUS), USB_PASS);
    done(&g, 2, 0, 2, false);
    assert_int_equal(feed_setup(&g, 3, GET_DEVICE), USB_ANSWER); /* just asks */
    assert_int_equal(feed_setup(&g, 4, GET_DEVICE_64), USB_PASS);
    assert_int_equal(g.act.kind, USB_ACT_RESET);
    assert_int_equal(usb_snapshot_alternate(g.snapshot, 1), 1);
    done(&g, 4, 0, 0, false);
    assert_int_equal(usb_snapshot_configuration(g.snapshot), 1);
    assert_int_equal(usb_snapshot_alternate(g.snapshot, 1), 0);
    expect_submit(&g, 0, 4, 0, 18);
    assert_memory_equal(g.rep.r[0].payload,
                        usb_snapshot_set(g.snapshot)->device, 18);
    assert_int_equal(feed_setup(&g, 5, GET_DEVICE_64), USB_ANSWER);
    /* one that fails has no descriptor */
    assert_int_equal(feed_ep(&g, 6, 0x81, 64), USB_PASS);
    assert_int_equal(feed_setup(&g, 7, GET_DEVICE_64), USB_PASS);
    done(&g, 7, -ENODEV, 0, false);
    expect_submit(&g, 0, 7, -ENODEV, 0);
    assert_int_equal(g.rep.r[0].payload_len, 0);
    rig_free(&g);
}

static void test_reset_rate(void **state)
{
    struct rig g = rig_new(NULL);
    unsigned resets = 0, refused = 0;

    (void)state;
    g.now_ms = 1000000;
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(feed_ep(&g, 100 + i, 0x81, 64), USB_PASS);
        done(&g, 100 + i, 0, 0, false);
        if (feed_setup(&g, i, GET_DEVICE_64) == USB_PASS) {
            resets++;
            done(&g, i, 0, 0, false);
            continue;
        }
        expect_submit(&g, 0, i, -EPIPE, 0);
        refused++;
    }
    assert_int_equal(resets, 8);
    assert_int_equal(refused, 12);
    assert_int_equal(usb_server_counts(g.server)[USB_REASON_RESET_RATE], 12);
    g.now_ms += 2000;
    assert_int_equal(feed_setup(&g, 50, GET_DEVICE_64), USB_PASS);
    rig_free(&g);
}

static void test_iso(void **state)
{
    static const struct usbip_iso asked[3] = {
        {0, 192, 0, 0}, {200, 192, 0, 0}, {400, 192, 0, 0}};
    static const struct usbip_iso moved[3] = {
        {0, 0, 192, 0}, {0, 0, 0, -EXDEV}, {0, 0, 500, -4711}};
    static const struct usbip_iso want[3] = {
        {0, 192, 192, 0}, {200, 192, 0, -EXDEV}, {400, 192, 192, -EPROTO}};
    uint8_t raw[3 * USBIP_ISO_DESC_BYTES], out[3 * USBIP_ISO_DESC_BYTES],
        wanted[3 * USBIP_ISO_DESC_BYTES];
    struct rig g = rig_new(NULL);
    struct usbip_pdu p = submit(1, 0x83, 592);

    (void)state;
    p.submit.packets = 3;
    usbip_iso_encode(asked, 3, raw);
    assert_int_equal(feed(&g, BULK, &p, cur_of(raw, sizeof(raw))), USB_PASS);
    assert_int_equal(g.act.packets, 3);
    assert_memory_equal(g.act.iso, asked, sizeof(asked));
    const struct usb_server_end end = {
        .seqnum = 1, .data = raw, .iso = moved, .descs = out};
    assert_int_equal(usb_server_done(g.server, &end, &g.rep), 0);
    expect_submit(&g, 0, 1, 0, 384);
    assert_int_equal(reply(&g, 0).done.packets, 3);
    assert_int_equal(reply(&g, 0).done.errors, 2);
    assert_int_equal(g.rep.r[0].payload_len, 384);
    assert_int_equal(g.rep.r[0].descs_len, sizeof(wanted));
    usbip_iso_encode(want, 3, wanted);
    assert_memory_equal(g.rep.r[0].descs, wanted, sizeof(wanted));
    rig_free(&g);
}

static void test_pack(void **state)
{
    static const uint32_t offset[] = {0, 4, 8, 12};
    static const struct usbip_iso iso[] = {
        {.actual = 2}, {.actual = 0}, {.actual = 4}, {.actual = 1}};
    uint8_t buf[] = "abcdefghijklmnop";

    (void)state;
    assert_int_equal(usb_server_pack(buf, offset, iso, 4), 7);
    assert_memory_equal(buf, "abijklm", 7);
    assert_int_equal(usb_server_pack(buf, offset, iso, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transfer),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_unlink),
        cmocka_unit_test(test_unlink_all),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_quota_bounds),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_unlink_kept),
        cmocka_unit_test(test_state_follows),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_reset_rate),
        cmocka_unit_test(test_iso),
        cmocka_unit_test(test_pack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
