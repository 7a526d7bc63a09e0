/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See init_xen.h. effect. */
#include "init/init_xen.h"

#include <errno.h>
#include <stdlib.h>
#include <xenstore.h>

#include "lib/err.h"
#include "lib/mem.h"

#define NODE "control/shutdown" /* relative to our own domain's folder */

struct init_xen {
    struct xs_handle *xs;
    bool seen;  /* the event that every new watch gives has passed */
    bool acked; /* it was we who emptied the node */
};

int init_xen_new(struct init_xen **ret)
{
    struct init_xen *x = calloc(1, sizeof(*x));

    if (x == NULL)
        return -ENOMEM;
    x->xs = xs_open(0);
    if (x->xs == NULL || !xs_watch(x->xs, NODE, "s")) {
        int r = err_last();

        init_xen_free(x);
        return r;
    }
    *ret = x;
    return 0;
}

void init_xen_free(struct init_xen *x)
{
    if (x == NULL)
        return;
    if (x->xs != NULL)
        xs_close(x->xs);
    free(x);
}

int init_xen_fd(const struct init_xen *x)
{
    return xs_fileno(x->xs);
}

enum svc_end init_xen_poll(struct init_xen *x)
{
    enum svc_end end = SVC_END_NONE;
    char **event;

    while ((event = xs_check_watch(x->xs)) != NULL) {
        CLEANUP_FREE char *untrusted_value = NULL;
        unsigned len = 0;
        enum svc_end e;
        bool ack;

        free(event);
        untrusted_value = xs_read(x->xs, XBT_NULL, NODE, &len);
        e = svc_plan_shutdown_word(untrusted_value, !x->seen || x->acked, &ack);
        x->seen = true;
        x->acked |= ack;
        if (ack)
            (void)xs_write(x->xs, XBT_NULL, NODE, "", 0);
        if (e != SVC_END_NONE && end == SVC_END_NONE)
            end = e;
    }
    return end;
}
