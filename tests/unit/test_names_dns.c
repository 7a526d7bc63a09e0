/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of firewallvm/names_dns.c: messages, and what is taken of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "firewallvm/names_dns.h"
#include "lib/err.h"
#include "lib/mem.h"

/* "www.a.example" at 12, then type and class. */
#define Q "\3www\1a\7EXAMPLE\0\0\1\0\1"
#define HEAD(flags, n) "\1\2" flags "\0\1\0" n "\0\0\0\0"
#define OWN "\xc0\x0c" /* the question's name */
#define A(owner, ttl, addr) owner "\0\1\0\1" ttl "\0\4" addr
#define T60 "\0\0\0\x3c"

struct row {
    const char *bytes;
    size_t len;
    int want;
    enum dns_status status;
    unsigned n;
    uint32_t ttl_s; /* of the first address */
};
#define ROW(bytes, ...)                                                        \
    {                                                                          \
        bytes, sizeof(bytes) - 1, __VA_ARGS__                                  \
    }

static const struct row ROWS[] = {
    ROW(HEAD("\x81\x80", "\1") Q A(OWN, T60, "\xc0\0\2\1"), 0, DNS_OK, 1, 60),
    /* the same twice; a loopback address; another name's */
    ROW(HEAD("\x81\x80", "\2") Q A(OWN, T60, "\xc0\0\2\1")
            A(OWN, "\0\0\0\5", "\xc0\0\2\1"),
        0, DNS_OK, 1, 5),
    ROW(HEAD("\x81\x80", "\1") Q A(OWN, T60, "\x7f\0\0\1"), 0, DNS_NODATA, 0,
        0),
    ROW(HEAD("\x81\x80", "\1") Q A("\1x\xc0\x0c", T60, "\xc0\0\2\1"), 0,
        DNS_NODATA, 0, 0),
    /* TTL with its top bit set */
    ROW(HEAD("\x81\x80", "\1") Q A(OWN, "\x80\0\0\0", "\xc0\0\2\1"), 0, DNS_OK,
        1, 0),
    /* www -> b (TTL 5), b's address; then www -> www */
    ROW(HEAD("\x81\x80", "\2") Q OWN
        "\0\5\0\1\0\0\0\5\0\3\1b\0" A("\1b\0", T60, "\xc0\0\2\1"),
        0, DNS_OK, 1, 5),
    ROW(HEAD("\x81\x80", "\1") Q OWN "\0\5\0\1" T60 "\0\2" OWN, -ELOOP, 0, 0,
        0),
    ROW(HEAD("\x81\x83", "\0") Q, 0, DNS_NXDOMAIN, 0, 0),
    ROW(HEAD("\x81\x82", "\0") Q, 0, DNS_FAILED, 0, 0),
    ROW(HEAD("\x81\x80", "\0") Q, 0, DNS_NODATA, 0, 0),
    ROW(HEAD("\x83\x80", "\0") Q, -EAGAIN, 0, 0, 0),
    ROW(HEAD("\x01\x00", "\0") Q, -EBADMSG, 0, 0, 0),
    /* a record short of bytes; of another length; one more than there is */
    ROW(HEAD("\x81\x80", "\1") Q OWN "\0\1\0\1" T60 "\0\4\xc0\0\2", -EBADMSG, 0,
        0, 0),
    ROW(HEAD("\x81\x80", "\1") Q OWN "\0\1\0\1" T60 "\0\5\xc0\0\2\1\1",
        -EBADMSG, 0, 0, 0),
    ROW(HEAD("\x81\x80", "\2") Q A(OWN, T60, "\xc0\0\2\1"), -EBADMSG, 0, 0, 0),
    /* a pointer to itself, and one forward */
    ROW(HEAD("\x81\x80", "\0") "\xc0\x0c\0\1\0\1", -EBADMSG, 0, 0, 0),
    ROW(HEAD("\x81\x80", "\0") "\xc0\x0e\0\0\1\0\1", -EBADMSG, 0, 0, 0),
    ROW("", -EBADMSG, 0, 0, 0),
};

static void test_rows(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(ROWS); i++) {
        const struct row *w = &ROWS[i];
        struct dns_answer a;
        int r = dns_answer_parse((const uint8_t *)w->bytes, w->len, &a);

        if (r != w->want)
            fail_msg("row %zu: %d", i, r);
        if (r < 0)
            continue;
        assert_string_equal(a.name, "www.a.example");
        if (a.status != w->status || a.n != w->n ||
            (a.n > 0 && a.v[0].ttl_s != w->ttl_s))
            fail_msg("row %zu: status %d, %u, ttl %u", i, a.status, a.n,
                     a.v[0].ttl_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
