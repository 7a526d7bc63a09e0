/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usb_latency: steps, percentiles, the ends of the range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/mem.h"
#include "usbvm/backend/usb_latency.h"

static void test_empty(void **state)
{
    const struct usb_latency l = {0};

    (void)state;
    assert_int_equal(usb_latency_at(&l, 500), 0);
    assert_int_equal(usb_latency_at(&l, 1000), 0);
}

/* One value of any size is found again, at most an eighth too high. */
static void test_every_size(void **state)
{
    (void)state;
    for (uint64_t us = 1; us <= UINT32_MAX; us = us * 9 / 8 + 1) {
        struct usb_latency l = {0};
        usb_latency_add(&l, (uint32_t)us);
        uint32_t at = usb_latency_at(&l, 500);
        assert_true(at >= us);
        assert_true(at - us <= us / 8);
    }
    struct usb_latency l = {0};
    usb_latency_add(&l, UINT32_MAX);
    assert_int_equal(usb_latency_at(&l, 1000), UINT32_MAX);
}

static void test_percentiles(void **state)
{
    struct usb_latency l = {0};

    (void)state;
    for (int i = 0; i < 98; i++)
        usb_latency_add(&l, 10);
    usb_latency_add(&l, 1000);
    usb_latency_add(&l, 1000);
    assert_int_equal(usb_latency_at(&l, 0), 10);
    assert_int_equal(usb_latency_at(&l, 500), 10);
    assert_int_equal(usb_latency_at(&l, 980), 10);
    assert_in_range(usb_latency_at(&l, 990), 1000, 1125);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_percentiles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
