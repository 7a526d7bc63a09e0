/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vchan: the unix body end to end, and the choice of bodies. The xen body
 * needs a hypervisor: the lab covers it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/err.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "vchan/vchan.h"

struct fixture {
    char dir[64];
    struct vchan_addr server_addr, client_addr;
    struct vchan *server, *client;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    strcpy(f->dir, "/tmp/test-vchan-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->server_addr = (struct vchan_addr){
        .body = VCHAN_UNIX, .peer = 7, .port = 111, .dir = f->dir, .self = 0};
    f->client_addr = (struct vchan_addr){
        .body = VCHAN_UNIX, .peer = 0, .port = 111, .dir = f->dir};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char path[128];

    vchan_free(f->server);
    vchan_free(f->client);
    snprintf(path, sizeof(path), "%s/0.111.sock", f->dir);
    unlink(path);
    rmdir(f->dir);
    free(f);
    return 0;
}

static void connect_both(struct fixture *f)
{
    assert_int_equal(vchan_server_new(&f->server_addr, 4096, &f->server), 0);
    assert_int_equal(vchan_state(f->server), VCHAN_WAITING);
    assert_int_equal(vchan_client_new(&f->client_addr, &f->client), 0);
    int listener = vchan_fd(f->server);
    assert_int_equal(vchan_ready(f->server), 0);
    assert_int_equal(vchan_state(f->server), VCHAN_CONNECTED);
    assert_true(vchan_fd(f->server) != listener);
}

static void test_no_server(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(vchan_client_new(&f->client_addr, &f->client), -EAGAIN);
    /* a socket file nobody listens on any more */
    assert_int_equal(vchan_server_new(&f->server_addr, 4096, &f->server), 0);
    vchan_free(STEAL(f->server));
    assert_int_equal(vchan_client_new(&f->client_addr, &f->client), -EAGAIN);
}

static void *make_later(void *arg)
{
    struct fixture *f = arg;

    usleep(20000);
    assert_int_equal(vchan_server_new(&f->server_addr, 4096, &f->server), 0);
    return NULL;
}

static void test_wait(void **state)
{
    struct fixture *f = *state;
    struct vchan_addr no_dir = f->client_addr;
    pthread_t t;

    assert_int_equal(vchan_client_wait(&f->client_addr, 1, &f->client),
                     -ETIMEDOUT);
    no_dir.dir = "/nonexistent";
    assert_int_equal(vchan_client_wait(&no_dir, 1, &f->client), -ENOENT);
    assert_int_equal(pthread_create(&t, NULL, make_later, f), 0);
    assert_int_equal(vchan_client_wait(&f->client_addr, 60000, &f->client), 0);
    pthread_join(t, NULL);
    assert_int_equal(vchan_state(f->client), VCHAN_CONNECTED);
}

