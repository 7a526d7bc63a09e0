/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replay the hostile PDUs of tests/golden/usbip, one file for each rule of
 * docs/protocol-usb.md, against the checker they are meant for. In a file
 * for export all PDUs are a qube's. In one for import the CMD_* are the own
 * kernel's and the rest is a USBVM's; the last PDU always is. All but the
 * last one are passed; the expected line says what becomes of that. The
 * device is "mix" of tests/golden/usbdev. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "tests/mock/hexfile.h"
#include "tests/mock/usbdev.h"
#include "usbvm/protocol/usb_check_client.h"
#include "usbvm/protocol/usb_check_server.h"

#define DEVID 0x10002u

struct replay {
    const char *path;
    bool export;
    struct usb_snapshot *snapshot;
    struct usb_server *server;
    struct usb_client *client;
    uint8_t raw[8192];
    struct cur left;
    enum usb_channel channel, last_channel;
    enum usb_reason reason;
    const uint64_t *counts;
    int32_t status; /* of an answer */
};

static void start(struct replay *p, const char *path, char *want, size_t cap)
{
    static const struct usb_server_config sc = {
        .devid = DEVID,
        .quota = USB_QUOTA_DEFAULT,
        .policy = USB_POLICY_DEFAULT,
    };
    static const struct usb_client_config cc = {
        .devid = DEVID,
        .quota = USB_QUOTA_DEFAULT,
    };
    char *on;

    memset(p, 0, sizeof(*p));
    p->path = path;
    p->export = strstr(path, "-export-");
    p->snapshot = usbdev_mix();
    p->server = usb_server_new(&sc, p->snapshot);
    p->client = usb_client_new(&cc, p->snapshot);
    assert_non_null(p->server);
    assert_non_null(p->client);
    p->counts =
        p->export ? usb_server_counts(p->server) : usb_client_counts(p->client);
    p->left =
        cur_of(p->raw, hexfile_read(path, p->raw, sizeof(p->raw), want, cap));
    p->last_channel = USB_CHANNELS;
    on = strstr(want, "on bulk\n");
    if (on)
        p->last_channel = USB_CHANNEL_BULK;
    else if ((on = strstr(want, "on control\n")) != NULL)
        p->last_channel = USB_CHANNEL_CONTROL;
    if (on) /* leave the expectation alone in it */
        memmove(want, strchr(on, '\n') + 1, strlen(strchr(on, '\n')));
    want[strcspn(want, "\n")] = '\0';
}

static void end(struct replay *p)
{
    usb_server_free(p->server);
    usb_client_free(p->client);
    usb_snapshot_free(p->snapshot);
}

/* A CMD_SUBMIT takes the channel of its endpoint; what follows stays. */
static void choose_channel(struct replay *p, const uint8_t *head)
{
    if (head[3] == USBIP_CMD_SUBMIT)
        p->channel = head[19] == 1 || head[19] == 3 ? USB_CHANNEL_BULK
                                                    : USB_CHANNEL_CONTROL;
    if (p->left.left == 0 && p->last_channel != USB_CHANNELS)
        p->channel = p->last_channel;
}

static const uint8_t *take(struct replay *p, size_t n)
{
    const uint8_t *b = NULL;

    if (cur_take(&p->left, n, &b) < 0)
        fail_msg("%s: PDU is cut", p->path);
    return b;
}

static int32_t status_of(const struct usb_reply *r)
{
    struct cur in = cur_of(r->head, sizeof(r->head));
    struct usbip_pdu pdu;

    assert_int_equal(usbip_pdu_decode(&in, USBIP_FROM_SERVER, &pdu), 0);
    return pdu.command == USBIP_RET_SUBMIT ? pdu.done.status : pdu.status;
}

static enum usb_verdict to_server(struct replay *p, const uint8_t *head)
{
    struct usbip_body body;
    struct usb_act act;
    struct usb_replies rep = {0};
    enum usb_verdict v = usb_server_head(p->server, p->channel, head, &body);

    if (v != USB_PASS)
        return v;
    (void)take(p, body.payload);
    size_t n = (size_t)body.packets * USBIP_ISO_DESC_BYTES;
    v = usb_server_pdu(p->server, p->channel, head, cur_of(take(p, n), n), 0,
                       &act, &rep);
    if (v == USB_ANSWER)
        p->status = status_of(&rep.r[0]);
    return v;
}

