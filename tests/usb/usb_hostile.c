/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usb_hostile: plays one file of tests/golden/usbip/hostile-* against a real
 * process over the unix vchan: as a hostile qube against usb-export, as a
 * hostile USBVM against usb-import. Test tool of the USB guest. Fed by that
 * process. The file's endpoints, numbers and lengths are exchanged for those
 * that are there. Prints what was to become of it and has status 0 when it
 * did; 3 when the file needs something that is not there.
 *   usb_hostile qube DIR VPORT FILE
 *   usb_hostile usbvm DIR VPORT DEVICE FILE
 *   usb_hostile describe DEVICE       speed and hash for an attach key */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/err.h"
#include "lib/loop.h"
#include "tests/mock/hexfile.h"
#include "tests/mock/usbdev.h"
#include "usbvm/protocol/usb_check_server.h"
#include "usbvm/protocol/usb_hello.h"
#include "vchan/vchan.h"

#define USBVM 1u
#define QUBE 2u
#define FILE_DEVID 0x10002u /* of the files */
#define DEVID_OF(vport) (0x10000u + (vport))
#define SETUP_SEQNUM 0x70000000u
#define PATIENCE_MS 15000
#define CALM_MS 1500 /* what does not end within this is let through */
#define SKIP 3

struct play {
    struct vchan *chan[2];
    uint32_t vport;
    uint8_t raw[8192]; /* the file */
    struct cur left;
    char want[128];
    int on; /* channel of the last PDU; -1 as usual */
    struct usb_snapshot *snapshot;
    struct usb_server *server; /* usbvm */
    struct usbip_pdu victim, unlink;
    bool has_victim, has_unlink;
};

static void die(const char *what, int r)
{
    printf("%s: %s\n", what, err_text(r));
    exit(1);
}

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Wait for something on either channel. */
static void wait_both(struct play *p, int ms)
{
    struct pollfd f[2];

    for (int i = 0; i < 2; i++)
        f[i] = (struct pollfd){.fd = vchan_fd(p->chan[i]), .events = POLLIN};
    (void)poll(f, 2, ms);
    for (int i = 0; i < 2; i++)
        if (f[i].revents)
            (void)vchan_ready(p->chan[i]);
}

/* @return 0; -ECONNRESET; -ETIMEDOUT */
static int read_all(struct play *p, int ch, void *buf, size_t len)
{
    int64_t end = now_ms() + PATIENCE_MS;

    for (size_t at = 0; at < len;) {
        ssize_t n = vchan_read(p->chan[ch], (uint8_t *)buf + at, len - at);
        if (n < 0)
            return (int)n;
        at += (size_t)n;
        if (n == 0 && now_ms() > end)
            return -ETIMEDOUT;
        if (n == 0)
            wait_both(p, 50);
    }
    return 0;
}

static int write_all(struct play *p, int ch, const void *buf, size_t len)
{
    int64_t end = now_ms() + PATIENCE_MS;

    for (size_t at = 0; at < len;) {
        ssize_t n =
            vchan_write(p->chan[ch], (const uint8_t *)buf + at, len - at);
        if (n < 0)
            return (int)n;
        at += (size_t)n;
        if (n == 0 && now_ms() > end)
            return -ETIMEDOUT;
        if (n == 0)
            wait_both(p, 5);
    }
    return 0;
}

/* Does the other side end the connection within the time? Bytes that come
 * meanwhile are thrown away. */
static bool closes(struct play *p, int ms)
{
    int64_t end = now_ms() + ms;
    uint8_t waste[4096];

    while (now_ms() < end) {
        for (int i = 0; i < 2; i++) {
            ssize_t n = vchan_read(p->chan[i], waste, sizeof(waste));
            if (n < 0)
                return true;
        }
        wait_both(p, 20);
    }
    return false;
}

/* ---- the file ---- */

static void load(struct play *p, const char *path)
{
    size_t n =
        hexfile_read(path, p->raw, sizeof(p->raw), p->want, sizeof(p->want));
    char *line = p->want;

    p->left = cur_of(p->raw, n);
    p->on = -1;
    if (strncmp(line, "on ", 3) == 0) {
        p->on = strncmp(line, "on bulk", 7) == 0;
        line = strchr(line, '\n') + 1;
        memmove(p->want, line, strlen(line) + 1);
    }
    p->want[strcspn(p->want, "\n")] = '\0';
}

