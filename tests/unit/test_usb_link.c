/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usbvm/link: the pool's bounds, and ends of a PDU stream over a socketpair:
 * whole PDUs however they are cut, a pause, gathered sending to a slow
 * reader, and how an end ends. And an end of input records whose peer does
 * not read for a while. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"
#include "usbvm/link/input_end.h"
#include "usbvm/link/usb_end.h"
#include "usbvm/link/usb_pool.h"
#include "vchan/vchan.h"

static void test_pool(void **state)
{
    struct usb_pool *pool = NULL;
    void *block[4];

    (void)state;
    assert_int_equal(usb_pool_new(8192, &pool), 0);
    assert_null(usb_pool_get(pool, USB_POOL_BLOCK_MAX + 1));
    assert_null(usb_pool_get(pool, 8192)); /* with its head it is larger */
    for (int i = 0; i < 4; i++) {
        block[i] = usb_pool_get(pool, 2048 - 64);
        assert_non_null(block[i]);
        assert_int_equal((uintptr_t)block[i] % 64, 0);
        memset(block[i], 0xff, 2048 - 64);
    }
    assert_null(usb_pool_get(pool, 1));
    for (int i = 0; i < 4; i++)
        usb_pool_put(pool, block[i]);
    assert_int_equal(usb_pool_bytes(pool), 8192);
    assert_ptr_equal(usb_pool_get(pool, 100 + 1024), block[3]); /* again */
    usb_pool_put(pool, block[3]);
    usb_pool_trim(pool); /* in use since the last time: one of them */
    usb_pool_trim(pool); /* not in use since */
    assert_int_equal(usb_pool_bytes(pool), 0);
    void *large = usb_pool_get(pool, 8000);
    assert_non_null(large);
    usb_pool_put(pool, large);
    void *small = usb_pool_get(pool, 100);
    assert_non_null(small); /* what is kept makes room */
    usb_pool_put(pool, small);
    usb_pool_put(pool, NULL);
    usb_pool_free(pool);
}

/* Memory of another kind, as far as it goes. */
static struct {
    size_t bytes;
    unsigned n;
} lent;

static void *give(size_t len, void *arg)
{
    void *p = NULL;

    assert_ptr_equal(arg, &lent);
    assert_true(len >= 4096);
    if (lent.n == 1)
        return NULL;
    assert_int_equal(posix_memalign(&p, 4096, len), 0);
    lent.n++;
    lent.bytes += len;
    return p;
}

static void take_back(void *p, size_t len, void *arg)
{
    assert_ptr_equal(arg, &lent);
    lent.n--;
    lent.bytes -= len;
    free(p);
}

static void test_backed(void **state)
{
    const struct usb_pool_backing backing = {4096, give, take_back, &lent};
    struct usb_pool *pool = NULL;

    (void)state;
    assert_int_equal(usb_pool_new(1 << 20, &pool), 0);
    usb_pool_put(pool, usb_pool_get(pool, 8000)); /* of malloc, goes */
    usb_pool_back(pool, &backing);
    void *small = usb_pool_get(pool, 1000);
    assert_int_equal(lent.n, 0);
    void *large = usb_pool_get(pool, 8000);
    assert_int_equal(lent.bytes, 8192);
    void *other = usb_pool_get(pool, 8000); /* malloc helps out */
    assert_non_null(other);
    assert_int_equal(lent.n, 1);
    usb_pool_put(pool, large);
    assert_ptr_equal(usb_pool_get(pool, 8000), large); /* kept */
    usb_pool_put(pool, large);
    usb_pool_put(pool, other);
    usb_pool_put(pool, small);
    usb_pool_free(pool);
    assert_int_equal(lent.n, 0);
}

/* In these tests byte 0 of a head says how many KiB follow it. */
struct fixture {
    struct loop *loop;
    struct usb_end *end;
    int peer; /* the other end of the socketpair */
    uint8_t body[64 << 10];
    size_t len;
    unsigned heads, wholes, sent;
    unsigned pause; /* heads to answer with -EAGAIN */
    int refuse;     /* what head() returns */
    int closed;
};

static int on_head(const uint8_t head[USBIP_HEADER_BYTES],
                   struct usb_end_body *ret, void *arg)
{
    struct fixture *f = arg;

    f->heads++;
    if (f->pause > 0) {
        f->pause--;
        loop_stop(f->loop, 1);
        return -EAGAIN;
    }
    f->len = (size_t)head[0] << 10;
    *ret = (struct usb_end_body){f->body, f->len / 2, f->body + f->len / 2,
                                 f->len - f->len / 2};
    return f->refuse;
}

