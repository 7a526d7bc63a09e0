/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzzes netvm/dhcp_facts.c: the input is an environment (variables between
 * line feeds) and, once more, the bytes of a record. What the reader makes
 * must pass the receiver's check, and the texts made of it stay whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "netvm/uplink_state.h"

#define VARS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int ok)
{
    if (!ok)
        abort();
}

static void texts(const struct dhcp_facts *f)
{
    struct uplink_state s;
    char buf[UPLINK_RESOLV_MAX];

    uplink_state_init(&s);
    uplink_state_take(&s, f);
    uplink_state_status(&s, buf);
    need(text_printable(text_of(buf)) && strlen(buf) < UPLINK_STATUS_MAX);
    need(uplink_state_resolv(&s, buf) == strnlen(buf, sizeof(buf)));
    need(uplink_state_external(&s, buf) < UPLINK_STATUS_MAX);
}

static void as_env(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    char *envp[VARS + 1];
    struct dhcp_facts f;
    size_t n = 0;
    int r;

    if (!copy)
        return;
    memcpy(copy, data, size);
    copy[size] = '\0';
    for (char *p = copy; p && n < VARS; n++) {
        char *end = strchr(p, '\n');

        envp[n] = p;
        if (end)
            *end++ = '\0';
        p = end;
    }
    envp[n] = NULL;
    r = dhcp_facts_from_env(envp, &f);
    if (r == 0 || r == -EBADMSG) {
        need(dhcp_facts_check(&f) == 0);
        need(r == 0 || f.event == DHCP_FACTS_BAD);
        texts(&f);
    }
    free(copy);
}

static void as_record(const uint8_t *data, size_t size)
{
    struct dhcp_facts f;

    if (size < sizeof(f))
        return;
    memcpy(&f, data, sizeof(f));
    if (dhcp_facts_check(&f) == 0)
        texts(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_env(data, size);
    as_record(data, size);
    return 0;
}
