/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of usbip_pdu.c: the golden PDUs of tests/golden/usbip, lengths, and
 * framing in pieces of any size. */
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
#include "usbvm/protocol/usbip_pdu.h"

static void describe(const struct usbip_pdu *p, char *out, size_t cap)
{
    struct wbuf w = wbuf_of(out, cap);

    wbuf_printf(&w, "%s seqnum=%u devid=%u dir=%u ep=%u",
                usbip_command_name(p->command), p->seqnum, p->devid,
                p->direction, p->ep);
    if (p->command == USBIP_CMD_SUBMIT) {
        const struct usbip_submit *s = &p->submit;
        wbuf_printf(&w,
                    " flags=%#x length=%d start_frame=%d packets=%d "
                    "interval=%d setup=",
                    s->flags, s->length, s->start_frame, s->packets,
                    s->interval);
        for (size_t i = 0; i < sizeof(s->setup); i++)
            wbuf_printf(&w, "%02x", s->setup[i]);
    } else if (p->command == USBIP_CMD_UNLINK) {
        wbuf_printf(&w, " victim=%u", p->victim);
    } else if (p->command == USBIP_RET_SUBMIT) {
        const struct usbip_done *d = &p->done;
        wbuf_printf(
            &w, " status=%d actual=%d start_frame=%d packets=%d errors=%d",
            d->status, d->actual, d->start_frame, d->packets, d->errors);
    } else {
        wbuf_printf(&w, " status=%d", p->status);
    }
    wbuf_printf(&w, "%s\n", p->padded ? " padded" : "");
    assert_int_equal(wbuf_done(&w), 0);
}

static void check_golden(const char *path)
{
    uint8_t raw[4096], again[USBIP_HEADER_BYTES];
    char want[2048], got[2048];
    struct usbip_pdu p;
    struct usbip_body body;
    size_t n = hexfile_read(path, raw, sizeof(raw), want, sizeof(want));
    struct cur in = cur_of(raw, n);
    enum usbip_from from =
        n > 3 && raw[3] >= 3 ? USBIP_FROM_SERVER : USBIP_FROM_CLIENT;

    assert_int_equal(usbip_pdu_decode(&in, from, &p), 0);
    describe(&p, got, sizeof(got));
    usbip_pdu_encode(&p, again);
    assert_memory_equal(again, raw, sizeof(again));
    /* An answer's own fields stand for the request's: the files are legal. */
    if (from == USBIP_FROM_CLIENT)
        assert_int_equal(usbip_cmd_body(&p, &body), 0);
    else
        assert_int_equal(
            usbip_ret_body(&p, strstr(path, "-in") != NULL, 1 << 20,
                           p.command == USBIP_RET_SUBMIT && p.done.packets > 0
                               ? (uint32_t)p.done.packets
                               : 0,
                           &body),
            0);
    assert_int_equal(in.left,
                     body.payload + body.packets * USBIP_ISO_DESC_BYTES);
    struct wbuf w = wbuf_of(got, sizeof(got));
    w.len = strlen(got);
    wbuf_printf(&w, "payload=%u packets=%u\n", body.payload, body.packets);
    const uint8_t *skip;
    assert_int_equal(cur_take(&in, body.payload, &skip), 0);
    for (uint32_t i = 0; i < body.packets; i++) {
        struct usbip_iso iso;
        assert_int_equal(usbip_iso_decode(&in, 1, &iso), 0);
        wbuf_printf(&w, "iso offset=%u length=%u actual=%u status=%d\n",
                    iso.offset, iso.length, iso.actual, iso.status);
    }
    wbuf_u8(&w, 0);
    assert_int_equal(wbuf_done(&w), 0);
    if (strcmp(got, want) != 0)
        fail_msg("%s: got\n%swant\n%s", path, got, want);
}

