/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of sys-common/lib: tables of {input, want}. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/ipaddr.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/parse.h"
#include "lib/privsep.h"
#include "lib/sandbox.h"

static void test_parse_u32(void **state)
{
    static const struct {
        const char *in;
        int want;
        uint32_t value;
    } t[] = {
        {"0", 0, 0},          {"65535", 0, 65535}, {"65536", -ERANGE, 0},
        {"", -EBADMSG, 0},    {"00", -EBADMSG, 0}, {"01", -EBADMSG, 0},
        {"+1", -EBADMSG, 0},  {"-1", -EBADMSG, 0}, {" 1", -EBADMSG, 0},
        {"1 ", -EBADMSG, 0},  {"0x1", -EBADMSG, 0},
        {"18446744073709551616", -ERANGE, 0},
        {"99999999999999999999999", -ERANGE, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        uint32_t v = 7;
        assert_int_equal(parse_u32(text_of(t[i].in), 0, 65535, &v),
                         t[i].want);
        assert_int_equal(v, t[i].want == 0 ? t[i].value : 7);
    }
}

static void test_parse_split(void **state)
{
    struct text rest = text_of("a  b"), p;
    const char *want[] = {"a", "", "b"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_true(parse_split(&rest, ' ', &p));
        assert_true(text_eq(p, want[i]));
    }
    assert_false(parse_split(&rest, ' ', &p));
}

static void test_parse_name(void **state)
{
    static const char *const good[] = {"work", "sys-net", "a", "A.b_c-1"};
    static const char *const bad[] = {
        "",     "1work", "-x",      "none", "default",
        "a b",  "a/b",   "Domain-0", "x-dm",
        "abcdefghijklmnopqrstuvwxyzabcdef", "a\nb",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(parse_qube_name(text_of(good[i])), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(parse_qube_name(text_of(bad[i])), -EBADMSG);
}

static void test_parse_hardware(void **state)
{
    struct pci_addr p;
    uint8_t mac[6];

    (void)state;
    assert_int_equal(parse_pci(text_of("0000:00:1f.7"), &p), 0);
    assert_int_equal(p.dev, 31);
    assert_int_equal(p.func, 7);
    assert_int_equal(parse_pci(text_of("ab:04.0"), &p), 0);
    assert_int_equal(p.bus, 0xab);
    assert_int_equal(parse_pci(text_of("00:20.0"), &p), -EBADMSG);
    assert_int_equal(parse_pci(text_of("00:00.8"), &p), -EBADMSG);
    assert_int_equal(parse_pci(text_of("0000:00:04"), &p), -EBADMSG);
    assert_int_equal(parse_pci(text_of("0000-00:04.0"), &p), -EBADMSG);
    assert_int_equal(parse_mac(text_of("00:16:3E:5e:6c:00"), mac), 0);
    assert_int_equal(mac[2], 0x3e);
    assert_int_equal(parse_mac(text_of("01:16:3e:5e:6c:00"), mac), -EBADMSG);
    assert_int_equal(parse_mac(text_of("00:16:3e:5e:6c"), mac), -EBADMSG);
    assert_int_equal(parse_mac(text_of("00:16:3e:5e:6c:0g"), mac), -EBADMSG);
}

static void test_ipnet(void **state)
{
    static const struct {
        const char *in;
        const char *want; /* NULL: refused */
        const char *first, *last;
    } t[] = {
        {"10.1.2.3", "10.1.2.3/32", "10.1.2.3", "10.1.2.3"},
        {"10.1.2.3/9", "10.1.2.3/9", "10.0.0.0", "10.127.255.255"},
        {"0.0.0.0/0", "0.0.0.0/0", "0.0.0.0", "255.255.255.255"},
        {"::/0", "::/0", "::",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"fd09:24ef:4179::a89:7/127", "fd09:24ef:4179::a89:7/127",
         "fd09:24ef:4179::a89:6", "fd09:24ef:4179::a89:7"},
        {"10.1.2.3/33", NULL, NULL, NULL},
        {"::1/129", NULL, NULL, NULL},
        {"10.1", NULL, NULL, NULL},
        {"10.1.2.3/", NULL, NULL, NULL},
        {"10.1.2.3/8/8", NULL, NULL, NULL},
        {"/8", NULL, NULL, NULL},
        {"", NULL, NULL, NULL},
        {"10.1.2.03", NULL, NULL, NULL},
        {"fe80::1%eth0", NULL, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct ipnet n;
        char a[IPNET_TEXT_MAX];
        int r = ipnet_parse(text_of(t[i].in), &n);
        assert_int_equal(r, t[i].want ? 0 : -EBADMSG);
        if (!t[i].want)
            continue;
        assert_string_equal(ipnet_format(&n, a), t[i].want);
        struct ipaddr first, last;
        ipnet_range(&n, &first, &last);
        assert_string_equal(ipaddr_format(&first, a), t[i].first);
        assert_string_equal(ipaddr_format(&last, a), t[i].last);
        assert_true(ipnet_has(&n, &first));
        assert_true(ipnet_has(&n, &last));
    }
}

static void test_ipaddr_is_host(void **state)
{
    static const struct {
        const char *in;
        bool want;
    } t[] = {
        {"10.137.0.1", true},  {"0.0.0.0", false},
        {"127.0.0.1", false},  {"224.0.0.1", false},
        {"255.255.255.255", false}, {"169.254.1.1", false},
        {"fd09::1", true},     {"::", false},
        {"::1", false},        {"fe80::1", false},
        {"ff02::1", false},    {"2001:db8::1", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct ipaddr a;
        assert_int_equal(ipaddr_parse(text_of(t[i].in), &a), 0);
        assert_int_equal(ipaddr_is_host(&a), t[i].want);
    }
}

static void test_cursor(void **state)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
    struct cur c = cur_of(bytes, sizeof(bytes));
    uint32_t v;
    uint16_t w;
    uint8_t b;

    (void)state;
    assert_int_equal(cur_u32be(&c, &v), 0);
    assert_int_equal(v, 0x01020304);
    assert_int_equal(cur_u32le(&c, &v), -EAGAIN);
    assert_int_equal(c.left, 3);
    assert_int_equal(cur_u16le(&c, &w), 0);
    assert_int_equal(w, 0x0605);
    assert_int_equal(cur_end(&c), -EBADMSG);
    assert_int_equal(cur_u8(&c, &b), 0);
    assert_int_equal(cur_end(&c), 0);
    assert_int_equal(cur_u8(&c, &b), -EAGAIN);
}

static void test_writer(void **state)
{
    uint8_t room[6];
    struct wbuf w = wbuf_of(room, sizeof(room));

    (void)state;
    wbuf_u32le(&w, 0x01020304);
    assert_int_equal(room[0], 4);
    assert_int_equal(wbuf_done(&w), 0);
    wbuf_u32be(&w, 1);
    assert_int_equal(wbuf_done(&w), -ENOBUFS);
    wbuf_u8(&w, 1); /* sticky: nothing more is written */
    assert_int_equal(w.len, 4);
}

static void test_log_clean(void **state)
{
    char out[6];

    (void)state;
    assert_string_equal(log_clean(out, sizeof(out), "a\x1b[2J!!", 7),
                        "a_[2J");
}

static void test_files(void **state)
{
    char path[] = "/tmp/sq-lib-XXXXXX", name[64];
    CLEANUP_FREE char *data = NULL;
    size_t len;

    (void)state;
    assert_non_null(mkdtemp(path));
    snprintf(name, sizeof(name), "%s/f", path);
    assert_int_equal(io_write_file(name, "hello", 5, 0600), 0);
    assert_int_equal(io_read_file(name, 5, &data, &len), 0);
    assert_int_equal(len, 5);
    assert_string_equal(data, "hello");
    char *none = NULL;
    assert_int_equal(io_read_file(name, 4, &none, NULL), -EFBIG);
    assert_null(none);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(io_read_file(name, 4, &none, NULL), -ENOENT);
    assert_int_equal(rmdir(path), 0);
}

static void test_fd_passing(void **state)
{
    int sv[2], got = -1;
    char msg[4];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
    assert_int_equal(io_send_fd(sv[0], "abc", 3, sv[0]), 0);
    assert_int_equal(io_recv_fd(sv[1], msg, sizeof(msg), &got), 3);
    assert_true(got >= 0);
    assert_true(fcntl(got, F_GETFD) & FD_CLOEXEC);
    close(got);
    assert_int_equal(io_send_fd(sv[0], "abcdef", 6, -1), 0);
    assert_int_equal(io_recv_fd(sv[1], msg, sizeof(msg), &got), -EMSGSIZE);
    close(sv[0]);
    close(sv[1]);
}

static void test_privsep_records(void **state)
{
    int fd;
    pid_t pid;
    char rec[4], path[] = "/bin/sh", cmd[] = "printf abcd >&3; cat <&3 >&3";
    char dash_c[] = "-c";
    char *argv[] = {path, dash_c, cmd, NULL};

    (void)state;
    assert_int_equal(privsep_spawn(path, argv, &fd, &pid), 0);
    int r;
    for (int i = 0; i < 500; i++) {
        r = privsep_recv(fd, rec, sizeof(rec));
        if (r != -EAGAIN)
            break;
        usleep(10000);
    }
    assert_int_equal(r, 0);
    assert_memory_equal(rec, "abcd", 4);
    /* A record of another size is malformed, not cut. */
    assert_int_equal(privsep_send(fd, "12345", 5), 0);
    for (int i = 0; i < 500; i++) {
        r = privsep_recv(fd, rec, sizeof(rec));
        if (r != -EAGAIN)
            break;
        usleep(10000);
    }
    assert_int_equal(r, -EBADMSG);
    close(fd);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* What a confined child may do: writing to open descriptors, yes; opening a
 * file, making a socket, mapping executable memory, no. */
static int confined_result(int what)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct sandbox s = {.uid = SANDBOX_KEEP_ID, .root = NULL};
        if (sandbox_enter(&s) != 0)
            _exit(99);
        if (what == 1)
            open("/etc/passwd", O_RDONLY);
        if (what == 2)
            socket(AF_INET, SOCK_DGRAM, 0);
        if (what == 3)
            execl("/bin/true", "true", NULL);
        if (what == 4)
            fork();
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return status;
}

static void test_sandbox(void **state)
{
    (void)state;
    int status = confined_result(0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    for (int what = 1; what <= 4; what++) {
        status = confined_result(what);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
    }
}

struct loop_seen {
    struct loop *l;
    struct loop_io *io;
    int fd_peer;
    unsigned reads, ticks;
};

static void on_read(int fd, unsigned events, void *arg)
{
    struct loop_seen *s = arg;
    char c;

    assert_int_equal(events, LOOP_READ);
    assert_int_equal(read(fd, &c, 1), 1);
    s->reads++;
    loop_io_free(s->io); /* freeing oneself in the callback is allowed */
    s->io = NULL;
}

static void on_tick(void *arg)
{
    struct loop_seen *s = arg;

    s->ticks++;
    loop_stop(s->l, 5);
}

static void test_loop(void **state)
{
    struct loop_seen s = {0};
    struct loop_timer *t;
    int sv[2];

    (void)state;
    assert_int_equal(loop_new(&s.l), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    assert_int_equal(write(sv[1], "xy", 2), 2);
    assert_int_equal(
        loop_io_new(s.l, sv[0], LOOP_READ, on_read, &s, &s.io), 0);
    assert_int_equal(loop_timer_new(s.l, on_tick, &s, &t), 0);
    assert_int_equal(loop_timer_start(t, 20), 0);
    assert_int_equal(loop_run(s.l), 5);
    assert_int_equal(s.reads, 1);
    assert_int_equal(s.ticks, 1);
    loop_timer_free(t);
    loop_free(s.l);
    close(sv[0]);
    close(sv[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_u32),
        cmocka_unit_test(test_parse_split),
        cmocka_unit_test(test_parse_name),
        cmocka_unit_test(test_parse_hardware),
        cmocka_unit_test(test_ipnet),
        cmocka_unit_test(test_ipaddr_is_host),
        cmocka_unit_test(test_cursor),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_log_clean),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_fd_passing),
        cmocka_unit_test(test_privsep_records),
        cmocka_unit_test(test_sandbox),
        cmocka_unit_test(test_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
