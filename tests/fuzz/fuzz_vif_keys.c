/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: keys and values that vifd and sysqube-agent read. Input:
 * "PATH\nVALUE\n..." pairs. What was taken in must give a plan that can be
 * undone to nothing. glue of libFuzzer. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "vif/agent_plan.h"
#include "vif/vif_facts.h"
#include "vif/vif_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int record(const struct vif_action *a, void *arg)
{
    return vif_plan_record(arg, a);
}

static void plan_and_undo(const struct vif_facts *f, const struct vif_ident *id)
{
    static struct vif_want w;
    static struct vif_steps want, have, old;
    static const struct vif_steps none;

    (void)vif_facts_want(f, id, &w);
    vif_plan_build(&w, &want);
    assert(want.n > 0 && want.n <= VIF_STEPS_MAX);
    have.n = 0;
    assert(vif_plan_diff(&none, &want, record, &have) == 0);
    old = have;
    assert(vif_plan_diff(&old, &none, record, &have) == 0);
}

static void one(struct vif_facts *f, struct agent_conf *c, struct text path,
                struct text value)
{
    char key[64];
    struct vif_ident id;
    uint32_t a, b;

    if (text_copy(path, key, sizeof(key)) < 0)
        return;
    (void)vif_facts_add(f, key, value);
    (void)vif_plan_name_parse(path, &a, &b);
    for (unsigned i = 0; i < AGENT_KEYS; i++)
        if (strcmp(key, agent_plan_keys[i]) == 0)
            (void)agent_plan_set(c, i, value);
    if (vif_plan_ident_parse(path, value, &id) == 0) {
        (void)vif_facts_waits_for(f, &id);
        plan_and_undo(f, &id);
    }
    memset(&id, 0, sizeof(id));
    if (vif_plan_ident_xen(value, text_of("00:16:3e:5e:6c:00"), &id) == 0)
        plan_and_undo(f, &id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vif_facts f;
    static struct vif_steps steps;
    struct agent_conf c;
    char resolv[AGENT_RESOLV_MAX];
    struct text rest = {(const char *)data, size};
    struct text path, value;

    if (size > 8192)
        return 0;
    memset(&f, 0, sizeof(f));
    memset(&c, 0, sizeof(c));
    while (parse_split(&rest, '\n', &path) && parse_split(&rest, '\n', &value))
        one(&f, &c, path, value);
    for (unsigned i = 1; i < f.n_clients; i++)
        assert(ipaddr_cmp(&f.clients[i - 1], &f.clients[i]) < 0);
    agent_plan_build(&c, &steps);
    (void)agent_plan_resolv(&c, resolv);
    return 0;
}
