/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The xen body of a vchan over a fake libxenvchan and a fake xenstore of the
 * same headers: hostile ring indexes, states, and a client without a server.
 * The true ones need a hypervisor: the lab covers them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <libxenvchan.h>
#include <xenevtchn.h>
#include <xenstore.h>

#include "lib/err.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "vchan/vchan.h"

#define ORDER 12

/* What the fake library and xenstore hold; one vchan at a time. */
static struct {
    struct libxenvchan lib;
    struct ring_shared read, write;
    struct vchan_interface page;
    uint8_t ring[1 << ORDER];
    int fd, open, waits, notified;
    char path[64];
    size_t ring_bytes, write_bytes;
    bool no_domid, no_keys;
    int watch_fd, rm_errno;
} fake;

struct libxenvchan *libxenvchan_server_init(struct xentoollog_logger *logger,
                                            int domain, const char *xs_path,
                                            size_t read_min, size_t write_min)
{
    (void)logger;
    assert_int_equal(domain, 7);
    strcpy(fake.path, xs_path);
    fake.ring_bytes = read_min;
    fake.write_bytes = write_min;
    fake.lib.is_server = -1;
    fake.lib.blocking = -1; /* one signed bit */
    return &fake.lib;
}

struct libxenvchan *libxenvchan_client_init(struct xentoollog_logger *logger,
                                            int domain, const char *xs_path)
{
    (void)logger;
    (void)domain;
    strcpy(fake.path, xs_path);
    return NULL;
}

void libxenvchan_close(struct libxenvchan *ctrl)
{
    assert_ptr_equal(ctrl, &fake.lib);
}

int libxenvchan_read(struct libxenvchan *ctrl, void *data, size_t size)
{
    uint32_t ready = ctrl->read.shr->prod - ctrl->read.shr->cons;

    assert_int_equal(ctrl->blocking, 0);
    if (ready > 1u << ORDER)
        return 0; /* as the real one: for ever */
    if (ready == 0)
        return fake.open ? 0 : -1;
    if (size > ready)
        size = ready;
    memset(data, 'r', size);
    ctrl->read.shr->cons += (uint32_t)size;
    return (int)size;
}

int libxenvchan_write(struct libxenvchan *ctrl, const void *data, size_t size)
{
    uint32_t room =
        (1u << ORDER) - (ctrl->write.shr->prod - ctrl->write.shr->cons);

    (void)data;
    if (!fake.open)
        return -1;
    if (size > room)
        size = room;
    ctrl->write.shr->prod += (uint32_t)size;
    return (int)size;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
    (void)xce;
    assert_int_equal(port, 5);
    fake.notified++;
    return 0;
}

int libxenvchan_wait(struct libxenvchan *ctrl)
{
    uint64_t n;

    (void)ctrl;
    fake.waits++;
    return read(fake.fd, &n, sizeof(n)) == sizeof(n) ? 0 : -1;
}

int libxenvchan_fd_for_select(struct libxenvchan *ctrl)
{
    (void)ctrl;
    return fake.fd;
}

int libxenvchan_is_open(struct libxenvchan *ctrl)
{
    (void)ctrl;
    return fake.open;
}

struct xs_handle *xs_open(unsigned long flags)
{
    (void)flags;
    return (struct xs_handle *)&fake;
}

void xs_close(struct xs_handle *h)
{
    assert_ptr_equal(h, &fake);
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path,
              unsigned int *len)
{
    (void)h;
    (void)t;
    (void)len;
    bool domid = strcmp(path, "domid") == 0;
    if (domid ? fake.no_domid : fake.no_keys) {
        errno = ENOENT;
        return NULL;
    }
    if (!domid)
        assert_string_equal(path,
                            "/local/domain/0/data/vchan/9/111/event-channel");
    return strdup(domid ? "9" : "33");
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
    (void)h;
    assert_string_equal(path, "/local/domain/0/data/vchan/9/111/event-channel");
    assert_string_equal(token, "server");
    return true;
}

int xs_fileno(struct xs_handle *h)
{
    (void)h;
    return fake.watch_fd;
}

