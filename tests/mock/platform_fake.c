/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The remembering platform. pure. See platform_fake.h. */
#include "tests/mock/platform_fake.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/err.h"

struct fake fake;

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void note(const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(fake.log + fake.n, sizeof(fake.log) - fake.n, fmt, ap);
    va_end(ap);
    if (n > 0 && fake.n + (size_t)n < sizeof(fake.log))
        fake.n += (size_t)n;
}

static bool fails(enum fake_call call, uint32_t domid, const char *name)
{
    if (!name && domid < 64)
        name = fake.dom[domid].name;
    return fake.fail == call && name && fake.fail_at &&
           !strcmp(name, fake.fail_at);
}

static int fake_open(struct platform *p)
{
    fake.p = p;
    return 0;
}

static void fake_close(struct platform *p)
{
    (void)p;
    fake.p = NULL;
}

static int fake_create(struct platform *p, const struct platform_spec *s,
                       uint32_t *ret_domid)
{
    uint32_t id = 1;

    note("create %s\n", s->name);
    if (fails(FAKE_CREATE, 0, s->name))
        return platform_fail(p, -ENOMEM, "no room for %s", s->name);
    while (fake.dom[id].name[0])
        id++;
    snprintf(fake.dom[id].name, CONFIG_NAME_MAX, "%s", s->name);
    fake.dom[id].there = true;
    fake.alive++;
    *ret_domid = id;
    return 0;
}

static int fake_unpause(struct platform *p, uint32_t domid)
{
    note("unpause %s\n", fake.dom[domid].name);
    return fails(FAKE_UNPAUSE, domid, NULL)
               ? platform_fail(p, -EIO, "it will not run")
               : 0;
}

static int fake_shutdown(struct platform *p, uint32_t domid)
{
    (void)p;
    note("shutdown %s\n", fake.dom[domid].name);
    if (!fake.stubborn)
        fake_die(domid, "powered off");
    return 0;
}

static int fake_destroy(struct platform *p, uint32_t domid)
{
    (void)p;
    note("destroy %s\n", fake.dom[domid].name);
    if (fake.dom[domid].there)
        fake.alive--;
    fake.dom[domid].there = false;
    return 0;
}

static int fake_attach(struct platform *p, const struct platform_vif *v)
{
    note("attach %s to %s\n", fake.dom[v->client].name,
         fake.dom[v->backend].name);
    if (fails(FAKE_ATTACH, v->client, NULL))
        return platform_fail(p, -ENODEV, "no backend");
    fake.vifs++;
    return 0;
}

static int fake_detach(struct platform *p, const struct platform_vif *v)
{
    (void)p;
    note("detach %s from %s\n", fake.dom[v->client].name,
         fake.dom[v->backend].name);
    fake.vifs--;
    return 0;
}

static int fake_console(struct platform *p, uint32_t domid)
{
    (void)domid;
    return platform_fail(p, -ENODEV, "no console");
}

static void fake_vchan_clean(struct platform *p, uint32_t domid)
{
    (void)p;
    note("clean %s\n", fake.dom[domid].name);
}

void fake_die(uint32_t domid, const char *why)
{
    fake.dom[domid].there = false;
    fake.alive--;
    fake.p->died(domid, why, fake.p->arg);
}

const struct platform_ops platform_fake = {
    .name = "netns",
    .body = "unix",
    .vif_keys = true,
    .boot_ms = 300,
    .ready_ms = 200,
    .open = fake_open,
    .close = fake_close,
    .create = fake_create,
    .unpause = fake_unpause,
    .shutdown = fake_shutdown,
    .destroy = fake_destroy,
    .vif_attach = fake_attach,
    .vif_detach = fake_detach,
    .console = fake_console,
    .vchan_clean = fake_vchan_clean,
};