static void test_golden(void **state)
{
    glob_t g;

    (void)state;
    assert_int_equal(glob("tests/golden/usbip/pdu-*.hex", 0, NULL, &g), 0);
    assert_true(g.gl_pathc >= 12);
    for (size_t i = 0; i < g.gl_pathc; i++)
        check_golden(g.gl_pathv[i]);
    globfree(&g);
}

static void test_decode(void **state)
{
    static const struct {
        uint32_t command;
        enum usbip_from from;
        int want;
    } cases[] = {
        {0, USBIP_FROM_CLIENT, -EBADMSG},
        {1, USBIP_FROM_CLIENT, 0},
        {2, USBIP_FROM_CLIENT, 0},
        {3, USBIP_FROM_CLIENT, -EBADMSG},
        {4, USBIP_FROM_CLIENT, -EBADMSG},
        {5, USBIP_FROM_CLIENT, -EBADMSG},
        {1, USBIP_FROM_SERVER, -EBADMSG},
        {2, USBIP_FROM_SERVER, -EBADMSG},
        {3, USBIP_FROM_SERVER, 0},
        {4, USBIP_FROM_SERVER, 0},
        {0x80000001, USBIP_FROM_CLIENT, -EBADMSG},
        {0xffffffff, USBIP_FROM_SERVER, -EBADMSG},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t raw[USBIP_HEADER_BYTES] = {0};
        struct usbip_pdu p = {.seqnum = 7};
        struct wbuf w = wbuf_of(raw, sizeof(raw));
        wbuf_u32be(&w, cases[i].command);
        struct cur in = cur_of(raw, sizeof(raw));
        assert_int_equal(usbip_pdu_decode(&in, cases[i].from, &p),
                         cases[i].want);
        assert_int_equal(in.left, cases[i].want ? sizeof(raw) : 0);
        assert_int_equal(p.seqnum, cases[i].want ? 7 : 0);
        in = cur_of(raw, sizeof(raw) - 1);
        assert_int_equal(usbip_pdu_decode(&in, cases[i].from, &p), -EAGAIN);
    }
}

/* Every byte of padding is seen, and no byte that is a field. */
static void test_padding(void **state)
{
    static const uint8_t fields[] = {0, 48, 24, 40, 24};

    (void)state;
    for (uint8_t cmd = 1; cmd <= 4; cmd++) {
        for (size_t at = 20; at < USBIP_HEADER_BYTES; at++) {
            uint8_t raw[USBIP_HEADER_BYTES] = {0, 0, 0, cmd};
            struct usbip_pdu p;
            raw[at] = 1;
            struct cur in = cur_of(raw, sizeof(raw));
            assert_int_equal(
                usbip_pdu_decode(
                    &in, cmd < 3 ? USBIP_FROM_CLIENT : USBIP_FROM_SERVER, &p),
                0);
            assert_int_equal(p.padded, at >= fields[cmd]);
        }
    }
}

