/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long names and their addresses last. pure. Fed by dom0's key. See
 * names.h. */
#include <string.h>

#include "firewallvm/names.h"
#include "lib/err.h"
#include "lib/mem.h"

#define SECONDS_MAX 86400u /* a day */

const struct names_config NAMES_CONFIG = {
    .floor_s = 60,
    .ceiling_s = 3600,
    .wild_ceiling_s = 86400,
    .grace_s = 300,
    .retry_s = 5,
    .retry_max_s = 300,
    .patience_s = 30,
};

static int take_word(struct text word, struct names_config *c)
{
    const struct {
        const char *name;
        uint32_t min;
        uint32_t *to;
    } words[] = {
        {"floor=", 1, &c->floor_s},
        {"ceiling=", 1, &c->ceiling_s},
        {"grace=", 1, &c->grace_s},
    };
    size_t i, len;

    for (i = 0; i < ARRAY_LEN(words); i++) {
        len = strlen(words[i].name);
        if (word.len < len || memcmp(word.p, words[i].name, len) != 0)
            continue;
        word.p += len;
        word.len -= len;
        return parse_u32(word, words[i].min, SECONDS_MAX, words[i].to);
    }
    return -EBADMSG;
}

int names_config_parse(struct text untrusted_value, struct names_config *ret)
{
    struct names_config c = NAMES_CONFIG;
    struct text rest = untrusted_value, word;

    while (untrusted_value.len > 0 && rest.p && parse_split(&rest, ' ', &word))
        if (take_word(word, &c) < 0)
            return -EBADMSG;
    /* A missing word keeps its usual value. */
    if (c.floor_s > c.ceiling_s)
        return -EBADMSG;
    *ret = c;
    return 0;
}
