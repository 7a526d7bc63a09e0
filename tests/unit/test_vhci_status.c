/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhci_status: which port is taken, by hub, state and number; texts of
 * another form are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "usbvm/frontend/vhci_status.h"

#define HEAD "hub port sta spd dev      sockfd local_busid\n"
#define ROW(hub, port, sta) hub " " port " " sta " 000 00000000 000000 0-0\n"

static const struct {
    const char *name, *text;
    unsigned speed;
    uint32_t from;
    int want;
    uint32_t port;
} table[] = {
    {"first", HEAD ROW("hs", "0000", "004") ROW("ss", "0008", "004"), 3, 0, 0,
     0},
    {"super", HEAD ROW("hs", "0000", "004") ROW("ss", "0008", "004"), 5, 0, 0,
     8},
    {"super plus", HEAD ROW("ss", "0015", "004"), 6, 0, 0, 15},
    {"full speed", HEAD ROW("hs", "0003", "004"), 2, 0, 0, 3},
    {"used", HEAD ROW("hs", "0000", "006") ROW("hs", "0001", "004"), 3, 0, 0,
     1},
    {"in error", HEAD ROW("hs", "0000", "007"), 3, 0, -ENOENT, 0},
    {"from", HEAD ROW("hs", "0000", "004") ROW("hs", "0001", "004"), 3, 1, 0,
     1},
    {"lowest", HEAD ROW("hs", "0002", "004") ROW("hs", "0001", "004"), 3, 0, 0,
     1},
    {"second controller", HEAD ROW("hs", "0030", "004"), 3, 0, 0, 30},
    {"no port of the hub", HEAD ROW("ss", "0008", "004"), 1, 0, -ENOENT, 0},
    {"no line", HEAD, 3, 0, -ENOENT, 0},
    {"empty", "", 3, 0, -EBADMSG, 0},
    {"no head", ROW("hs", "0000", "004"), 3, 0, -EBADMSG, 0},
    {"hub", HEAD ROW("xs", "0000", "004"), 3, 0, -EBADMSG, 0},
    {"port", HEAD ROW("hs", "000x", "004"), 3, 0, -EBADMSG, 0},
    {"port too high", HEAD ROW("hs", "65536", "004"), 3, 0, -EBADMSG, 0},
    {"state", HEAD ROW("hs", "0000", "008"), 3, 0, -EBADMSG, 0},
    {"columns", HEAD "hs 0000 004\n", 3, 0, -EBADMSG, 0},
    {"more columns", HEAD "hs 0000 004 000 0 0 0-0 x\n", 3, 0, -EBADMSG, 0},
    {"bad line behind a free port", HEAD ROW("hs", "0000", "004") "x\n", 3, 0,
     -EBADMSG, 0},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        uint32_t port = 77;
        int r = vhci_status_free(text_of(table[i].text), table[i].speed,
                                 table[i].from, &port);
        if (r != table[i].want || port != (r == 0 ? table[i].port : 77))
            fail_msg("%s: %d, port %u", table[i].name, r, port);
    }
}

/* Every cut of a good text is judged without reading beyond it. */
static void test_cut(void **state)
{
    static const char text[] = HEAD ROW("hs", "0000", "004");
    uint32_t port;

    (void)state;
    for (size_t len = 0; len < strlen(text); len++) {
        char copy[sizeof(text)];
        memset(copy, '9', sizeof(copy));
        memcpy(copy, text, len);
        int r = vhci_status_free((struct text){copy, len}, 3, 0, &port);
        assert_true(r == -EBADMSG || r == -ENOENT || r == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
