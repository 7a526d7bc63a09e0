/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See svc_log.h. pure. */
#include "init/svc_log.h"

#include <string.h>

void svc_log_flush(struct svc_log *l, const char *name, svc_log_cb cb,
                   void *arg)
{
    char out[SVC_LOG_OUT_MAX];
    size_t name_len = strnlen(name, 23);
    size_t n = 0;

    if (l->len > 0 && l->line[l->len - 1] == '\r')
        l->len--;
    if (l->len > 0) {
        bool named = l->len > name_len + 1 &&
                     memcmp(l->line, name, name_len) == 0 &&
                     l->line[name_len] == ':' && l->line[name_len + 1] == ' ';

        if (!named) {
            memcpy(out, name, name_len);
            memcpy(out + name_len, ": ", 2);
            n = name_len + 2;
        }
        for (size_t i = 0; i < l->len; i++) {
            char c = l->line[i];

            if (c == '\t')
                c = ' ';
            out[n++] = c >= 0x20 && c <= 0x7e ? c : '_';
        }
        out[n++] = '\n';
        cb(out, n, arg);
    }
    l->len = 0;
    l->cut = false;
}

void svc_log_feed(struct svc_log *l, const char *name, const char *data,
                  size_t len, svc_log_cb cb, void *arg)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            svc_log_flush(l, name, cb, arg);
            continue;
        }
        if (l->cut)
            continue;
        l->line[l->len++] = data[i];
        if (l->len == sizeof(l->line)) {
            svc_log_flush(l, name, cb, arg);
            l->cut = true;
        }
    }
}