static int on_whole(uint8_t head[USBIP_HEADER_BYTES], void *arg)
{
    struct fixture *f = arg;

    for (size_t i = 0; i < f->len; i++)
        if (f->body[i] != (uint8_t)(i % 251))
            fail_msg("byte %zu of PDU %u", i, f->wholes);
    f->wholes++;
    if (head[1])
        loop_stop(f->loop, 2);
    return 0;
}

static void on_closed(int err, void *arg)
{
    struct fixture *f = arg;

    f->closed = err;
    loop_stop(f->loop, 3);
}

static const struct usb_end_ops ops = {
    .head = on_head, .whole = on_whole, .closed = on_closed};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    int sv[2];

    assert_non_null(f);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
    assert_int_equal(io_set_nonblock(sv[0], true), 0);
    f->peer = sv[1];
    assert_int_equal(loop_new(&f->loop), 0);
    assert_int_equal(usb_end_new(f->loop, NULL, sv[0], &ops, f, &f->end), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    usb_end_free(f->end);
    loop_free(f->loop);
    if (f->peer >= 0)
        close(f->peer);
    free(f);
    return 0;
}

/* @return bytes of a PDU with @p kib of body; @p stop ends the loop */
static size_t make(uint8_t *p, uint8_t kib, bool stop)
{
    size_t len = (size_t)kib << 10;

    memset(p, 0, USBIP_HEADER_BYTES);
    p[0] = kib;
    p[1] = stop;
    for (size_t i = 0; i < len; i++)
        p[USBIP_HEADER_BYTES + i] = (uint8_t)(i % 251);
    return USBIP_HEADER_BYTES + len;
}

/* Sizes around the stage, sent at once and in pieces of every kind. */
static void test_cuts(void **state)
{
    static const uint8_t sizes[] = {0, 1, 3, 0, 15, 16, 17, 0, 40, 2, 0};
    static const size_t cuts[] = {1, 47, 48, 49, 4096, 100000};
    static uint8_t buf[256 << 10];
    struct fixture *f = *state;
    size_t len = 0;

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        len += make(buf + len, sizes[i], i + 1 == ARRAY_LEN(sizes));
    for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            for (size_t at = 0; at < len; at += cuts[i]) {
                size_t n = len - at < cuts[i] ? len - at : cuts[i];
                if (io_write_all(f->peer, buf + at, n, 5000) < 0)
                    _exit(1);
            }
            _exit(0);
        }
        f->wholes = 0;
        assert_int_equal(loop_run(f->loop), 2);
        assert_int_equal(f->wholes, ARRAY_LEN(sizes));
    }
}

static void test_pause(void **state)
{
    uint8_t buf[USBIP_HEADER_BYTES + 1024];
    struct fixture *f = *state;
    size_t len = make(buf, 1, true);

    f->pause = 1;
    assert_int_equal(io_write_all(f->peer, buf, len, 1000), 0);
    assert_int_equal(loop_run(f->loop), 1);
    assert_int_equal(f->heads, 1);
    assert_int_equal(f->wholes, 0);
    usb_end_resume(f->end);
    assert_int_equal(loop_run(f->loop), 2);
    assert_int_equal(f->heads, 2);
    assert_int_equal(f->wholes, 1);
}

/* A peer that leaves is noticed in a pause as well. */
static void test_gone_in_pause(void **state)
{
    uint8_t buf[USBIP_HEADER_BYTES];
    struct fixture *f = *state;

    f->pause = 1;
    assert_int_equal(io_write_all(f->peer, buf, make(buf, 0, true), 1000), 0);
    assert_int_equal(loop_run(f->loop), 1);
    close(f->peer);
    f->peer = -1;
    assert_int_equal(loop_run(f->loop), 3);
    assert_int_equal(f->closed, -ECONNRESET);
}

static void test_refused(void **state)
{
    uint8_t buf[USBIP_HEADER_BYTES];
    struct fixture *f = *state;

    f->refuse = -EPROTO;
    assert_int_equal(io_write_all(f->peer, buf, make(buf, 0, true), 1000), 0);
    assert_int_equal(loop_run(f->loop), 3);
    assert_int_equal(f->closed, -EPROTO);
    assert_false(usb_end_connected(f->end));
}

static void on_sent(struct usb_end_item *item, void *arg)
{
    struct fixture *f = arg;

    assert_ptr_equal(item->owner, f);
    f->sent++;
}

