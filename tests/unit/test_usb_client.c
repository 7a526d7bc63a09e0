/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of usb_check_client.c: what leaves the qube, and what of a USBVM's
 * answers its kernel gets to see. What is refused: test_usb_hostile.c. */
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
#include "usbvm/protocol/usb_check_client.h"

#define DEVID 0x10002u
#define BULK USB_CHANNEL_BULK
#define CONTROL USB_CHANNEL_CONTROL

struct rig {
    struct usb_snapshot *snapshot;
    struct usb_client *client;
    enum usb_channel channel; /* of the last request */
    struct usbip_pdu sent;    /* it, as it would leave */
    struct usb_replies rep;   /* what it got at once */
    struct usb_reply ret;     /* the last answer, as the kernel sees it */
    struct usbip_pdu got;     /* its head */
};

static struct rig rig_new(const struct usb_quota quota[2])
{
    struct usb_client_config conf = {.devid = DEVID,
                                     .quota = USB_QUOTA_DEFAULT};
    struct rig g = {.snapshot = usbdev_mix()};

    if (quota)
        memcpy(conf.quota, quota, sizeof(conf.quota));
    g.client = usb_client_new(&conf, g.snapshot);
    assert_non_null(g.client);
    return g;
}

static void rig_free(struct rig *g)
{
    usb_client_free(g->client);
    usb_snapshot_free(g->snapshot);
}

static enum usb_verdict cmd(struct rig *g, const struct usbip_pdu *pdu,
                            struct cur descs)
{
    uint8_t head[USBIP_HEADER_BYTES];
    struct usbip_body body;

