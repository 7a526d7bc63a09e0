/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a body of the vchan provides. Private to sys-common/vchan. Contracts
 * are those of vchan.h. */
#ifndef SQ_VCHAN_VCHAN_BODY_H
#define SQ_VCHAN_VCHAN_BODY_H

#include "vchan/vchan.h"

struct vchan_ops {
    void (*free)(struct vchan *v);
    int (*fd)(const struct vchan *v);
    unsigned (*events)(const struct vchan *v);
    void (*want_read)(struct vchan *v, bool want);
    int (*ready)(struct vchan *v);
    enum vchan_state (*state)(struct vchan *v);
    ssize_t (*read)(struct vchan *v, void *buf, size_t len);
    ssize_t (*write)(struct vchan *v, const void *buf, size_t len);
    ssize_t (*writev)(struct vchan *v, const struct iovec *iov, unsigned n);
};

/** First member of each body's struct. */
struct vchan {
    const struct vchan_ops *ops;
};

/** As vchan_server_new() and vchan_client_new(), for one body. */
int vchan_unix_server(const struct vchan_addr *addr, size_t write_bytes,
                      struct vchan **ret);
int vchan_unix_client(const struct vchan_addr *addr, struct vchan **ret);
int vchan_xen_server(const struct vchan_addr *addr, size_t read_bytes,
                     size_t write_bytes, struct vchan **ret);
int vchan_xen_client(const struct vchan_addr *addr, struct vchan **ret);

/** What wakes a client that waits for its server. Closed by _close; NULL and
 *  -1 in it are fine. */
struct vchan_waker {
    void *handle; /* xen: of xenstore */
    int fd;       /* ready when it is worth another try */
};
int vchan_unix_waker(const struct vchan_addr *addr, struct vchan_waker *ret);
void vchan_unix_waker_drain(struct vchan_waker *w);
void vchan_unix_waker_close(struct vchan_waker *w);
int vchan_xen_waker(const struct vchan_addr *addr, struct vchan_waker *ret);
void vchan_xen_waker_drain(struct vchan_waker *w);
void vchan_xen_waker_close(struct vchan_waker *w);

/** As vchan_server_forget(), for one body. */
int vchan_unix_forget(const struct vchan_addr *addr);
int vchan_xen_forget(const struct vchan_addr *addr);

#endif