/* The keys are there from the first event on. */
char **xs_check_watch(struct xs_handle *h)
{
    char byte;

    (void)h;
    if (read(fake.watch_fd, &byte, 1) != 1)
        return NULL;
    fake.no_keys = false;
    return malloc(1);
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
    (void)h;
    (void)t;
    strcpy(fake.path, path);
    errno = fake.rm_errno;
    return fake.rm_errno == 0;
}

static struct vchan *server(void)
{
    const struct vchan_addr addr = {.body = VCHAN_XEN, .peer = 7, .port = 111};
    struct vchan *v = NULL;

    assert_int_equal(vchan_server_new(&addr, 4096, &v), 0);
    return v;
}

static int setup(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.lib.read =
        (struct libxenvchan_ring){.shr = &fake.read, .order = ORDER};
    fake.lib.write =
        (struct libxenvchan_ring){.shr = &fake.write, .order = ORDER};
    fake.lib.write.buffer = fake.ring;
    fake.lib.ring = &fake.page;
    fake.lib.event_port = 5;
    fake.open = 1;
    fake.fd = eventfd(0, EFD_CLOEXEC);
    return fake.fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    close(fake.fd);
    return 0;
}

static void test_server(void **state)
{
    struct vchan *v = server();

    (void)state;
    assert_string_equal(fake.path, "data/vchan/7/111");
    assert_int_equal(fake.ring_bytes, 4096);
    assert_int_equal(fake.write_bytes, 4096);
    assert_int_equal(vchan_fd(v), fake.fd);
    assert_int_equal(vchan_events(v), LOOP_READ);
    vchan_want_read(v, false); /* events are for both ways */
    assert_int_equal(vchan_events(v), LOOP_READ);
    fake.open = 2;
    assert_int_equal(vchan_state(v), VCHAN_WAITING);
    fake.open = 1;
    assert_int_equal(vchan_state(v), VCHAN_CONNECTED);
    fake.open = 0;
    assert_int_equal(vchan_state(v), VCHAN_CLOSED);
    vchan_free(v);
}

static void test_indexes(void **state)
{
    static const struct {
        uint32_t cons, prod;
        ssize_t want; /* of a read of up to 8 KiB */
    } table[] = {
        {0, 0, 0},
        {0, 10, 10},
        {0, 4096, 4096},
        {0, 4097, -EPROTO},
        {1, 0, -EPROTO},
        {0xfffffff0u, 0x10, 32},
        {0xfffffff0u, 0xff0u, 4096},
        {0xfffffff0u, 0xff1u, -EPROTO},
        {0, 0xffffffffu, -EPROTO},
    };
    struct vchan *v = server();
    char buf[8192];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        fake.read.cons = table[i].cons;
        fake.read.prod = table[i].prod;
        if (vchan_read(v, buf, sizeof(buf)) != table[i].want)
            fail_msg("read row %zu", i);
        fake.write.cons = table[i].cons;
        fake.write.prod = table[i].prod;
        ssize_t n = vchan_write(v, buf, 8192);
        if (table[i].want < 0 ? n != -EPROTO : n != 4096 - table[i].want)
            fail_msg("write row %zu", i);
    }
    vchan_free(v);
}

static void test_closed(void **state)
{
    struct vchan *v = server();
    char buf[8];

    (void)state;
    fake.read.prod = 3;
    fake.open = 0;
    assert_int_equal(vchan_read(v, buf, sizeof(buf)), 3); /* drained first */
    assert_int_equal(vchan_read(v, buf, sizeof(buf)), -ECONNRESET);
    assert_int_equal(vchan_write(v, buf, sizeof(buf)), -ECONNRESET);
    vchan_free(v);
}

static void test_ready_never_waits(void **state)
{
    struct vchan *v = server();
    uint64_t one = 1;

    (void)state;
    assert_int_equal(vchan_ready(v), 0);
    assert_int_equal(fake.waits, 0);
    assert_int_equal(write(fake.fd, &one, sizeof(one)), sizeof(one));
    assert_int_equal(vchan_ready(v), 0);
    assert_int_equal(fake.waits, 1);
    vchan_free(v);
}

static void test_client(void **state)
{
    const struct vchan_addr addr = {.body = VCHAN_XEN, .peer = 0, .port = 111};
    struct vchan *v = NULL;

    (void)state;
    fake.no_keys = true;
    assert_int_equal(vchan_client_new(&addr, &v), -EAGAIN);
    fake.no_domid = true;
    assert_int_equal(vchan_client_new(&addr, &v), -ENOENT);
    assert_null(v);
}

