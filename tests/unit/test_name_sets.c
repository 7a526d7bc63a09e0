/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of firewallvm/name_sets.c: what the monitor keeps of names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "firewallvm/name_sets.h"
#include "lib/err.h"
#include "lib/mem.h"

#define S 1000u /* a second in milliseconds */

static struct name_sets *ns;

static int set_up(void **state)
{
    (void)state;
    return name_sets_new(&ns);
}

static int tear_down(void **state)
{
    (void)state;
    name_sets_free(ns);
    return 0;
}

static struct ipaddr ip(const char *text)
{
    struct ipaddr a;

    assert_int_equal(ipaddr_parse(text_of(text), &a), 0);
    return a;
}

/* "ADDR/TIMEOUT ADDR/TIMEOUT" at a time. @return as name_sets_put(), 1 if
 * a flow may have lost its right */
static int put(unsigned handle, const char *text, uint64_t now_ms)
{
    struct name_addr v[8] = {0};
    struct text rest = text_of(text), piece, a;
    bool lost = false;
    size_t n = 0;
    int r;

    while (text[0] && parse_split(&rest, ' ', &piece)) {
        assert_true(parse_split(&piece, '/', &a));
        assert_int_equal(ipaddr_parse(a, &v[n].addr), 0);
        assert_int_equal(parse_u32(piece, 0, UINT32_MAX, &v[n].timeout_s), 0);
        n++;
    }
    r = name_sets_put(ns, handle, v, n, now_ms, &lost);
    return r < 0 ? r : lost;
}

static bool has(unsigned handle, const char *addr, uint64_t now_ms)
{
    const struct name_sets_at at = {ns, now_ms};
    const struct fw_names names = name_sets_names(&at);
    struct ipaddr a = ip(addr);

    return names.has(names.arg, handle, &a);
}

static void test_handles(void **state)
{
    unsigned name, h;

    (void)state;
    for (name = 0; name < NAME_NAMES_MAX; name++) {
        for (h = 0; h < 4; h++) {
            uint8_t family = h & 2 ? AF_INET6 : AF_INET;
            unsigned handle = name_handle(name, family, h & 1);

            assert_in_range(handle, 1, NAME_HANDLES);
            assert_int_equal(name_handle_name(handle), name);
            assert_int_equal(name_handle_family(handle), family);
            assert_int_equal(name_handle_drops(handle), h & 1);
        }
    }
}

static void test_contents(void **state)
{
    const unsigned a4 = name_handle(5, AF_INET, false);
    const unsigned d4 = name_handle(5, AF_INET, true);
    const unsigned a6 = name_handle(5, AF_INET6, false);

    (void)state;
    assert_false(name_sets_known(ns, a4));
    assert_int_equal(put(a4, "192.0.2.1/10 192.0.2.2/20", 0), 0);
    assert_true(name_sets_known(ns, a4));
    assert_true(has(a4, "192.0.2.1", 10 * S - 1));
    assert_false(has(a4, "192.0.2.1", 10 * S));
    assert_true(has(a4, "192.0.2.2", 10 * S));
    assert_false(has(a4, "192.0.2.3", 0));
    assert_false(has(d4, "192.0.2.1", 0));
    assert_int_equal(put(d4, "192.0.2.1/0", 0), 1);
    assert_true(has(d4, "192.0.2.1", UINT64_MAX - 1));
    assert_int_equal(put(a6, "2001:db8::1/10", 0), 0);
    /* What does not fit its handle. */
    assert_int_equal(put(a4, "2001:db8::1/10", 0), -EBADMSG);
    assert_int_equal(put(a6, "192.0.2.1/10", 0), -EBADMSG);
    assert_int_equal(put(a4, "192.0.2.1/0", 0), -EBADMSG);
    assert_int_equal(put(d4, "192.0.2.1/10", 0), -EBADMSG);
    assert_int_equal(put(a4, "192.0.2.1/10 192.0.2.1/20", 0), -EBADMSG);
    assert_int_equal(put(0, "", 0), -EBADMSG);
    assert_int_equal(put(NAME_HANDLES + 1, "", 0), -EBADMSG);
    assert_true(has(a4, "192.0.2.1", 0));
}

/* A flow loses its right when an accept set loses an address or a drop set
 * wins one. */