static bool wants(const struct play *p, const char *word)
{
    return strncmp(p->want, word, strlen(word)) == 0;
}

static uint32_t be32(const uint8_t *b)
{
    struct cur c = cur_of(b, 4);
    uint32_t v = 0;

    (void)cur_u32be(&c, &v);
    return v;
}

static void put32(uint8_t *b, uint32_t v)
{
    struct wbuf w = wbuf_of(b, 4);

    wbuf_u32be(&w, v);
}

/* The fields of a head by their offset. */
enum {
    AT_COMMAND = 0,
    AT_SEQNUM = 4,
    AT_DEVID = 8,
    AT_DIRECTION = 12,
    AT_EP = 16,
    AT_LENGTH = 24, /* SUBMIT; actual_length of an answer */
    AT_PACKETS = 32,
};

/* One PDU of the file: head, and what stands behind it there. */
struct piece {
    uint8_t head[USBIP_HEADER_BYTES];
    const uint8_t *rest;
    size_t rest_len;
};

/* What follows a CMD_SUBMIT in the file: an OUT buffer that is not absurd,
 * and packets. The rest of an answer ends with the file. */
static size_t rest_of(const struct piece *q, size_t left)
{
    uint32_t length = be32(q->head + AT_LENGTH);
    uint32_t packets = be32(q->head + AT_PACKETS);
    size_t n = 0;

    if (be32(q->head + AT_COMMAND) != USBIP_CMD_SUBMIT)
        return 0;
    if (be32(q->head + AT_DIRECTION) == USBIP_DIR_OUT && length <= 4096)
        n += length;
    if (packets <= 8)
        n += (size_t)packets * USBIP_ISO_DESC_BYTES;
    return n < left ? n : left;
}

static bool next(struct play *p, struct piece *ret)
{
    if (cur_copy(&p->left, ret->head, sizeof(ret->head)) < 0)
        return false;
    ret->rest_len = rest_of(ret, p->left.left);
    return cur_take(&p->left, ret->rest_len, &ret->rest) == 0;
}

/* ---- a hostile qube ---- */

static void connect_both(struct play *p, const char *dir)
{
    for (uint32_t i = 0; i < 2; i++) {
        const struct vchan_addr a = {.body = VCHAN_UNIX,
                                     .peer = USBVM,
                                     .port = p->vport + i,
                                     .dir = dir};
        int r = vchan_client_wait(&a, PATIENCE_MS, &p->chan[i]);
        if (r < 0)
            die("connect", r);
    }
}

static void read_hello(struct play *p)
{
    static uint8_t rec[USB_HELLO_MAX];
    uint8_t hash[USB_DSET_HASH_BYTES];
    size_t total = 0;
    int r = read_all(p, 0, rec, USB_HELLO_HEAD_BYTES);

    if (r == 0)
        r = usb_hello_length(rec, &total);
    if (r == 0)
        r = read_all(p, 0, rec + USB_HELLO_HEAD_BYTES,
                     total - USB_HELLO_HEAD_BYTES);
    if (r < 0)
        die("hello", r);
    uint32_t raw = be32(rec + 24), bos = be32(rec + 28);
    usb_dset_hash(cur_of(rec + USB_HELLO_HEAD_BYTES, raw),
                  cur_of(rec + USB_HELLO_HEAD_BYTES + raw, bos), hash);
    r = usb_hello_decode(cur_of(rec, total), hash, rec[15], be32(rec + 16),
                         NULL, &p->snapshot);
    if (r < 0)
        die("hello", r);
}

/* A request of endpoint 0 without data that has to succeed. */
static void set_up(struct play *p, uint8_t type, uint8_t request, uint8_t value,
                   uint8_t index)
{
    static uint32_t seqnum = SETUP_SEQNUM;
    uint8_t head[USBIP_HEADER_BYTES];
    const struct usbip_pdu pdu = {
        .command = USBIP_CMD_SUBMIT,
        .seqnum = seqnum++,
        .devid = DEVID_OF(p->vport),
        .submit.setup = {type, request, value, 0, index, 0, 0, 0},
    };

    usbip_pdu_encode(&pdu, head);
    int r = write_all(p, 0, head, sizeof(head));
    if (r == 0)
        r = read_all(p, 0, head, sizeof(head));
    if (r < 0 || be32(head + 20) != 0)
        die("set-up request", r < 0 ? r : (int)be32(head + 20));
}

