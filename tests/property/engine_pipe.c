/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole firewallvmd behind a test script. effect (standard input and
 * output). One request is lines ended by "end"; the answer is "ok". */
#include "tests/property/engine.h"

#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "rules/rule_format.h"

static void put_dns(const struct fw_dns *dns)
{
    char text[IPADDR_TEXT_MAX];
    unsigned i;

    printf("dns");
    for (i = 0; i < dns->n; i++)
        printf(" %s", ipaddr_format(&dns->addr[i], text));
    printf("\n");
}

static void put_list(const struct engine_source *s)
{
    char text[FW_TEXT_MAX];
    size_t i;

    printf("list %s %s\n", ipaddr_format(&s->addr, text),
           s->list->policy == FW_ACCEPT ? "accept" : "drop");
    for (i = 0; i < s->list->n; i++) {
        rule_format_qdb(&s->list->v[i], text, sizeof(text));
        printf("%s\n", text);
    }
}

static int ask(void)
{
    char line[16];

    printf("end\n");
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin))
        return -ECONNRESET;
    return strcmp(line, "ok\n") == 0 ? 0 : -EPROTO;
}

static int pipe_start(struct engine *e, const struct engine_source *v, size_t n,
                      const struct fw_dns *dns)
{
    size_t i;

    (void)e;
    printf("start\n");
    put_dns(dns);
    for (i = 0; i < n; i++)
        if (v[i].list)
            put_list(&v[i]);
    return ask();
}

static int pipe_apply(struct engine *e, const struct engine_source *s)
{
    (void)e;
    put_list(s);
    return ask();
}

static int pipe_remove(struct engine *e, const struct ipaddr *addr)
{
    char text[IPADDR_TEXT_MAX];

    (void)e;
    printf("remove %s\n", ipaddr_format(addr, text));
    return ask();
}

static int pipe_dns(struct engine *e, const struct fw_dns *dns,
                    const struct engine_source *v, size_t n)
{
    (void)e;
    (void)v;
    (void)n;
    put_dns(dns);
    return ask();
}

int engine_pipe(struct engine *ret)
{
    static const struct engine_verbs VERBS = {
        .start = pipe_start,
        .apply = pipe_apply,
        .remove = pipe_remove,
        .set_dns = pipe_dns,
    };

    *ret = (struct engine){.verbs = &VERBS};
    return 0;
}
