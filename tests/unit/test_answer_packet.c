/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of firewallvm/answer_packet.c and of the record that tells what was
 * read: a packet with a DNS answer, and everything that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>

#include "firewallvm/answer_packet.h"
#include "firewallvm/resolver_record.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/parse.h"

static const uint8_t FOUR[] = {
    0x45, 0,   0,    32,  1,  2,   0x40, 0, 64, 17, 0, 0, /* DF, UDP */
    10,   139, 1,    1,   10, 137, 0,    5,               /* to 10.137.0.5 */
    0,    53,  0x80, 1,   0,  12,  0,    0, /* from 53, 12 bytes */
    'd',  'n', 's',  '!',
};
static const uint8_t SIX[] = {
    0x60, 0,    0,    0,    0, 12, 17, 64,   0xfd, 9,   0x24, 0xef, 0x41,
    0x79, 0,    0,    0,    0, 0,  0,  0x0a, 0x8b, 0,   1,    0xfd, 9,
    0x24, 0xef, 0x41, 0x79, 0, 0,  0,  0,    0,    0,   0x0a, 0x89, 0,
    5,    0,    53,   0x80, 1, 0,  12, 0,    0,    'd', 'n',  's',  '!',
};

static struct ipaddr ip(const char *text)
{
    struct ipaddr a;

    assert_int_equal(ipaddr_parse(text_of(text), &a), 0);
    return a;
}

static void check_good(const uint8_t *p, size_t len, const char *client)
{
    struct answer_packet a;
    struct ipaddr want = ip(client);

    assert_int_equal(answer_packet_parse(p, len, &a), 0);
    assert_true(ipaddr_eq(&a.client, &want));
    assert_int_equal(a.len, 4);
    assert_memory_equal(a.dns, "dns!", 4);
}

static void test_good(void **state)
{
    uint8_t options[sizeof(FOUR) + 4];

    (void)state;
    check_good(FOUR, sizeof(FOUR), "10.137.0.5");
    check_good(SIX, sizeof(SIX), "fd09:24ef:4179::a89:5");
    /* IPv4 options are stepped over. */
    memcpy(options, FOUR, 20);
    memset(options + 20, 1, 4);
    memcpy(options + 24, FOUR + 20, sizeof(FOUR) - 20);
    options[0] = 0x46;
    options[3] = sizeof(options);
    check_good(options, sizeof(options), "10.137.0.5");
}

static void test_bad(void **state)
{
    static const struct {
        const char *name;
        bool six;
        size_t at;
        uint8_t value;
    } rows[] = {
        {"version 5", false, 0, 0x55},
        {"header of 16 bytes", false, 0, 0x44},
        {"header beyond the packet", false, 0, 0x4f},
        {"length one too small", false, 3, 31},
        {"length one too large", false, 3, 33},
        {"more fragments", false, 6, 0x20},
        {"a later fragment", false, 7, 1},
        {"TCP", false, 9, 6},
        {"from another port", false, 21, 54},
        {"UDP length one too small", false, 25, 11},
        {"UDP length one too large", false, 25, 13},
        {"UDP length below its header", false, 25, 7},
        {"version 7", true, 0, 0x70},
        {"payload one too small", true, 5, 11},
        {"payload one too large", true, 5, 13},
        {"an extension header", true, 6, 0},
        {"a fragment", true, 6, 44},
        {"from another port", true, 41, 54},
        {"UDP length one too large", true, 45, 13},
    };
    uint8_t p[sizeof(SIX)];
    size_t i, len;

    (void)state;
    for (i = 0; i < ARRAY_LEN(rows); i++) {
        struct answer_packet a = {.len = 99};

        len = rows[i].six ? sizeof(SIX) : sizeof(FOUR);
        memcpy(p, rows[i].six ? SIX : FOUR, len);
        p[rows[i].at] = rows[i].value;
        if (answer_packet_parse(p, len, &a) != -EBADMSG)
            fail_msg("taken: %s", rows[i].name);
        assert_int_equal(a.len, 99);
    }
    /* Cut anywhere. */
    for (len = 0; len < sizeof(FOUR); len++) {
        struct answer_packet a;

        assert_int_equal(answer_packet_parse(FOUR, len, &a), -EBADMSG);
        assert_int_equal(answer_packet_parse(SIX, len, &a), -EBADMSG);
    }
}

static struct resolver_answer seen(void)
{
    struct resolver_answer ans = {
        .type = RESOLVER_SEEN,
        .id = UINT32_MAX,
        .family = AF_INET,
        .status = DNS_OK,
        .n = 1,
        .name = "a.example.org",
    };

    ans.client = ip("fd09:24ef:4179::a89:5");
    ans.v[0] = (struct dns_addr){ip("192.0.2.1"), 60};
    return ans;
}

static int round_trip(const struct resolver_answer *ans)
{
    uint8_t bytes[RESOLVER_ANSWER_BYTES];
    struct resolver_answer back;
    int r = resolver_answer_encode(ans, bytes);

    if (r < 0)
        return r;
    assert_int_equal(resolver_answer_decode(bytes, &back), 0);
    assert_int_equal(back.id, ans->id);
    assert_int_equal(back.n, ans->n);
    assert_true(ipaddr_eq(&back.client, &ans->client));
    assert_string_equal(back.name, ans->name);
    return 0;
}

static void test_record(void **state)
{
    struct resolver_answer ans = seen();

    (void)state;
    assert_int_equal(round_trip(&ans), 0);
    ans.name[0] = '\0'; /* a name no rule may hold */
    assert_int_equal(round_trip(&ans), 0);
    ans = seen();
    ans.status = DNS_NXDOMAIN;
    assert_int_equal(round_trip(&ans), -EINVAL);
    ans.n = 0;
    assert_int_equal(round_trip(&ans), 0);
    /* One that could not be read says nothing but its number. */
    ans = (struct resolver_answer){
        .type = RESOLVER_SEEN, .id = 7, .status = DNS_FAILED};
    assert_int_equal(round_trip(&ans), 0);
    ans.client = ip("10.137.0.5");
    assert_int_equal(round_trip(&ans), -EINVAL);
    ans = seen();
    ans.client.family = 0;
    memset(ans.client.b, 0, sizeof(ans.client.b));
    assert_int_equal(round_trip(&ans), -EINVAL);
    ans = seen();
    ans.serial = 1;
    assert_int_equal(round_trip(&ans), -EINVAL);
    ans = seen();
    strcpy(ans.name, "*.example.org");
    assert_int_equal(round_trip(&ans), -EINVAL);
    strcpy(ans.name, "a b");
    assert_int_equal(round_trip(&ans), -EINVAL);
    /* An answer to a question of ours has neither client nor name. */
    ans = seen();
    ans.type = RESOLVER_ANSWER;
    ans.id = 1;
    assert_int_equal(round_trip(&ans), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