static enum usb_verdict from_kernel(struct replay *p, const uint8_t *untrusted)
{
    struct usbip_body body;
    struct usb_replies rep;
    enum usb_channel channel;
    uint8_t head[USBIP_HEADER_BYTES];

    memcpy(head, untrusted, sizeof(head));
    assert_int_equal(usb_client_cmd_head(p->client, head, &body, &channel),
                     USB_PASS);
    (void)take(p, body.payload);
    size_t n = (size_t)body.packets * USBIP_ISO_DESC_BYTES;
    return usb_client_cmd(p->client, head, cur_of(take(p, n), n), &channel,
                          &rep);
}

static enum usb_verdict from_usbvm(struct replay *p, const uint8_t *head)
{
    uint8_t descs[8 * USBIP_ISO_DESC_BYTES];
    struct usbip_body body;
    struct usb_reply rep = {0};
    enum usb_verdict v =
        usb_client_ret_head(p->client, p->channel, head, &body);

    if (v != USB_PASS)
        return v;
    const uint8_t *payload = take(p, body.payload);
    size_t n = (size_t)body.packets * USBIP_ISO_DESC_BYTES;
    assert_true(n <= sizeof(descs));
    memcpy(descs, take(p, n), n);
    return usb_client_ret(p->client, p->channel, head, payload, descs, &rep);
}

static enum usb_verdict one(struct replay *p)
{
    const uint8_t *head = take(p, USBIP_HEADER_BYTES);
    bool last = p->left.left == 0;

    choose_channel(p, head);
    if (p->export)
        return to_server(p, head);
    if (!last && (head[3] == USBIP_CMD_SUBMIT || head[3] == USBIP_CMD_UNLINK))
        return from_kernel(p, head);
    return from_usbvm(p, head);
}

static void describe(const struct replay *p, enum usb_verdict v, char *out,
                     size_t cap)
{
    static const char *const words[] = {
        [USB_PASS] = "pass", [USB_ANSWER] = "answer", [USB_DROP] = "drop",
        [USB_KEEP] = "keep", [USB_WAIT] = "wait",     [USB_CLOSE] = "close",
    };
    enum usb_reason why =
        p->export ? usb_server_reason(p->server) : usb_client_reason(p->client);

    if (v == USB_ANSWER)
        (void)snprintf(out, cap, "answer %d %s", p->status,
                       usb_reason_name(why));
    else
        (void)snprintf(out, cap, "%s %s", words[v], usb_reason_name(why));
    assert_true(p->counts[why] > 0);
}

static void replay(const char *path)
{
    static struct replay p;
    char want[128] = "", got[128];
    enum usb_verdict v = USB_PASS;

    start(&p, path, want, sizeof(want));
    while (p.left.left > 0) {
        size_t before = p.left.left;
        v = one(&p);
        if (v == USB_CLOSE) /* at a head, perhaps: the rest is not read */
            break;
        if (p.left.left > 0 && v != USB_PASS && v != USB_DROP)
            fail_msg("%s: PDU %zu bytes before the end: verdict %d", path,
                     before, v);
    }
    describe(&p, v, got, sizeof(got));
    if (strcmp(got, want) != 0)
        fail_msg("%s: %s, not %s", path, got, want);
    end(&p);
}

static void test_all(void **state)
{
    glob_t g;

    (void)state;
    assert_int_equal(glob("tests/golden/usbip/hostile-*.hex", 0, NULL, &g), 0);
    assert_true(g.gl_pathc >= 90);
    for (size_t i = 0; i < g.gl_pathc; i++)
        replay(g.gl_pathv[i]);
    globfree(&g);
}

/* Every reason that can stand in a log is explained. */
static void test_documented(void **state)
{
    static uint8_t raw[65536];
    size_t n = rawfile_read("docs/protocol-usb.md", raw, sizeof(raw) - 1);

    (void)state;
    assert_true(n > 0);
    for (int r = USB_REASON_NONE + 1; r < USB_REASON_COUNT; r++) {
        char quoted[64];
        (void)snprintf(quoted, sizeof(quoted), "`%s`",
                       usb_reason_name((enum usb_reason)r));
        if (!strstr((const char *)raw, quoted))
            fail_msg("docs/protocol-usb.md has no %s", quoted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_documented),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