static void test_forget(void **state)
{
    struct fixture *f = *state;
    char path[128];

    assert_int_equal(vchan_server_forget(&f->server_addr), 0);
    assert_int_equal(vchan_server_new(&f->server_addr, 4096, &f->server), 0);
    snprintf(path, sizeof(path), "%s/0.111.sock", f->dir);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(vchan_server_forget(&f->server_addr), 0);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_bad_address(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name;
        uint32_t peer, port;
        size_t ring;
    } table[] = {
        {"port 0", 1, 0, 4096},
        {"port too large", 1, 0x80000000u, 4096},
        {"reserved domid", 0x7ff0, 111, 4096},
        {"no ring", 1, 111, 0},
        {"ring too large", 1, 111, (1u << 20) + 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct vchan_addr a = f->server_addr;
        a.peer = table[i].peer;
        a.port = table[i].port;
        if (vchan_server_new(&a, table[i].ring, &f->server) != -EINVAL)
            fail_msg("%s was taken", table[i].name);
    }
}

static void test_both_ways(void **state)
{
    struct fixture *f = *state;
    char buf[16];

    assert_int_equal(vchan_server_new(&f->server_addr, 4096, &f->server), 0);
    assert_int_equal(vchan_read(f->server, buf, sizeof(buf)), 0);
    assert_int_equal(vchan_write(f->server, "x", 1), 0);
    vchan_free(STEAL(f->server));
    connect_both(f);
    assert_int_equal(vchan_read(f->server, buf, sizeof(buf)), 0);
    assert_int_equal(vchan_write(f->client, "hello", 5), 5);
    assert_int_equal(vchan_read(f->server, buf, 3), 3);
    assert_memory_equal(buf, "hel", 3);
    assert_int_equal(vchan_read(f->server, buf, sizeof(buf)), 2);
    assert_int_equal(vchan_write(f->server, "yes", 3), 3);
    assert_int_equal(vchan_read(f->client, buf, sizeof(buf)), 3);
}

static void test_full_and_events(void **state)
{
    struct fixture *f = *state;
    char block[4096] = {0};
    ssize_t n = 0;
    size_t sent = 0, got = 0;

    connect_both(f);
    assert_int_equal(vchan_events(f->client), LOOP_READ);
    for (int i = 0; i < 10000; i++) {
        n = vchan_write(f->client, block, sizeof(block));
        assert_true(n >= 0);
        sent += (size_t)n;
        if (n < (ssize_t)sizeof(block))
            break;
    }
    assert_true(n < (ssize_t)sizeof(block));
    assert_int_equal(vchan_events(f->client), LOOP_READ | LOOP_WRITE);
    vchan_want_read(f->client, false);
    assert_int_equal(vchan_events(f->client), LOOP_WRITE);
    while ((n = vchan_read(f->server, block, sizeof(block))) > 0)
        got += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(got, sent);
    assert_int_equal(vchan_write(f->client, block, 1), 1);
    assert_int_equal(vchan_events(f->client), 0);
}

static void test_close_drains(void **state)
{
    struct fixture *f = *state;
    char buf[16];

    connect_both(f);
    assert_int_equal(vchan_write(f->client, "bye", 3), 3);
    vchan_free(STEAL(f->client));
    assert_int_equal(vchan_read(f->server, buf, sizeof(buf)), 3);
    assert_int_equal(vchan_read(f->server, buf, sizeof(buf)), -ECONNRESET);
    assert_int_equal(vchan_state(f->server), VCHAN_CLOSED);
    assert_int_equal(vchan_write(f->server, "x", 1), -ECONNRESET);
}

static void test_gathered(void **state)
{
    struct fixture *f = *state;
    char a[] = "head", b[] = "payload", got[16];
    const struct iovec iov[] = {{a, 4}, {b, 7}};

    connect_both(f);
    assert_int_equal(vchan_writev(f->client, iov, 2), 11);
    assert_int_equal(vchan_read(f->server, got, sizeof(got)), 11);
    assert_memory_equal(got, "headpayload", 11);
    assert_int_equal(vchan_writev(f->server, iov, VCHAN_IOV_MAX + 1), -EINVAL);
}

static void test_one_client(void **state)
{
    struct fixture *f = *state;
    struct vchan *second = NULL;

    connect_both(f);
    assert_int_equal(vchan_client_new(&f->client_addr, &second), -EAGAIN);
}

static void test_body_from_env(void **state)
{
    (void)state;
    setenv("SYSQUBE_PLATFORM", "netns", 1);
    assert_int_equal(vchan_body_from_env(), VCHAN_UNIX);
    setenv("SYSQUBE_PLATFORM", "xen", 1);
    assert_int_equal(vchan_body_from_env(), VCHAN_XEN);
    unsetenv("SYSQUBE_PLATFORM");
    assert_int_equal(vchan_body_from_env(), VCHAN_XEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_and_events, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_drains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_client, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gathered, setup, teardown),
        cmocka_unit_test(test_body_from_env),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
