/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/device/usb_port.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "device/usb_port.h"
#include "lib/err.h"
#include "lib/mem.h"

static const struct {
    const char *name; /* kernel form */
    const char *key;  /* QubesDB form, NULL: refused */
} FORMS[] = {
    {"1-1", "1-1"},
    {"2-1.3", "2-1_3"},
    {"2-1.3.4", "2-1_3_4"},
    {"255-255.255.255.255.255.255", "255-255_255_255_255_255_255"},
    {"1-1.2.3.4.5.6", "1-1_2_3_4_5_6"},
    {"1-1.2.3.4.5.6.7", NULL},
    {"", NULL},
    {"-", NULL},
    {"1", NULL},
    {"1-", NULL},
    {"-1", NULL},
    {"0-1", NULL},
    {"1-0", NULL},
    {"01-1", NULL},
    {"1-01", NULL},
    {"256-1", NULL},
    {"1-256", NULL},
    {"1-1.", NULL},
    {"1-.1", NULL},
    {"1-1..2", NULL},
    {"1-1_2", NULL},
    {"1-1-1", NULL},
    {"1-1:1.0", NULL},
    {"usb1", NULL},
    {"1-1 ", NULL},
    {" 1-1", NULL},
    {"1-1/..", NULL},
    {"1-99999999999999999999", NULL},
    {"1-1.255.255.255.255.255.255.255", NULL},
};

static void test_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(FORMS); i++) {
        struct usb_port p = {.bus = 77};
        char buf[USB_PORT_TEXT_MAX];
        int r = usb_port_from_name(text_of(FORMS[i].name), &p);

        if (!FORMS[i].key) {
            assert_int_equal(r, -EBADMSG);
            assert_int_equal(p.bus, 77);
            continue;
        }
        assert_int_equal(r, 0);
        assert_string_equal(usb_port_name(&p, buf), FORMS[i].name);
        assert_string_equal(usb_port_key(&p, buf), FORMS[i].key);
        assert_int_equal(usb_port_from_key(text_of(FORMS[i].key), &p), 0);
        assert_string_equal(usb_port_name(&p, buf), FORMS[i].name);
    }
}

static void test_key_is_not_name(void **state)
{
    struct usb_port p;

    (void)state;
    assert_int_equal(usb_port_from_key(text_of("2-1.3"), &p), -EBADMSG);
    assert_int_equal(usb_port_from_key(text_of("2_1_3"), &p), -EBADMSG);
    assert_int_equal(usb_port_from_key(text_of("2-1_3"), &p), 0);
}

static void test_order(void **state)
{
    static const char *const sorted[] = {"1-1",   "1-1.2", "1-2",
                                         "1-2.1", "1-10",  "2-1"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        for (size_t j = 0; j < ARRAY_LEN(sorted); j++) {
            struct usb_port a;
            struct usb_port b;

            assert_int_equal(usb_port_from_name(text_of(sorted[i]), &a), 0);
            assert_int_equal(usb_port_from_name(text_of(sorted[j]), &b), 0);
            int c = usb_port_cmp(&a, &b);
            assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_key_is_not_name),
        cmocka_unit_test(test_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
