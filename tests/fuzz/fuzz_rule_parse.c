/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz rule text: the first byte picks the form, what passes must be
 * canonical after one turn. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "rules/rule_format.h"
#include "rules/rule_lower.h"
#include "rules/rule_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int parse(uint8_t form, struct text t, struct fw_rule *ret,
                 struct rule_error *err)
{
    switch (form % 3) {
    case 0:
        return rule_parse_qdb(t, ret, err);
    case 1:
        return rule_parse_api(t, ret, err);
    default:
        return rule_parse_line(t, 1000000, ret, err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[FW_TEXT_MAX], again[FW_TEXT_MAX];
    struct rule_error err = {0};
    struct fw_rule rule, back;

    if (size < 1)
        return 0;
    struct text t = {(const char *)data + 1, size - 1};
    if (parse(data[0], t, &rule, &err) < 0) {
        if (!err.reason || err.column < 1 || err.column > size)
            abort();
        return 0;
    }
    if (rule_format_api(&rule, text, sizeof(text)) < 0 ||
        rule_parse_api(text_of(text), &back, NULL) < 0 ||
        !rule_eq(&rule, &back) ||
        rule_format_api(&back, again, sizeof(again)) < 0 ||
        strcmp(text, again) != 0)
        abort();
    for (unsigned i = 0; i < 2 * rule_span(&rule); i++) {
        if (rule_lower(&rule, i % 2 ? AF_INET : AF_INET6, i / 2, &back) < 0)
            continue;
        if (rule_format_qdb(&back, text, sizeof(text)) < 0 ||
            rule_parse_qdb(text_of(text), &back, NULL) < 0)
            abort();
    }
    return 0;
}
