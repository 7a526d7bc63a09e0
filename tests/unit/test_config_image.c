/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/dom0/image.c and config_load.c over files of their
 * own: an image that is missing, cut or changed is refused with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dom0/config_load.h"
#include "dom0/image.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"

#define KERNEL_SUM                                                             \
    "a0c936696eb7d5ee3192bf53b9d281cecbb40ca9db520de72cb95817ad92ac72"
#define RAMDISK_SUM                                                            \
    "bfbc4cd202303654cca011a6c1dc67b8d9cf7e1ccac80b5162203febae7b6fc4"
#define MANIFEST(sum1, len1, sum2)                                             \
    "{\"name\": \"i\", \"kernel\": {\"bytes\": " len1 ", \"sha256\": \"" sum1  \
    "\"}, \"initramfs\": {\"bytes\": 8, \"sha256\": \"" sum2 "\"}}"

static char dir[64];

static void put(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(io_write_file(path, text, strlen(text), 0644), 0);
}

static void drop(const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    (void)remove(path);
}

static int set_up(void **state)
{
    char text[512];

    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/sq-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(text, sizeof(text), "%s/images/i/root", dir);
    assert_int_equal(io_mkdirs(text, 0755), 0);
    snprintf(text, sizeof(text), "%s/qubes", dir);
    assert_int_equal(io_mkdirs(text, 0755), 0);
    snprintf(text, sizeof(text),
             "[Sysqube]\nImages=%s/images\nStateDir=%s/state\n", dir, dir);
    put("sysqube.conf", text);
    put("qubes/a.conf", "[Qube]\nKind=qube\nImage=i\n");
    put("qubes/b.conf", "[Qube]\nKind=qube\nMemory=32\nImage=i\n");
    put("images/i/vmlinuz", "kernel\n");
    put("images/i/initramfs", "ramdisk\n");
    put("images/i/manifest.json", MANIFEST(KERNEL_SUM, "7", RAMDISK_SUM));
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"sysqube.conf",
                                        "qubes/a.conf",
                                        "qubes/b.conf",
                                        "qubes",
                                        "images/i/vmlinuz",
                                        "images/i/initramfs",
                                        "images/i/manifest.json",
                                        "images/i/root/init",
                                        "images/i/root",
                                        "images/i",
                                        "images",
                                        "state/qids",
                                        "state"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        drop(names[i]);
    assert_int_equal(rmdir(dir), 0);
    return 0;
}

/* The complaints of a load with images, NULL for none. */
static void load(const char *want, unsigned flags)
{
    struct problems p = {0};
    struct config c;
    int r = config_load(dir, flags, &c, &p);

    if (want ? (r != -EBADMSG || p.n != 1 || !strstr(p.v[0].text, want))
             : r != 0)
        fail_msg("%d, %zu complaints: %s", r, p.n, p.n ? p.v[0].text : "");
    if (want) {
        assert_non_null(strstr(p.v[0].file, "qubes/a.conf"));
        assert_int_equal(p.v[0].line, 3);
    }
    config_free(&c);
    problems_free(&p);
}

static void test_images(void **state)
{
    (void)state;
    load(NULL, CONFIG_LOAD_IMAGES);
    put("images/i/vmlinuz", "kernal\n");
    load("vmlinuz differs from its manifest", CONFIG_LOAD_IMAGES);
    load(NULL, 0);
    put("images/i/vmlinuz", "kernel\n");
    put("images/i/initramfs", "ramdis");
    load("initramfs differs from its manifest", CONFIG_LOAD_IMAGES);
    drop("images/i/initramfs");
    load("initramfs: No such file", CONFIG_LOAD_IMAGES);
    put("images/i/initramfs", "ramdisk\n");
    put("images/i/manifest.json", MANIFEST(KERNEL_SUM, "8", RAMDISK_SUM));
    load("vmlinuz differs", CONFIG_LOAD_IMAGES);
    put("images/i/manifest.json", MANIFEST("00", "7", RAMDISK_SUM));
    load("has no sha256 of vmlinuz", CONFIG_LOAD_IMAGES);
    put("images/i/manifest.json", "{\"kernel\": {}");
    load("manifest.json:1:", CONFIG_LOAD_IMAGES);
    put("images/i/manifest.json", "[]");
    load("has no sha256", CONFIG_LOAD_IMAGES);
    drop("images/i/manifest.json");
    load("manifest.json: No such file", CONFIG_LOAD_IMAGES);
}

static void test_options(void **state)
{
    static const struct {
        const char *manifest; /* NULL: none */
        int result;
        const char *options;
    } rows[] = {
        {NULL, 0, ""},
        {"{}", 0, ""},
        {"{\"cmdline\": \"\"}", 0, ""},
        {"{\"cmdline\": 5}", 0, ""},
        {"{\"cmdline\": \"a.b=0 c\"}", 0, "a.b=0 c"},
        {"{\"cmdline\": \"a\\nb\"}", -EBADMSG, ""},
        {"{\"cmdline\":", -EBADMSG, ""},
    };
    struct config_daemon d = {.platform = CONFIG_XEN};
    char options[IMAGE_OPTIONS_MAX];

    (void)state;
    snprintf(d.images, sizeof(d.images), "%s/images", dir);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].manifest)
            put("images/i/manifest.json", rows[i].manifest);
        else
            drop("images/i/manifest.json");
        assert_int_equal(image_options(&d, "i", options), rows[i].result);
        assert_string_equal(options, rows[i].options);
    }
    d.platform = CONFIG_NETNS;
    put("images/i/manifest.json", rows[4].manifest);
    assert_int_equal(image_options(&d, "i", options), 0);
    assert_string_equal(options, "");
}

static void test_netns_tree(void **state)
{
    char text[512];

    (void)state;
    snprintf(text, sizeof(text),
             "[Sysqube]\nPlatform=netns\nImages=%s/images\n"
             "StateDir=%s/state\n",
             dir, dir);
    put("sysqube.conf", text);
    load("root/init: No such file", CONFIG_LOAD_IMAGES);
    put("images/i/root/init", "");
    load(NULL, CONFIG_LOAD_IMAGES);
}

/* Numbers are saved once and read again; a check saves nothing. */
static void test_saved_numbers(void **state)
{
    char path[128], *text = NULL;

    (void)state;
    snprintf(path, sizeof(path), "%s/state/qids", dir);
    load(NULL, 0);
    assert_int_equal(access(path, F_OK), -1);
    load(NULL, CONFIG_LOAD_SAVE_IDS);
    assert_int_equal(io_read_file(path, 1000, &text, NULL), 0);
    assert_string_equal(text, "a 1\nb 2\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_images, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_options, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_netns_tree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_saved_numbers, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
