/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory of PDU payloads: blocks in classes of powers of two, kept for the
 * next PDU, so that a stream of 1 MiB requests does not fault in fresh pages
 * for each. pure but for malloc. Fed by our own code; lengths are checked by
 * the caller, the sum is bounded here. */
#ifndef SQ_USBVM_LINK_USB_POOL_H
#define SQ_USBVM_LINK_USB_POOL_H

#include <stddef.h>

#define USB_POOL_BLOCK_MAX ((size_t)8 << 20)

struct usb_pool;

/** @param max_bytes  of all blocks together, lent and kept
 *  @param ret        freed by usb_pool_free() when every block is back
 *  @return 0; -ENOMEM */
int usb_pool_new(size_t max_bytes, struct usb_pool **ret);
void usb_pool_free(struct usb_pool *pool);

/** Memory of another kind for blocks from @p min_len bytes on, such as the
 *  kernel can use without a copy. What it does not give comes from malloc.
 *  Borrowed; to be set while no block is lent. */
struct usb_pool_backing {
    size_t min_len;
    void *(*alloc)(size_t len, void *arg); /* page aligned; NULL: none */
    void (*free)(void *p, size_t len, void *arg);
    void *arg;
};
void usb_pool_back(struct usb_pool *pool, const struct usb_pool_backing *b);

/** A block of at least @p len bytes, 64-byte aligned, not zeroed.
 *  @return NULL when @p len is over USB_POOL_BLOCK_MAX, max_bytes would be
 *  passed, or memory is out */
void *usb_pool_get(struct usb_pool *pool, size_t len);
/** Give a block back; NULL is fine. */
void usb_pool_put(struct usb_pool *pool, void *block);

/** Free what is kept and was not needed since the last call: call it about
 *  once a second. */
void usb_pool_trim(struct usb_pool *pool);

/** Bytes lent and kept now. */
size_t usb_pool_bytes(const struct usb_pool *pool);

#endif