static void test_cmd_body(void **state)
{
    static const struct {
        int32_t length, packets;
        uint32_t dir;
        int want;
        uint32_t payload, descs;
    } cases[] = {
        {0, 0, 0, 0, 0, 0},
        {512, 0, 0, 0, 512, 0},
        {512, 0, 1, 0, 0, 0},
        {512, -1, 0, 0, 512, 0},
        {USBIP_TRANSFER_MAX, 1024, 0, 0, USBIP_TRANSFER_MAX, 1024},
        {96, 2, 1, 0, 0, 2},
        {USBIP_TRANSFER_MAX + 1, 0, 1, -EBADMSG, 0, 0},
        {INT32_MAX, 0, 0, -EBADMSG, 0, 0},
        {-1, 0, 0, -EBADMSG, 0, 0},
        {INT32_MIN, 0, 1, -EBADMSG, 0, 0},
        {0, 1025, 0, -EBADMSG, 0, 0},
        {0, -2, 0, -EBADMSG, 0, 0},
        {0, INT32_MIN, 0, -EBADMSG, 0, 0},
        {0, 0, 2, -EBADMSG, 0, 0},
        {0, 0, UINT32_MAX, -EBADMSG, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usbip_pdu p = {
            .command = USBIP_CMD_SUBMIT,
            .direction = cases[i].dir,
            .submit = {.length = cases[i].length, .packets = cases[i].packets}};
        struct usbip_body b = {0};
        assert_int_equal(usbip_cmd_body(&p, &b), cases[i].want);
        assert_int_equal(b.payload, cases[i].payload);
        assert_int_equal(b.packets, cases[i].descs);
    }
}

static void test_ret_body(void **state)
{
    static const struct {
        int32_t actual, packets;
        uint32_t dir, length, asked;
        int want;
        uint32_t payload, descs;
    } cases[] = {
        {0, 0, 1, 512, 0, 0, 0, 0},
        {512, 0, 1, 512, 0, 0, 512, 0},
        {512, -1, 1, 512, 0, 0, 512, 0},
        {512, 0, 0, 512, 0, 0, 0, 0},
        {40, 4, 1, 96, 4, 0, 40, 4},
        {40, 4, 0, 96, 4, 0, 0, 4},
        {513, 0, 1, 512, 0, -EBADMSG, 0, 0},
        {513, 0, 0, 512, 0, -EBADMSG, 0, 0},
        {-1, 0, 0, 512, 0, -EBADMSG, 0, 0},
        {INT32_MIN, 0, 1, 512, 0, -EBADMSG, 0, 0},
        {1, 1, 1, 512, 0, -EBADMSG, 0, 0},
        {1, 0, 1, 512, 1, -EBADMSG, 0, 0},
        {1, -1, 1, 512, 1, -EBADMSG, 0, 0},
        {1, 2, 1, 512, 1, -EBADMSG, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usbip_pdu p = {
            .command = USBIP_RET_SUBMIT,
            .done = {.actual = cases[i].actual, .packets = cases[i].packets}};
        struct usbip_body b = {0};
        assert_int_equal(usbip_ret_body(&p, cases[i].dir, cases[i].length,
                                        cases[i].asked, &b),
                         cases[i].want);
        assert_int_equal(b.payload, cases[i].payload);
        assert_int_equal(b.packets, cases[i].descs);
    }
}

/* Three PDUs in a row, fed in pieces of every size. */
static void test_frame(void **state)
{
    static const size_t body[3][2] = {{5, 32}, {0, 0}, {0, 16}};
    uint8_t stream[3 * 48 + 53];
    size_t total = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(stream); i++)
        stream[i] = (uint8_t)(i * 7);
    for (size_t piece = 1; piece <= sizeof(stream); piece++) {
        struct usbip_frame f = {0};
        uint8_t payload[8], descs[32], *into = NULL;
        size_t at = 0, done = 0, start = 0;
        while (done < 3) {
            size_t want = usbip_frame_want(&f, &into);
            size_t n = want < piece ? want : piece;
            memcpy(into, stream + at, n);
            at += n;
            enum usbip_framed what = usbip_frame_got(&f, n);
            if (what == USBIP_FRAME_HEAD) {
                assert_memory_equal(f.head, stream + start, 48);
                assert_int_equal(usbip_frame_want(&f, &into), 0);
                what = usbip_frame_body(&f, payload, body[done][0], descs,
                                        body[done][1]);
            }
            if (what != USBIP_FRAME_WHOLE)
                continue;
            assert_memory_equal(payload, stream + start + 48, body[done][0]);
            assert_memory_equal(descs, stream + start + 48 + body[done][0],
                                body[done][1]);
            assert_int_equal(usbip_frame_want(&f, &into), 0);
            start = at;
            done++;
            usbip_frame_next(&f);
        }
        assert_int_equal(at, sizeof(stream));
        total += done;
    }
    assert_int_equal(total, 3 * sizeof(stream));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),   cmocka_unit_test(test_decode),
        cmocka_unit_test(test_padding),  cmocka_unit_test(test_cmd_body),
        cmocka_unit_test(test_ret_body), cmocka_unit_test(test_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