static void test_lost(void **state)
{
    const unsigned a4 = name_handle(0, AF_INET, false);
    const unsigned d4 = name_handle(0, AF_INET, true);

    (void)state;
    assert_int_equal(put(a4, "192.0.2.1/10", 0), 0);
    assert_int_equal(put(a4, "192.0.2.1/10 192.0.2.2/10", 1 * S), 0);
    assert_int_equal(put(a4, "192.0.2.2/10", 2 * S), 1);
    assert_int_equal(put(a4, "192.0.2.2/10", 3 * S), 0);
    /* Its time was over: the flows it allowed are there still. */
    assert_int_equal(put(a4, "", 20 * S), 1);
    assert_int_equal(put(d4, "192.0.2.1/0", 0), 1);
    assert_int_equal(put(d4, "192.0.2.1/0", 1), 0);
    assert_int_equal(put(d4, "", 2), 0);
    assert_int_equal(put(d4, "192.0.2.2/0", 3), 1);
}

static void use(unsigned h1, unsigned h2, bool more)
{
    const struct fw_match v[] = {
        {.action = FW_ACCEPT, .dst_kind = FW_DST_ANY},
        {.action = FW_ACCEPT,
         .dst_kind = FW_DST_NAME,
         .name_set = (uint16_t)h1},
        {.action = FW_ACCEPT,
         .dst_kind = FW_DST_NAME,
         .name_set = (uint16_t)h2},
    };

    name_sets_use(ns, v, ARRAY_LEN(v), more);
}

static void test_places(void **state)
{
    const unsigned a = name_handle(1, AF_INET, false);
    const unsigned b = name_handle(1000, AF_INET, false);

    (void)state;
    assert_int_equal(put(a, "192.0.2.1/10", 0), 0);
    assert_int_equal(put(b, "192.0.2.2/10", 0), 0);
    assert_int_equal(name_sets_missing(ns, 0), 0);
    use(a, b, true);
    use(a, 0, true);
    assert_int_equal(name_sets_missing(ns, 0), a);
    assert_int_equal(name_sets_missing(ns, a), b);
    assert_int_equal(name_sets_missing(ns, b), 0);
    assert_false(name_sets_placed(ns, a));
    name_sets_settle(ns);
    assert_true(name_sets_placed(ns, a) && name_sets_placed(ns, b));
    assert_int_equal(name_sets_missing(ns, 0), 0);
    /* One of two lists goes. */
    use(a, b, false);
    assert_int_equal(name_sets_needless(ns, 0), b);
    assert_int_equal(name_sets_needless(ns, b), 0);
    name_sets_settle(ns);
    assert_false(name_sets_known(ns, b));
    assert_true(name_sets_known(ns, a) && has(a, "192.0.2.1", 0));
    /* The table is made anew. */
    name_sets_unsettle(ns);
    assert_int_equal(name_sets_missing(ns, 0), a);
    name_sets_settle(ns);
    use(a, 0, false);
    assert_int_equal(name_sets_needless(ns, 0), a);
    name_sets_settle(ns);
    assert_false(name_sets_known(ns, a));
    /* Told, and then used by nobody: forgotten as well. */
    assert_int_equal(put(a, "192.0.2.1/10", 0), 0);
    name_sets_settle(ns);
    assert_false(name_sets_known(ns, a));
}

/* All sets together are bounded. */
static void test_bound(void **state)
{
    struct name_addr v[NAME_ADDRS_MAX];
    unsigned i, full = NAME_SETS_ADDRS_MAX / NAME_ADDRS_MAX;
    bool lost;

    (void)state;
    for (i = 0; i < NAME_ADDRS_MAX; i++) {
        v[i] = (struct name_addr){.addr = ip("10.0.0.0"), .timeout_s = 1};
        v[i].addr.b[3] = (uint8_t)i;
    }
    for (i = 0; i < full; i++)
        assert_int_equal(name_sets_put(ns, name_handle(i, AF_INET, false), v,
                                       NAME_ADDRS_MAX, 0, &lost),
                         0);
    assert_int_equal(
        name_sets_put(ns, name_handle(i, AF_INET, false), v, 1, 0, &lost),
        -ENOBUFS);
    /* In place of what it held it fits. */
    assert_int_equal(name_sets_put(ns, name_handle(0, AF_INET, false), v,
                                   NAME_ADDRS_MAX, 0, &lost),
                     0);
    assert_int_equal(put(name_handle(0, AF_INET, false), "", 0), 1);
    assert_int_equal(
        name_sets_put(ns, name_handle(i, AF_INET, false), v, 1, 0, &lost), 0);
    assert_int_equal(name_sets_put(ns, 1, v, NAME_ADDRS_MAX + 1, 0, &lost),
                     -EBADMSG);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_handles), T(test_contents), T(test_lost),
        T(test_places),  T(test_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