/* The first configuration, and the setting that has isochronous endpoints. */
static void configure(struct play *p)
{
    const struct usb_config *c = &usb_snapshot_set(p->snapshot)->configs[0];

    set_up(p, 0, 9, c->value, 0);
    (void)usb_snapshot_set_configuration(p->snapshot, c->value);
    for (size_t i = 0; i < c->n_alts; i++) {
        const struct usb_alt *a = &c->alts[i];
        for (size_t k = 0; k < a->n_eps; k++) {
            if (a->eps[k].type != USB_XFER_ISO || a->alt == 0 ||
                usb_snapshot_set_interface(p->snapshot, a->number, a->alt) < 0)
                continue;
            set_up(p, 1, 11, a->alt, a->number);
            return;
        }
    }
}

/* Endpoint number N of the files by its kind: 1 bulk, 2 interrupt, 3
 * isochronous, 4 that of a refused interface. @return -1 there is none */
static int endpoint(const struct play *p, uint32_t number, bool in)
{
    static const uint8_t types[] = {
        [1] = USB_XFER_BULK, [2] = USB_XFER_INTERRUPT, [3] = USB_XFER_ISO};

    if (number == 0 || number > 4)
        return (int)number;
    for (int n = 1; n < 16 && number < 4; n++) {
        const struct usb_ep *e =
            usb_snapshot_ep(p->snapshot, (uint8_t)(n | (in ? 0x80 : 0)));
        if (e && e->type == types[number])
            return n;
    }
    const struct usb_config *c = &usb_snapshot_set(p->snapshot)->configs[0];
    for (size_t i = 0; i < c->n_alts && number == 4; i++)
        if (!(usb_snapshot_mask(p->snapshot) >> c->alts[i].number & 1) &&
            c->alts[i].n_eps > 0)
            return c->alts[i].eps[0].address & 0x0f;
    return -1;
}

static int send_cmd(struct play *p, struct piece *q, int *ch)
{
    uint32_t devid = be32(q->head + AT_DEVID), ep = be32(q->head + AT_EP);

    if (be32(q->head + AT_COMMAND) == USBIP_CMD_SUBMIT) {
        *ch = ep == 1 || ep == 3;
        int real = endpoint(p, ep, be32(q->head + AT_DIRECTION) == 1);
        if (real < 0)
            exit(SKIP);
        put32(q->head + AT_EP, (uint32_t)real);
    }
    if (devid == FILE_DEVID || devid == FILE_DEVID + 1)
        put32(q->head + AT_DEVID, devid - FILE_DEVID + DEVID_OF(p->vport));
    if (p->left.left == 0 && p->on >= 0)
        *ch = p->on;
    int r = write_all(p, *ch, q->head, sizeof(q->head));
    return r < 0 ? r : write_all(p, *ch, q->rest, q->rest_len);
}

/* The answer to @p seqnum, whatever comes before it. */
static int wait_answer(struct play *p, int ch, uint32_t seqnum,
                       int32_t *ret_status)
{
    uint8_t head[USBIP_HEADER_BYTES];
    int r;

    do
        r = read_all(p, ch, head, sizeof(head));
    while (r == 0 && be32(head + AT_SEQNUM) != seqnum);
    if (r == 0)
        *ret_status = (int32_t)be32(head + 20);
    return r;
}

static bool play_qube(struct play *p, const char *dir)
{
    struct piece q = {0};
    int ch = 0, r = 0;
    int32_t status = 0;

    connect_both(p, dir);
    read_hello(p);
    configure(p);
    while (r == 0 && next(p, &q))
        r = send_cmd(p, &q, &ch);
    if (wants(p, "close"))
        return r < 0 || closes(p, PATIENCE_MS);
    if (r < 0)
        return false;
    if (wants(p, "pass"))
        return !closes(p, CALM_MS);
    r = wait_answer(p, ch, be32(q.head + AT_SEQNUM), &status);
    return r == 0 && status == atoi(p->want + strlen("answer "));
}

/* ---- a hostile USBVM ---- */

