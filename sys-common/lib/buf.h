/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checked cursor over untrusted bytes, and a bounded writer. pure. Fed by
 * every decoder of the tree; the cursor is the only way they read bytes.
 * Does not allocate, does not know any format. */
#ifndef SQ_LIB_BUF_H
#define SQ_LIB_BUF_H

#include <stddef.h>
#include <stdint.h>

struct cur {
    const uint8_t *p; /* next byte */
    size_t left;      /* bytes behind it */
};

/** A cursor over @p len bytes at @p data (borrowed, must outlive it). */
struct cur cur_of(const void *data, size_t len);

/** Read one value and move on. @return 0; -EAGAIN when fewer bytes are left
 *  than the value needs: the cursor and @p ret are then untouched. */
int cur_u8(struct cur *c, uint8_t *ret);
int cur_u16le(struct cur *c, uint16_t *ret);
int cur_u16be(struct cur *c, uint16_t *ret);
int cur_u32le(struct cur *c, uint32_t *ret);
int cur_u32be(struct cur *c, uint32_t *ret);

/** Copy @p len bytes to @p dst. @return 0; -EAGAIN as above. */
int cur_copy(struct cur *c, void *dst, size_t len);

/** Borrow @p len bytes: @p ret points into the cursor's memory.
 *  @return 0; -EAGAIN as above. */
int cur_take(struct cur *c, size_t len, const uint8_t **ret);

/** @return 0 when nothing is left; -EBADMSG for trailing bytes */
int cur_end(const struct cur *c);

struct wbuf {
    uint8_t *p;
    size_t len; /* bytes written */
    size_t cap; /* bytes there are */
    int err;    /* first error: 0 or -ENOBUFS; sticky */
};

/** A writer over the caller's @p cap bytes. */
struct wbuf wbuf_of(void *data, size_t cap);

/** Append. After the first value that does not fit nothing more is written
 *  and wbuf_done() says -ENOBUFS. */
void wbuf_u8(struct wbuf *w, uint8_t v);
void wbuf_u32le(struct wbuf *w, uint32_t v);
void wbuf_u32be(struct wbuf *w, uint32_t v);
void wbuf_bytes(struct wbuf *w, const void *src, size_t len);
/** Append text without its NUL, printf style. */
void wbuf_printf(struct wbuf *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** @return 0, or -ENOBUFS if anything did not fit */
int wbuf_done(const struct wbuf *w);

#endif
