/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/dom0/request.c: every request of the control socket,
 * and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "dom0/request.h"
#include "lib/err.h"
#include "lib/mem.h"

static const struct {
    const char *input;
    enum request_op op;
    size_t names;
    const char *qube;
    int words;
    int number; /* -1: none */
    bool force;
} good[] = {
    {"{\"op\":\"status\"}", REQ_STATUS, 0, "", 0, -1, false},
    {"{\"op\":\"up\"}", REQ_UP, 0, "", 0, -1, false},
    {"{\"op\":\"up\",\"names\":[]}", REQ_UP, 0, "", 0, -1, false},
    {"{\"names\":[\"a\",\"b\"],\"op\":\"up\"}", REQ_UP, 2, "", 0, -1, false},
    {"{\"op\":\"down\",\"names\":[\"a\"],\"force\":true}", REQ_DOWN, 1, "", 0,
     -1, true},
    {"{\"op\":\"firewall-list\",\"qube\":\"w\"}", REQ_FW_LIST, 0, "w", 0, -1,
     false},
    {"{\"op\":\"firewall-add\",\"qube\":\"w\",\"rule\":[\"drop\"]}", REQ_FW_ADD,
     0, "w", 1, -1, false},
    {"{\"op\":\"firewall-add\",\"qube\":\"w\",\"rule\":[\"accept\","
     "\"proto=tcp\"],\"number\":0}",
     REQ_FW_ADD, 0, "w", 2, 0, false},
    {"{\"op\":\"firewall-del\",\"qube\":\"w\",\"number\":3}", REQ_FW_DEL, 0,
     "w", 0, 3, false},
    {"{\"op\":\"firewall-del\",\"qube\":\"w\",\"rule\":[\"drop\"]}", REQ_FW_DEL,
     0, "w", 1, -1, false},
    {"{\"op\":\"firewall-reset\",\"qube\":\"w\"}", REQ_FW_RESET, 0, "w", 0, -1,
     false},
    {"{\"op\":\"usb-list\"}", REQ_USB_LIST, 0, "", 0, -1, false},
    {"{\"op\":\"keys\",\"qube\":\"w\"}", REQ_KEYS, 0, "w", 0, -1, false},
    {"{\"op\":\"console\",\"qube\":\"w\"}", REQ_CONSOLE, 0, "w", 0, -1, false},
    {"{\"op\":\"quit\"}", REQ_QUIT, 0, "", 0, -1, false},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char why[REQUEST_WHY_MAX] = "";
        struct request r;

        if (request_parse(text_of(good[i].input), &r, why))
            fail_msg("%s: %s", good[i].input, why);
        assert_int_equal(r.op, good[i].op);
        assert_int_equal(r.n_names, good[i].names);
        assert_string_equal(r.qube, good[i].qube);
        assert_int_equal(r.n_words, good[i].words);
        assert_int_equal(r.has_number, good[i].number >= 0);
        if (r.has_number)
            assert_int_equal(r.number, good[i].number);
        assert_int_equal(r.force, good[i].force);
        request_free(&r);
    }
}

static const struct {
    const char *input, *why;
} bad[] = {
    {"", "not a JSON object"},
    {"[]", "not a JSON object"},
    {"{\"op\":\"status\"", "not a JSON object"},
    {"{\"op\":\"status\"}x", "not a JSON object"},
    {"{\"op\":\"status\",\"op\":\"up\"}", "not a JSON object"},
    {"{}", "unknown operation ''"},
    {"{\"op\":5}", "unknown operation ''"},
    {"{\"op\":\"reboot\"}", "unknown operation 'reboot'"},
    {"{\"op\":\"status\",\"qube\":\"a\"}", "unknown member 'qube'"},
    {"{\"op\":\"up\",\"names\":\"a\"}", "expected an array"},
    {"{\"op\":\"up\",\"names\":[1]}", "expected an array"},
    {"{\"op\":\"up\",\"names\":[\"../x\"]}", "expected an array"},
    {"{\"op\":\"up\",\"names\":[\"a\\u0000b\"]}", "not a JSON object"},
    {"{\"op\":\"up\",\"force\":true}", "unknown member 'force'"},
    {"{\"op\":\"down\",\"force\":1}", "true or false"},
    {"{\"op\":\"keys\"}", "without a qube"},
    {"{\"op\":\"keys\",\"qube\":\"Domain-0\"}", "a qube's name"},
    {"{\"op\":\"firewall-add\",\"qube\":\"w\"}", "needs a rule"},
    {"{\"op\":\"firewall-add\",\"qube\":\"w\",\"rule\":[]}", "1 to 64"},
    {"{\"op\":\"firewall-add\",\"qube\":\"w\",\"rule\":[5]}", "1 to 64"},
    {"{\"op\":\"firewall-del\",\"qube\":\"w\"}", "either a rule or a"},
    {"{\"op\":\"firewall-del\",\"qube\":\"w\",\"rule\":[\"drop\"],"
     "\"number\":1}",
     "either a rule or a"},
    {"{\"op\":\"firewall-del\",\"qube\":\"w\",\"number\":-1}", "0 to 9999"},
    {"{\"op\":\"firewall-del\",\"qube\":\"w\",\"number\":10000}", "0 to 9999"},
    {"{\"op\":\"firewall-del\",\"qube\":\"w\",\"number\":\"1\"}", "0 to 9999"},
    {"{\"op\":\"firewall-apply\",\"qube\":\"w\"}", "without a text"},
    {"{\"op\":\"firewall-apply\",\"text\":\"\"}", "without a qube"},
    {"{\"op\":\"firewall-apply\",\"qube\":\"w\",\"text\":[]}", "1 MiB"},
    {"{\"op\":\"firewall-apply\",\"qube\":\"w\",\"text\":\"\",\"rule\":[]}",
     "unknown member"},
    {"{\"op\":\"firewall-reload\",\"qube\":\"w\"}", "unknown member"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char why[REQUEST_WHY_MAX] = "";
        struct request r;

        memset(&r, 0x5a, sizeof(r));
        if (request_parse(text_of(bad[i].input), &r, why) != -EBADMSG)
            fail_msg("%s passed", bad[i].input);
        if (!strstr(why, bad[i].why))
            fail_msg("%s: %s", bad[i].input, why);
        assert_int_equal(r.op, 0x5a5a5a5a);
    }
}

static void test_list_text(void **state)
{
    char why[REQUEST_WHY_MAX] = "";
    struct request r;

    (void)state;
    assert_int_equal(
        request_parse(text_of("{\"op\":\"firewall-apply\",\"qube\":\"w\","
                              "\"text\":\"accept\\ndrop\\n\",\"was\":\"\","
                              "\"file\":\"f\"}"),
                      &r, why),
        0);
    assert_string_equal(r.text, "accept\ndrop\n");
    assert_string_equal(r.was, "");
    assert_string_equal(r.file, "f");
    request_free(&r);
}

static void test_too_many_words(void **state)
{
    char text[1024] = "{\"op\":\"firewall-add\",\"qube\":\"w\",\"rule\":[";
    char why[REQUEST_WHY_MAX] = "";
    struct request r;

    (void)state;
    for (int i = 0; i < REQUEST_WORDS_MAX + 1; i++)
        strcat(text, i ? ",\"a\"" : "\"a\"");
    strcat(text, "]}");
    assert_int_equal(request_parse(text_of(text), &r, why), -EBADMSG);
    assert_non_null(strstr(why, "1 to 64"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_too_many_words),
        cmocka_unit_test(test_list_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