static void serve_both(struct play *p, const char *dir, const char *device)
{
    static uint8_t rec[USB_HELLO_MAX];
    static const struct usb_quota quota[2] = USB_QUOTA_DEFAULT;
    struct usb_server_config conf = {.devid = DEVID_OF(p->vport)};
    size_t len = 0;

    memcpy(conf.quota, quota, sizeof(quota));
    for (uint32_t i = 0; i < 2; i++) {
        const struct vchan_addr a = {.body = VCHAN_UNIX,
                                     .peer = QUBE,
                                     .port = p->vport + i,
                                     .dir = dir,
                                     .self = USBVM};
        int r = vchan_server_new(&a, 65536, &p->chan[i]);
        if (r < 0)
            die("serve", r);
    }
    p->snapshot = usbdev_snapshot(device, USB_SNAPSHOT_ALL);
    p->server = usb_server_new(&conf, p->snapshot);
    int r = usb_hello_encode(p->snapshot, conf.devid, rec, sizeof(rec), &len);
    if (r < 0)
        die("hello", r);
    int64_t end = now_ms() + PATIENCE_MS;
    while (vchan_state(p->chan[0]) == VCHAN_WAITING ||
           vchan_state(p->chan[1]) == VCHAN_WAITING) {
        if (now_ms() > end)
            die("nobody came", -ETIMEDOUT);
        wait_both(p, 50);
    }
    r = write_all(p, 0, rec, len);
    if (r < 0)
        die("hello", r);
}

static int send_replies(struct play *p, const struct usb_replies *rep)
{
    int r = 0;

    for (size_t i = 0; i < rep->n && r == 0; i++) {
        r = write_all(p, rep->r[i].channel, rep->r[i].head, USBIP_HEADER_BYTES);
        if (r == 0)
            r = write_all(p, rep->r[i].channel, rep->r[i].payload,
                          rep->r[i].payload_len);
    }
    return r;
}

/* Answer one request as an honest one does: the device has nothing to say
 * beyond its descriptors. @return 0; -errno; 1 it is the victim */
static int serve(struct play *p, int ch, const uint8_t *head, bool hold)
{
    static uint8_t body_bytes[65536], zero[65536], descs[65536];
    struct usbip_body body = {0};
    struct usb_act act = {0};
    struct usb_replies rep = {0};
    struct cur in = cur_of(head, USBIP_HEADER_BYTES);
    struct usbip_pdu pdu;

    if (usbip_pdu_decode(&in, USBIP_FROM_CLIENT, &pdu) < 0)
        return -EBADMSG;
    if (!p->has_victim) {
        p->victim = pdu;
        p->has_victim = true;
        return 1;
    }
    if (hold && pdu.command == USBIP_CMD_UNLINK &&
        pdu.victim == p->victim.seqnum) {
        p->unlink = pdu;
        p->has_unlink = true;
        return 1;
    }
    if (usb_server_head(p->server, (enum usb_channel)ch, head, &body) !=
            USB_PASS ||
        body.payload > sizeof(body_bytes))
        return -EPROTO;
    int r = read_all(p, ch, body_bytes, body.payload);
    if (r < 0)
        return r;
    switch (usb_server_pdu(p->server, (enum usb_channel)ch, head,
                           cur_of(NULL, 0), 0, &act, &rep)) {
    case USB_PASS:
        if (act.kind == USB_ACT_CANCEL)
            return 0;
        (void)usb_server_done(p->server,
                              &(struct usb_server_end){.seqnum = act.seqnum,
                                                       .actual = act.length,
                                                       .data = zero,
                                                       .descs = descs},
                              &rep);
        break;
    case USB_ANSWER:
        break;
    case USB_DROP:
    case USB_KEEP:
    case USB_WAIT:
    case USB_CLOSE:
        return -EPROTO;
    }
    return send_replies(p, &rep);
}

/* Serve for a time, or until there is a victim (and its unlink).
 * @return 0 time is up; 1; -ECONNRESET it has closed */
static int serve_until(struct play *p, int ms, bool hold)
{
    int64_t end = now_ms() + ms;
    uint8_t head[2][USBIP_HEADER_BYTES];
    size_t have[2] = {0, 0};

    while (now_ms() < end) {
        for (int i = 0; i < 2; i++) {
            ssize_t n = vchan_read(p->chan[i], head[i] + have[i],
                                   USBIP_HEADER_BYTES - have[i]);
            if (n < 0)
                return (int)n;
            have[i] += (size_t)n;
            if (have[i] < USBIP_HEADER_BYTES)
                continue;
            have[i] = 0;
            int r = serve(p, i, head[i], hold);
            if (r != 0)
                return r;
        }
        wait_both(p, 20);
    }
    return 0;
}

