/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checked cursor and bounded writer. pure. See buf.h. */
#include "lib/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct cur cur_of(const void *data, size_t len)
{
    return (struct cur){.p = data, .left = len};
}

int cur_take(struct cur *c, size_t len, const uint8_t **ret)
{
    if (c->left < len)
        return -EAGAIN;
    *ret = c->p;
    if (len > 0) {
        c->p += len;
        c->left -= len;
    }
    return 0;
}

int cur_copy(struct cur *c, void *dst, size_t len)
{
    const uint8_t *p;
    int r = cur_take(c, len, &p);

    if (r == 0 && len > 0)
        memcpy(dst, p, len);
    return r;
}

int cur_u8(struct cur *c, uint8_t *ret)
{
    return cur_copy(c, ret, 1);
}

int cur_u16le(struct cur *c, uint16_t *ret)
{
    const uint8_t *p;
    int r = cur_take(c, 2, &p);

    if (r == 0)
        *ret = (uint16_t)(p[0] | p[1] << 8);
    return r;
}

int cur_u16be(struct cur *c, uint16_t *ret)
{
    const uint8_t *p;
    int r = cur_take(c, 2, &p);

    if (r == 0)
        *ret = (uint16_t)(p[0] << 8 | p[1]);
    return r;
}

int cur_u32le(struct cur *c, uint32_t *ret)
{
    const uint8_t *p;
    int r = cur_take(c, 4, &p);

    if (r == 0)
        *ret = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
               (uint32_t)p[3] << 24;
    return r;
}

int cur_u32be(struct cur *c, uint32_t *ret)
{
    const uint8_t *p;
    int r = cur_take(c, 4, &p);

    if (r == 0)
        *ret = (uint32_t)p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 |
               (uint32_t)p[0] << 24;
    return r;
}

int cur_end(const struct cur *c)
{
    return c->left == 0 ? 0 : -EBADMSG;
}

struct wbuf wbuf_of(void *data, size_t cap)
{
    return (struct wbuf){.p = data, .cap = cap};
}

void wbuf_bytes(struct wbuf *w, const void *src, size_t len)
{
    if (w->err)
        return;
    if (len > w->cap - w->len) {
        w->err = -ENOBUFS;
        return;
    }
    if (len > 0)
        memcpy(w->p + w->len, src, len);
    w->len += len;
}

void wbuf_u8(struct wbuf *w, uint8_t v)
{
    wbuf_bytes(w, &v, 1);
}

void wbuf_u32le(struct wbuf *w, uint32_t v)
{
    uint8_t b[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
                    (uint8_t)(v >> 24)};

    wbuf_bytes(w, b, sizeof(b));
}

void wbuf_u32be(struct wbuf *w, uint32_t v)
{
    uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
                    (uint8_t)v};

    wbuf_bytes(w, b, sizeof(b));
}

void wbuf_printf(struct wbuf *w, const char *fmt, ...)
{
    if (w->err)
        return;
    size_t room = w->cap - w->len;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf((char *)w->p + w->len, room, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= room)
        w->err = -ENOBUFS;
    else
        w->len += (size_t)n;
}

int wbuf_done(const struct wbuf *w)
{
    return w->err;
}