static void test_rings(void **state)
{
    const struct vchan_addr addr = {.body = VCHAN_XEN, .peer = 7, .port = 111};
    struct vchan *v = NULL;

    (void)state;
    assert_int_equal(vchan_server_new_rings(&addr, 0, 1, &v), -EINVAL);
    assert_int_equal(vchan_server_new_rings(&addr, 1, (1u << 20) + 1, &v),
                     -EINVAL);
    assert_int_equal(vchan_server_new_rings(&addr, 8192, 65536, &v), 0);
    assert_int_equal(fake.ring_bytes, 8192);
    assert_int_equal(fake.write_bytes, 65536);
    vchan_free(v);
}

/* Two pieces over the end of the ring: one move of the index, one event,
 * and only when the peer asked for it. */
static void test_gathered(void **state)
{
    struct vchan *v = server();
    uint8_t a[10], b[4096];
    const struct iovec iov[] = {{a, sizeof(a)}, {b, 20}};
    const struct iovec large[] = {{a, sizeof(a)}, {b, sizeof(b)}};

    (void)state;
    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    fake.write.cons = fake.write.prod = 0xffffffffu - 14; /* 4081 in it */
    fake.page.srv_notify = VCHAN_NOTIFY_WRITE | VCHAN_NOTIFY_READ;
    assert_int_equal(vchan_writev(v, iov, 2), 30);
    assert_int_equal(fake.write.prod - fake.write.cons, 30);
    assert_memory_equal(fake.ring + 4081, "aaaaaaaaaabbbbb", 15);
    assert_memory_equal(fake.ring, "bbbbbbbbbbbbbbb", 15);
    assert_int_equal(fake.notified, 1);
    assert_int_equal(fake.page.srv_notify, VCHAN_NOTIFY_READ);
    assert_int_equal(fake.page.cli_notify, 0);
    assert_int_equal(vchan_writev(v, large, 2), 4096 - 30);
    assert_int_equal(fake.notified, 1);
    assert_int_equal(fake.page.cli_notify, VCHAN_NOTIFY_READ); /* asked */
    assert_int_equal(vchan_writev(v, iov, 2), 0);
    fake.write.cons = fake.write.prod + 1;
    assert_int_equal(vchan_writev(v, iov, 2), -EPROTO);
    assert_int_equal(vchan_writev(v, iov, 0), -EINVAL);
    fake.open = 0;
    assert_int_equal(vchan_writev(v, iov, 2), -ECONNRESET);
    vchan_free(v);
}

/* A watch that fires makes the client look again: it finds the keys, and
 * goes on to the devices, which are not there on this machine. */
static void test_wait(void **state)
{
    const struct vchan_addr addr = {.body = VCHAN_XEN, .peer = 0, .port = 111};
    struct vchan *v = NULL;
    int p[2];

    (void)state;
    assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
    fake.watch_fd = p[0];
    fake.no_keys = true;
    assert_int_equal(vchan_client_wait(&addr, 1, &v), -ETIMEDOUT);
    assert_true(fake.no_keys);
    assert_int_equal(write(p[1], "x", 1), 1);
    (void)vchan_client_wait(&addr, 1000, &v);
    assert_false(fake.no_keys);
    assert_null(v);
    fake.no_domid = true;
    assert_int_equal(vchan_client_wait(&addr, 1, &v), -ENOENT);
    close(p[0]);
    close(p[1]);
}

static void test_forget(void **state)
{
    const struct vchan_addr addr = {.body = VCHAN_XEN, .peer = 7, .port = 2001};

    (void)state;
    assert_int_equal(vchan_server_forget(&addr), 0);
    assert_string_equal(fake.path, "data/vchan/7/2001");
    fake.rm_errno = ENOENT;
    assert_int_equal(vchan_server_forget(&addr), 0);
    fake.rm_errno = EACCES;
    assert_int_equal(vchan_server_forget(&addr), -EACCES);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_server),
        T(test_indexes),
        T(test_closed),
        T(test_client),
        T(test_ready_never_waits),
        T(test_rings),
        T(test_gathered),
        T(test_wait),
        T(test_forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
