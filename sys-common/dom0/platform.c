/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the bodies of platform.h share. pure (memory only). */
#include "dom0/platform.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/err.h"

int platform_new(const struct platform_ops *ops, struct loop *loop,
                 const char *run_dir, platform_died_cb died, void *arg,
                 struct platform **ret)
{
    struct platform *p = calloc(1, sizeof(*p));

    *ret = p;
    if (!p)
        return -ENOMEM;
    p->ops = ops;
    p->loop = loop;
    p->died = died;
    p->arg = arg;
    snprintf(p->run_dir, sizeof(p->run_dir), "%s", run_dir);
    return ops->open(p);
}

void platform_free(struct platform *p)
{
    if (!p)
        return;
    p->ops->close(p);
    free(p);
}

int platform_fail(struct platform *p, int err, const char *fmt, ...)
{
    char text[PLATFORM_WHY_MAX - 64];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    snprintf(p->why, sizeof(p->why), "%s: %s", text, err_text(err));
    return err;
}