    usbip_pdu_encode(pdu, head);
    enum usb_verdict v =
        usb_client_cmd_head(g->client, head, &body, &g->channel);
    if (v != USB_PASS)
        return v;
    g->rep.n = 0;
    v = usb_client_cmd(g->client, head, descs, &g->channel, &g->rep);
    struct cur in = cur_of(head, sizeof(head));
    assert_int_equal(usbip_pdu_decode(&in, USBIP_FROM_CLIENT, &g->sent), 0);
    return v;
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

static enum usb_verdict cmd_ep(struct rig *g, uint32_t seqnum, uint8_t address,
                               int32_t len)
{
    const struct usbip_pdu p = submit(seqnum, address, len);

    return cmd(g, &p, cur_of(NULL, 0));
}

static enum usb_verdict cmd_setup(struct rig *g, uint32_t seqnum,
                                  const uint8_t setup[8])
{
    struct usbip_pdu p = submit(seqnum, setup[0] & 0x80, setup[6]);

    memcpy(p.submit.setup, setup, 8);
    return cmd(g, &p, cur_of(NULL, 0));
}

static enum usb_verdict cmd_unlink(struct rig *g, uint32_t seqnum,
                                   uint32_t victim)
{
    const struct usbip_pdu p = {
        .command = USBIP_CMD_UNLINK,
        .seqnum = seqnum,
        .devid = DEVID,
        .victim = victim,
    };

    return cmd(g, &p, cur_of(NULL, 0));
}

static enum usb_verdict answer(struct rig *g, enum usb_channel ch,
                               const struct usbip_pdu *pdu,
                               const uint8_t *payload, uint8_t *descs)
{
    uint8_t head[USBIP_HEADER_BYTES];
    struct usbip_body body;

    usbip_pdu_encode(pdu, head);
    enum usb_verdict v = usb_client_ret_head(g->client, ch, head, &body);
    if (v != USB_PASS)
        return v;
    v = usb_client_ret(g->client, ch, head, payload, descs, &g->ret);
    struct cur in = cur_of(g->ret.head, sizeof(g->ret.head));
    if (v == USB_PASS)
        assert_int_equal(usbip_pdu_decode(&in, USBIP_FROM_SERVER, &g->got), 0);
    return v;
}

static enum usb_verdict ret(struct rig *g, enum usb_channel ch, uint32_t seqnum,
                            int32_t status, int32_t actual)
{
    static const uint8_t lies[256] = {0x66, 0x66};
    const struct usbip_pdu p = {
        .command = USBIP_RET_SUBMIT,
        .seqnum = seqnum,
        .done = {.status = status, .actual = actual},
    };

    return answer(g, ch, &p, lies, NULL);
}

static enum usb_verdict ret_unlink(struct rig *g, enum usb_channel ch,
                                   uint32_t seqnum, int32_t status)
{
    const struct usbip_pdu p = {
        .command = USBIP_RET_UNLINK, .seqnum = seqnum, .status = status};

    return answer(g, ch, &p, NULL, NULL);
}

/* What the kernel's own state left in a request does not go out. */
static void test_mends(void **state)
{
    struct rig g = rig_new(NULL);
    struct usbip_pdu p = submit(1, 0x81, 64);
    uint8_t head[USBIP_HEADER_BYTES];

    (void)state;
    p.submit.flags = UINT32_MAX;
    p.submit.start_frame = 77;
    p.submit.packets = -1;
    memset(p.submit.setup, 0x55, sizeof(p.submit.setup));
    assert_int_equal(cmd(&g, &p, cur_of(NULL, 0)), USB_PASS);
    assert_int_equal(g.channel, BULK);
    assert_int_equal(g.sent.submit.flags,
                     USBIP_URB_SHORT_NOT_OK | USBIP_URB_NO_INTERRUPT);
    assert_int_equal(g.sent.submit.start_frame, 0);
    assert_int_equal(g.sent.submit.packets, 0);
    assert_int_equal(g.sent.submit.setup[0], 0);
    const struct usbip_pdu u = {
        .command = USBIP_CMD_UNLINK, .seqnum = 2, .devid = DEVID, .victim = 1};
    usbip_pdu_encode(&u, head);
    head[47] = 9;
    assert_int_equal(
        usb_client_cmd(g.client, head, cur_of(NULL, 0), &g.channel, &g.rep),
        USB_PASS);
    assert_int_equal(head[47], 0);
    assert_int_equal(g.channel, BULK);
    assert_int_equal(usb_client_flight(g.client, BULK), 1);
    rig_free(&g);
}

/* A program's mistake is an error for the program, not the device's end. */
static void test_own_mistakes(void **state)
{
    static const uint8_t long_setup[8] = {0xc0, 1, 0, 0, 0, 0, 9, 0};
    struct rig g = rig_new(NULL);
    struct usbip_pdu p = submit(1, 0, 0);

    (void)state;
    memcpy(p.submit.setup, long_setup, 8);
    assert_int_equal(cmd(&g, &p, cur_of(NULL, 0)), USB_ANSWER);
    assert_int_equal(usb_client_reason(g.client), USB_REASON_SETUP_LENGTH);
    assert_int_equal(cmd_ep(&g, 2, 0x81, 8 << 20), USB_ANSWER);
    assert_int_equal(usb_client_reason(g.client), USB_REASON_LENGTH);
    assert_int_equal(cmd_ep(&g, 3, 0x84, 8), USB_ANSWER); /* refused */
    assert_int_equal(usb_client_reason(g.client), USB_REASON_NO_ENDPOINT);
    struct cur in = cur_of(g.rep.r[0].head, USBIP_HEADER_BYTES);
    assert_int_equal(usbip_pdu_decode(&in, USBIP_FROM_SERVER, &g.got), 0);
    assert_int_equal(g.got.seqnum, 3);
    assert_int_equal(g.got.done.status, -ENOENT);
    /* as many packets come back as were sent */
    static const struct usbip_iso bad[2] = {{0, 64, 0, 0}, {32, 64, 0, 0}};
    uint8_t raw[2 * USBIP_ISO_DESC_BYTES];
    usbip_iso_encode(bad, 2, raw);
    p = submit(4, 0x83, 128);
    p.submit.packets = 2;
    assert_int_equal(cmd(&g, &p, cur_of(raw, sizeof(raw))), USB_ANSWER);
    assert_int_equal(usb_client_reason(g.client), USB_REASON_ISO_OVERLAP);
    assert_int_equal(g.rep.r[0].descs_len, sizeof(raw));
    /* none of them is in flight, so an unlink is answered here, too */
    for (uint32_t i = 1; i <= 4; i++) {
        assert_int_equal(cmd_unlink(&g, 100 + i, i), USB_ANSWER);
        in = cur_of(g.rep.r[0].head, USBIP_HEADER_BYTES);
        assert_int_equal(usbip_pdu_decode(&in, USBIP_FROM_SERVER, &g.got), 0);
        assert_int_equal(g.got.command, USBIP_RET_UNLINK);
        assert_int_equal(g.got.status, 0);
    }
    assert_int_equal(usb_client_flight(g.client, BULK), 0);
    assert_int_equal(usb_client_flight(g.client, CONTROL), 0);
    rig_free(&g);
}

/* What the kernel cannot have meant ends the connection. */
static void test_own_framing(void **state)
{
    struct rig g = rig_new(NULL);
    struct usbip_pdu p = submit(1, 0x01, 5 << 20);

    (void)state;
    assert_int_equal(cmd(&g, &p, cur_of(NULL, 0)), USB_CLOSE);
    assert_int_equal(usb_client_reason(g.client), USB_REASON_LENGTH);
    p = submit(1, 0x81, 64);
    p.devid++;
    assert_int_equal(cmd(&g, &p, cur_of(NULL, 0)), USB_CLOSE);
    assert_int_equal(cmd_ep(&g, 1, 0x81, 64), USB_PASS);
    assert_int_equal(cmd_ep(&g, 1, 0x81, 64), USB_CLOSE);
    assert_int_equal(usb_client_reason(g.client), USB_REASON_SEQNUM);
    assert_int_equal(cmd_unlink(&g, 2, 1), USB_PASS);
    assert_int_equal(cmd_unlink(&g, 3, 1), USB_CLOSE);
    assert_int_equal(cmd_unlink(&g, 3, 2), USB_CLOSE);
    assert_int_equal(cmd_unlink(&g, 2, 9), USB_CLOSE);
    rig_free(&g);
}

static void test_quota(void **state)
{
    static const struct usb_quota small[2] = {{2, 1000}, {2, 1000}};
    static const struct usb_client_config none = {.devid = 1};
    struct rig g = rig_new(small);

    (void)state;
    assert_null(usb_client_new(&none, g.snapshot));
    assert_int_equal(cmd_ep(&g, 1, 0x81, 4096), USB_PASS);
    assert_int_equal(cmd_ep(&g, 2, 0x81, 1), USB_WAIT);
    assert_int_equal(cmd_ep(&g, 3, 0x82, 1), USB_PASS);
    assert_int_equal(cmd_unlink(&g, 4, 1), USB_PASS);
    usb_client_unstick(g.client);
    assert_int_equal(cmd_ep(&g, 2, 0x81, 1), USB_ANSWER);
    assert_int_equal(usb_client_reason(g.client), USB_REASON_STUCK);
    assert_int_equal(cmd_ep(&g, 5, 0x81, 1), USB_WAIT);
    assert_int_equal(ret_unlink(&g, BULK, 4, -ECONNRESET), USB_PASS);
    assert_int_equal(cmd_ep(&g, 5, 0x81, 1), USB_PASS);
    rig_free(&g);
}

static void test_answers(void **state)
{
    struct rig g = rig_new(NULL);

    (void)state;
    assert_int_equal(cmd_ep(&g, 1, 0x81, 64), USB_PASS);
    assert_int_equal(ret(&g, BULK, 1, 0, 60), USB_PASS);
    assert_int_equal(g.got.seqnum, 1);
    assert_int_equal(g.got.done.actual, 60);
    assert_int_equal(g.ret.payload_len, 60);
    assert_int_equal(cmd_ep(&g, 2, 0x01, 64), USB_PASS);
    assert_int_equal(ret(&g, BULK, 2, -EPIPE, 12), USB_PASS);
    assert_int_equal(g.got.done.status, -EPIPE);
    assert_int_equal(g.got.done.actual, 12);
    assert_int_equal(g.ret.payload_len, 0);
    /* mended ones look as if a host controller had sent them */
    assert_int_equal(cmd_ep(&g, 3, 0x81, 64), USB_PASS);
    assert_int_equal(ret(&g, BULK, 3, -ECONNRESET, 0), USB_PASS);
    assert_int_equal(g.got.done.status, -EPROTO);
    assert_int_equal(cmd_ep(&g, 4, 0x81, 64), USB_PASS);
    assert_int_equal(ret(&g, BULK, 4, -12345, 0), USB_PASS);
    assert_int_equal(g.got.done.status, -EPROTO);
    assert_int_equal(cmd_ep(&g, 5, 0x81, 64), USB_PASS);
    const struct usbip_pdu p = {
        .command = USBIP_RET_SUBMIT,
        .seqnum = 5,
        .done = {.start_frame = 9, .packets = 9, .errors = 9},
    };
    assert_int_equal(answer(&g, BULK, &p, NULL, NULL), USB_PASS);
    assert_int_equal(
        g.got.done.start_frame | g.got.done.packets | g.got.done.errors, 0);
    rig_free(&g);
}

/* The kernel moves packets to the offsets of the answer: they are its own. */
static void test_iso(void **state)
{
    static const struct usbip_iso asked[2] = {{0, 192, 0, 0}, {200, 192, 0, 0}};
    static const struct usbip_iso lies[2] = {{4096, 192, 100, 0},
                                             {0x80000000u, 9, 20, -42}};
    static const struct usbip_iso want[2] = {{0, 192, 100, 0},
                                             {200, 192, 20, -EPROTO}};
    uint8_t raw[2 * USBIP_ISO_DESC_BYTES], wanted[2 * USBIP_ISO_DESC_BYTES],
        payload[120] = {0};
    struct rig g = rig_new(NULL);
    struct usbip_pdu p = submit(1, 0x83, 400);

    (void)state;
    p.submit.packets = 2;
    usbip_iso_encode(asked, 2, raw);
    assert_int_equal(cmd(&g, &p, cur_of(raw, sizeof(raw))), USB_PASS);
    assert_int_equal(g.sent.submit.packets, 2);
    usbip_iso_encode(lies, 2, raw);
    p = (struct usbip_pdu){
        .command = USBIP_RET_SUBMIT,
        .seqnum = 1,
        .done = {.actual = 120, .packets = 2, .errors = 77, .start_frame = 5},
    };
    assert_int_equal(answer(&g, BULK, &p, payload, raw), USB_PASS);
    usbip_iso_encode(want, 2, wanted);
    assert_int_equal(g.ret.descs_len, sizeof(wanted));
    assert_memory_equal(g.ret.descs, wanted, sizeof(wanted));
    assert_int_equal(g.got.done.errors, 1);
    assert_int_equal(g.got.done.start_frame, 0);
    assert_int_equal(g.got.done.packets, 2);
    assert_int_equal(g.ret.payload_len, 120);
    rig_free(&g);
}

/* Descriptors are those that dom0 approved, whatever the USBVM sends. */
static void test_descriptors(void **state)
{
    static const uint8_t device[8] = {0x80, 6, 0, 1, 0, 0, 18, 0},
                         config[8] = {0x80, 6, 0, 2, 0, 0, 9, 0},
                         string[8] = {0x80, 6, 1, 3, 9, 4, 64, 0},
                         get_config[8] = {0x80, 8, 0, 0, 0, 0, 1, 0},
                         report[8] = {0x81, 6, 0, 0x22, 0, 0, 63, 0};
    struct rig g = rig_new(NULL);
    struct cur want;

    (void)state;
    assert_int_equal(cmd_setup(&g, 1, device), USB_PASS);
    assert_int_equal(ret(&g, CONTROL, 1, 0, 18), USB_PASS);
    assert_int_equal(g.ret.payload_len, 18);
    assert_memory_equal(g.ret.payload, usb_snapshot_set(g.snapshot)->device,
                        18);
    assert_int_equal(cmd_setup(&g, 2, config), USB_PASS);
    assert_int_equal(ret(&g, CONTROL, 2, 0, 2), USB_PASS);
    assert_int_equal(usb_snapshot_descriptor(g.snapshot, 0x200, 0, &want), 0);
    assert_int_equal(g.got.done.actual, 9);
    assert_memory_equal(g.ret.payload, want.p, 9);
    assert_int_equal(cmd_setup(&g, 3, get_config), USB_PASS);
    assert_int_equal(ret(&g, CONTROL, 3, 0, 1), USB_PASS);
    assert_int_equal(g.ret.payload[0], 1);
    /* one that is not in the snapshot does not exist */
    assert_int_equal(cmd_setup(&g, 4, string), USB_PASS);
    assert_int_equal(ret(&g, CONTROL, 4, 0, 4), USB_PASS);
    assert_int_equal(g.got.done.status, -EPIPE);
    assert_int_equal(g.ret.payload_len, 0);
    /* a failure brings no bytes along */
    assert_int_equal(cmd_setup(&g, 5, device), USB_PASS);
    assert_int_equal(ret(&g, CONTROL, 5, -EPIPE, 18), USB_PASS);
    assert_int_equal(g.got.done.status, -EPIPE);
    assert_int_equal(g.ret.payload_len, 0);
    /* class descriptors are not covered: they come from the device */
    assert_int_equal(cmd_setup(&g, 6, report), USB_PASS);
    assert_int_equal(ret(&g, CONTROL, 6, 0, 63), USB_PASS);
    assert_int_equal(g.ret.payload[0], 0x66);
    rig_free(&g);
}

static void test_state_follows(void **state)
{
    static const uint8_t alt_0[8] = {1, 11, 0, 0, 1, 0, 0, 0},
                         config_0[8] = {0, 9, 0, 0, 0, 0, 0, 0},
                         config_7[8] = {0, 9, 7, 0, 0, 0, 0, 0};
    struct rig g = rig_new(NULL);

    (void)state;
    assert_int_equal(cmd_setup(&g, 1, alt_0), USB_PASS);
    assert_int_equal(ret(&g, CONTROL, 1, -EPIPE, 0), USB_PASS);
    assert_non_null(usb_snapshot_ep(g.snapshot, 0x83));
    assert_int_equal(cmd_setup(&g, 2, alt_0), USB_PASS);
    assert_int_equal(ret(&g, CONTROL, 2, 0, 0), USB_PASS);
    assert_null(usb_snapshot_ep(g.snapshot, 0x83));
    assert_int_equal(cmd_setup(&g, 3, config_7), USB_PASS);
    assert_int_equal(ret(&g, CONTROL, 3, 0, 0), USB_PASS);
    assert_int_equal(g.got.done.status, -EPIPE);
    assert_int_equal(usb_snapshot_configuration(g.snapshot), 1);
    assert_int_equal(cmd_setup(&g, 4, config_0), USB_PASS);
    assert_int_equal(ret(&g, CONTROL, 4, 0, 0), USB_PASS);
    assert_int_equal(usb_snapshot_configuration(g.snapshot), 0);
    rig_free(&g);
}

static void test_unlink(void **state)
{
    struct rig g = rig_new(NULL);

    (void)state;
    /* in time */
    assert_int_equal(cmd_ep(&g, 1, 0x81, 64), USB_PASS);
    assert_int_equal(cmd_unlink(&g, 2, 1), USB_PASS);
    assert_int_equal(g.sent.victim, 1);
    assert_int_equal(ret_unlink(&g, BULK, 2, -ECONNRESET), USB_PASS);
    assert_int_equal(g.got.command, USBIP_RET_UNLINK);
    assert_int_equal(g.got.status, -ECONNRESET);
    assert_int_equal(usb_client_reason(g.client), USB_REASON_NONE);
    assert_int_equal(usb_client_flight(g.client, BULK), 0);
    /* the answer was on its way */
    assert_int_equal(cmd_ep(&g, 3, 0x81, 64), USB_PASS);
    assert_int_equal(cmd_unlink(&g, 4, 3), USB_PASS);
    assert_int_equal(ret(&g, BULK, 3, 0, 64), USB_PASS);
    assert_int_equal(ret_unlink(&g, BULK, 4, 0), USB_PASS);
    assert_int_equal(g.got.status, 0);
    /* and whatever the USBVM says of it then */
    assert_int_equal(cmd_ep(&g, 5, 0x81, 64), USB_PASS);
    assert_int_equal(cmd_unlink(&g, 6, 5), USB_PASS);
    assert_int_equal(ret(&g, BULK, 5, -ECONNRESET, 0), USB_PASS);
    assert_int_equal(g.got.done.status, -ECONNRESET); /* it was asked for */
    assert_int_equal(ret_unlink(&g, BULK, 6, -ECONNRESET), USB_PASS);
    assert_int_equal(g.got.status, 0);
    /* success before the answer: the victim is dead */
    assert_int_equal(cmd_ep(&g, 7, 0x81, 64), USB_PASS);
    assert_int_equal(cmd_unlink(&g, 8, 7), USB_PASS);
    assert_int_equal(ret_unlink(&g, BULK, 8, 0), USB_PASS);
    assert_int_equal(g.got.status, -ECONNRESET);
    assert_int_equal(ret(&g, BULK, 7, 0, 64), USB_DROP);
    assert_int_equal(usb_client_counts(g.client)[USB_REASON_RET_LATE], 1);
    rig_free(&g);
}

/* vhci's sender may let an unlink overtake its victim, and can give that back
 * only when it has sent it. */
static void test_unlink_early(void **state)
{
    struct rig g = rig_new(NULL);
    struct cur in;

    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(cmd_unlink(&g, 1000 + i, i), USB_DROP);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(cmd_ep(&g, i, i % 2 ? 0x81 : 0x82, 64), USB_ANSWER);
        assert_int_equal(g.rep.n, 1);
        in = cur_of(g.rep.r[0].head, USBIP_HEADER_BYTES);
        assert_int_equal(usbip_pdu_decode(&in, USBIP_FROM_SERVER, &g.got), 0);
        assert_int_equal(g.got.command, USBIP_RET_UNLINK);
        assert_int_equal(g.got.seqnum, 1000 + i);
        assert_int_equal(g.got.status, -ECONNRESET);
    }
    assert_int_equal(usb_client_flight(g.client, BULK), 0);
    /* once; then the number is free */
    assert_int_equal(cmd_ep(&g, 7, 0x81, 64), USB_PASS);
    assert_int_equal(ret(&g, BULK, 7, 0, 0), USB_PASS);
    /* an unlink that was too late, seen by its status, is none of them */
    assert_int_equal(cmd_unlink(&g, 2000, 7), USB_ANSWER);
    in = cur_of(g.rep.r[0].head, USBIP_HEADER_BYTES);
    assert_int_equal(usbip_pdu_decode(&in, USBIP_FROM_SERVER, &g.got), 0);
    assert_int_equal(g.got.status, 0);
    assert_int_equal(cmd_ep(&g, 7, 0x81, 64), USB_PASS);
    rig_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mends),
        cmocka_unit_test(test_own_mistakes),
        cmocka_unit_test(test_own_framing),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_iso),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_state_follows),
        cmocka_unit_test(test_unlink),
        cmocka_unit_test(test_unlink_early),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