/* An answer of the file as it would be to the kernel's own request. */
static int send_ret(struct play *p, const struct piece *q,
                    const struct piece *cmd)
{
    uint8_t head[USBIP_HEADER_BYTES];
    static const uint8_t garbage[65536];
    uint32_t seqnum = be32(q->head + AT_SEQNUM);
    int32_t asked = (int32_t)be32(cmd->head + AT_LENGTH);
    int32_t actual = (int32_t)be32(q->head + AT_LENGTH);
    int32_t mine = p->victim.submit.length;
    uint32_t command = be32(q->head + AT_COMMAND);
    size_t payload = 0;

    memcpy(head, q->head, sizeof(head));
    if (seqnum == 1)
        put32(head + AT_SEQNUM, p->victim.seqnum);
    else if (seqnum == 2 && p->has_unlink)
        put32(head + AT_SEQNUM, p->unlink.seqnum);
    else
        put32(head + AT_SEQNUM, p->victim.seqnum + 1000000 + seqnum);
    if (command == USBIP_RET_SUBMIT && actual > 0) {
        if (actual > asked)
            actual = mine + (actual - asked);
        else if (actual > mine)
            actual = mine;
        put32(head + AT_LENGTH, (uint32_t)actual);
        payload = actual <= mine ? (size_t)actual : 0;
    }
    int ch = p->left.left == 0 && p->on >= 0 ? 1 : 0; /* the wrong one */
    int r = write_all(p, ch, head, sizeof(head));
    return r < 0 ? r : write_all(p, ch, garbage, payload);
}

/* The file's own requests of a kernel: only what ours asks for, too. */
static bool usable(const struct piece *cmd)
{
    return be32(cmd->head + AT_PACKETS) == 0 &&
           (be32(cmd->head + AT_DIRECTION) == USBIP_DIR_IN ||
            be32(cmd->head + AT_EP) == 0);
}

static bool play_usbvm(struct play *p, const char *dir, const char *device)
{
    struct piece cmd, q;
    bool hold = false;
    int r;

    if (!next(p, &cmd) || !usable(&cmd))
        exit(SKIP);
    struct cur after = p->left;
    if (next(p, &q) && be32(q.head + AT_COMMAND) == USBIP_CMD_UNLINK)
        hold = true; /* the kernel gives up after five seconds */
    else
        p->left = after;
    serve_both(p, dir, device);
    r = serve_until(p, PATIENCE_MS, false);
    if (r == 1 && hold)
        r = serve_until(p, PATIENCE_MS, true);
    if (r != 1)
        die("no request came", r);
    r = 0;
    while (r == 0 && cur_copy(&p->left, q.head, sizeof(q.head)) == 0) {
        /* payloads are made, those of the file are passed over */
        uint32_t actual = be32(q.head + AT_LENGTH);
        const uint8_t *skip;
        if (be32(q.head + AT_COMMAND) == USBIP_RET_SUBMIT &&
            actual <= p->left.left)
            (void)cur_take(&p->left, actual, &skip);
        r = send_ret(p, &q, &cmd);
    }
    if (wants(p, "close"))
        return r < 0 || closes(p, PATIENCE_MS);
    return r == 0 && serve_until(p, CALM_MS, false) == 0;
}

/* ---- */

static int describe(const char *device)
{
    struct usbdev d;

    usbdev_load(device, &d);
    struct usb_dset *s = usbdev_set(&d);
    printf("%u ", d.speed);
    for (size_t i = 0; i < sizeof(s->hash); i++)
        printf("%02x", s->hash[i]);
    printf("\n");
    usb_dset_free(s);
    return 0;
}

int main(int argc, char **argv)
{
    static struct play p;
    bool good;

    if (argc == 3 && strcmp(argv[1], "describe") == 0)
        return describe(argv[2]);
    if (argc < 5)
        return 2;
    p.vport = (uint32_t)strtoul(argv[3], NULL, 10);
    load(&p, argv[argc - 1]);
    if (argc == 5 && strcmp(argv[1], "qube") == 0)
        good = play_qube(&p, argv[2]);
    else if (argc == 6 && strcmp(argv[1], "usbvm") == 0)
        good = play_usbvm(&p, argv[2], argv[4]);
    else
        return 2;
    printf("%s\n", p.want);
    return good ? 0 : 1;
}
