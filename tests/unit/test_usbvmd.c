/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of usbvm: uevents, the table's difference, a sysfs tree made
 * here with what hostile devices may put into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/mem.h"
#include "usbvm/uevent.h"
#include "usbvm/usb_sysfs.h"
#include "usbvm/usb_table.h"

#define EV(s) s, sizeof(s) /* with the final NUL */

static void test_uevent(void **state)
{
    static const struct {
        const char *data;
        size_t len;
        int want;
        enum uevent_action action;
        bool usb;
    } t[] = {
        {EV("add@/devices/a\0ACTION=add\0SUBSYSTEM=usb"), 0, UEVENT_ADD, true},
        {EV("remove@/devices/a\0SUBSYSTEM=usb"), 0, UEVENT_REMOVE, true},
        {EV("change@/devices/a\0SUBSYSTEM=block"), 0, UEVENT_CHANGE, false},
        {EV("bind@/devices/a\0SUBSYSTEM=usb"), 0, UEVENT_OTHER, true},
        {EV("add@/x\0SUBSYSTEM=usbmon"), 0, UEVENT_ADD, false},
        {EV("add@/x\0ACTION=remove"), -EBADMSG, 0, false},
        {EV("add@/x\0noequals"), -EBADMSG, 0, false},
        {EV("add@/x\0\0A=b"), -EBADMSG, 0, false},
        {EV("add@"), -EBADMSG, 0, false},
        {EV("@/x"), -EBADMSG, 0, false},
        {EV("add@relative"), -EBADMSG, 0, false},
        {EV("libudev"), -EBADMSG, 0, false},
        {"add@/x", 6, -EBADMSG, 0, false}, /* no final NUL */
        {"", 0, -EBADMSG, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct uevent e = {0};
        assert_int_equal(uevent_parse(t[i].data, t[i].len, &e), t[i].want);
        if (t[i].want != 0)
            continue;
        assert_int_equal(e.action, t[i].action);
        assert_int_equal(e.usb, t[i].usb);
    }
    char *big = calloc(1, UEVENT_MAX_BYTES + 1);
    struct uevent e;
    assert_non_null(big);
    memcpy(big, "add@/x", 6);
    assert_int_equal(uevent_parse(big, UEVENT_MAX_BYTES + 1, &e), -EBADMSG);
    free(big);
}

static struct usb_entry entry(const char *port, const char *desc)
{
    struct usb_entry e = {.version = '2', .interfaces = ":"};

    assert_int_equal(usb_port_from_name(text_of(port), &e.port), 0);
    snprintf(e.desc, sizeof(e.desc), "%s", desc);
    return e;
}

static int note(enum usb_change what, const struct usb_entry *e, void *arg)
{
    char port[USB_PORT_TEXT_MAX], *log = arg;
    size_t len = strlen(log);

    snprintf(log + len, 256 - len, "%c%s=%s ", what == USB_NEW ? '+' : '-',
             usb_port_name(&e->port, port), e->desc);
    return 0;
}

static void test_diff(void **state)
{
    struct usb_table *a = calloc(2, sizeof(*a)), *b = a + 1;
    struct usb_entry e[] = {entry("1-2", "x"), entry("1-1", "y"),
                            entry("2-1.3", "z"), entry("1-2", "w")};
    char log[256] = "";

    (void)state;
    assert_non_null(a);
    usb_table_add(a, &e[0]);
    usb_table_add(a, &e[1]);
    usb_table_add(b, &e[2]);
    usb_table_add(b, &e[3]);
    usb_table_sort(a);
    usb_table_sort(b);
    assert_int_equal(usb_table_diff(a, b, note, log), 0);
    assert_string_equal(log, "-1-1=y -1-2=x +1-2=w +2-1.3=z ");
    log[0] = '\0';
    assert_int_equal(usb_table_diff(b, b, note, log), 0);
    assert_string_equal(log, "");
    for (int i = 0; i < USB_TABLE_MAX + 5; i++)
        usb_table_add(a, &e[0]);
    assert_int_equal(a->n, USB_TABLE_MAX);
    assert_true(a->full);
    free(a);
}

static void put(const char *root, const char *name, const char *file,
                const void *value, size_t len)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(io_mkdirs(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/%s/%s", root, name, file);
    assert_int_equal(io_write_file(path, value, len, 0600), 0);
}

/* A device descriptor and one configuration with a mass storage interface,
 * 46f4:0001, USB 3.00. */
static void device(const char *root, const char *name, uint8_t cls,
                   const char *product)
{
    uint8_t raw[] = {18,   1, 0x00, 0x03, cls, 0, 0, 9,    0xf4,
                     0x46, 1, 0,    0,    1,   1, 2, 3,    1, /* device */
                     9,    2, 18,   0,    1,   1, 0, 0x80, 50,
                     9,    4, 0,    0,    0,   8, 6, 0x50, 0};

    put(root, name, "descriptors", raw, sizeof(raw));
    if (*product)
        put(root, name, "product", product, strlen(product));
}

static void test_sysfs(void **state)
{
    char top[] = "/tmp/sq-usb-XXXXXX", cmd[64], root[64];
    struct usb_table *t = calloc(1, sizeof(*t));

    (void)state;
    assert_non_null(t);
    assert_non_null(mkdtemp(top));
    snprintf(root, sizeof(root), "%s/bus/usb/devices", top);
    device(root, "2-1", 0, "evil \x1b[2J\xff name\n");
    device(root, "2-10", 0, "");
    device(root, "2-2", 9, "a hub\n");
    device(root, "usb2", 9, "root hub\n");
    device(root, "2-1:1.0", 0, "an interface\n");
    put(root, "2-3", "descriptors", "short", 5);
    put(root, "2-4", "product", "vanished half-way\n", 18);
    int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    assert_int_equal(usb_sysfs_scan(dir, t), 0);
    close(dir);
    assert_int_equal(t->n, 2);
    assert_string_equal(t->e[0].desc,
                        "46f4:0001 46f4 evil\\x20\\x1b\\x5b2J\\xff\\x20name ");
    assert_string_equal(t->e[0].interfaces, ":080650:");
    assert_int_equal(t->e[0].version, '3');
    assert_string_equal(t->e[1].desc, "46f4:0001 46f4 0001 ");
    snprintf(cmd, sizeof(cmd), "rm -r %s", top);
    assert_int_equal(system(cmd), 0);
    free(t);
}

/* More ports than the table holds are counted as such. */
static void test_sysfs_full(void **state)
{
    char top[] = "/tmp/sq-usb-XXXXXX", cmd[64], root[64], name[32];
    struct usb_table *t = calloc(1, sizeof(*t));

    (void)state;
    assert_non_null(t);
    assert_non_null(mkdtemp(top));
    snprintf(root, sizeof(root), "%s/bus/usb/devices", top);
    for (int i = 0; i < USB_TABLE_MAX + 3; i++) {
        snprintf(name, sizeof(name), "%d-%d", i / 100 + 1, i % 100 + 1);
        device(root, name, 0, "");
    }
    int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    assert_int_equal(usb_sysfs_scan(dir, t), 0);
    close(dir);
    assert_int_equal(t->n, USB_TABLE_MAX);
    assert_true(t->full);
    snprintf(cmd, sizeof(cmd), "rm -r %s", top);
    assert_int_equal(system(cmd), 0);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uevent),
        cmocka_unit_test(test_diff),
        cmocka_unit_test(test_sysfs),
        cmocka_unit_test(test_sysfs_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