/* More than the socket holds, in 200 items of three pieces. */
static void test_send(void **state)
{
    enum { ITEMS = 200, PIECE = 3000 };
    static struct usb_end_item items[ITEMS];
    static uint8_t data[ITEMS], got[ITEMS * PIECE * 2];
    static uint8_t block[ITEMS][PIECE];
    struct fixture *f = *state;

    for (int i = 0; i < ITEMS; i++) {
        memset(block[i], i, PIECE);
        data[i] = (uint8_t)i;
        items[i] = (struct usb_end_item){.n = 3, .sent = on_sent, .owner = f};
        items[i].iov[0] = (struct iovec){&data[i], 1};
        items[i].iov[1] = (struct iovec){NULL, 0};
        items[i].iov[2] = (struct iovec){block[i], PIECE};
        usb_end_push(f->end, &items[i]);
    }
    assert_int_equal(usb_end_queued(f->end), ITEMS * (PIECE + 1));
    usb_end_flush(f->end);
    assert_true(f->sent < ITEMS); /* the socket is full */
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int r = io_read_all(f->peer, got, ITEMS * (PIECE + 1), 5000);
        for (size_t i = 0; i < ITEMS * (PIECE + 1) && r == 0; i++)
            r = got[i] == (uint8_t)(i / (PIECE + 1)) ? 0 : 1;
        uint8_t stop[USBIP_HEADER_BYTES];
        (void)io_write_all(f->peer, stop, make(stop, 0, r == 0), 1000);
        _exit(0);
    }
    assert_int_equal(loop_run(f->loop), 2); /* the child saw what was sent */
    assert_int_equal(f->sent, ITEMS);
    assert_int_equal(usb_end_queued(f->end), 0);
}

/* Records to a peer that stops reading: its owner stops at the end of the
 * room, never having been refused, and is told when it may go on. */
struct slow {
    struct loop *loop;
    bool waits;
};

static void on_room(void *arg)
{
    struct slow *s = arg;

    if (s->waits)
        loop_stop(s->loop, 1);
}

static void on_late(void *arg)
{
    loop_stop(((struct slow *)arg)->loop, 9);
}

static void slow_closed(int err, void *arg)
{
    (void)err;
    loop_stop(((struct slow *)arg)->loop, 3);
}

static void test_slow_reader(void **state)
{
    static const struct input_end_ops input_ops = {.room = on_room,
                                                   .closed = slow_closed};
    const struct usb_input rec = {2, 0, 1};
    char dir[] = "/tmp/test-input-XXXXXX", path[64];
    struct vchan_addr addr = {.body = VCHAN_UNIX, .peer = 7, .port = 11};
    struct vchan *server = NULL, *client = NULL;
    struct loop_timer *late = NULL;
    struct input_end *end = NULL;
    struct slow s = {.waits = false};
    size_t sent = 0, got = 0;
    uint8_t buf[4096];
    ssize_t n;

    (void)state;
    assert_non_null(mkdtemp(dir));
    addr.dir = dir;
    assert_int_equal(vchan_server_new(&addr, 4096, &server), 0);
    addr.peer = 0;
    assert_int_equal(vchan_client_new(&addr, &client), 0);
    assert_int_equal(vchan_ready(server), 0);
    assert_int_equal(loop_new(&s.loop), 0);
    assert_int_equal(loop_timer_new(s.loop, on_late, &s, &late), 0);
    assert_int_equal(loop_timer_start(late, 20000), 0);
    assert_int_equal(input_end_new(s.loop, server, &input_ops, &s, &end), 0);
    for (; input_end_room(end) > 0; sent++)
        assert_int_equal(input_end_push(end, &rec, 1), 0);
    s.waits = true;
    while ((n = vchan_read(client, buf, sizeof(buf))) > 0)
        got += (size_t)n;
    assert_int_equal(loop_run(s.loop), 1);
    assert_int_equal(input_end_room(end), INPUT_END_RECORDS);
    while ((n = vchan_read(client, buf, sizeof(buf))) > 0)
        got += (size_t)n;
    assert_int_equal(got, sent * USB_INPUT_BYTES); /* none was lost */
    vchan_free(client);
    input_end_free(end);
    loop_timer_free(late);
    loop_free(s.loop);
    snprintf(path, sizeof(path), "%s/0.11.sock", dir);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_backed),
        T(test_cuts),
        T(test_pause),
        T(test_gone_in_pause),
        T(test_refused),
        T(test_send),
        cmocka_unit_test(test_slow_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
