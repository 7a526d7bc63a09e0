/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answers to one netlink exchange, datagram by datagram. pure. Fed by
 * the kernel through nl.c; lengths are checked all the same. */
#ifndef SQ_LIB_NL_ANSWER_H
#define SQ_LIB_NL_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <libmnl/libmnl.h>

/* Answers of other (older) exchanges are told apart by their sequence
 * number and ignored. */
struct nl_answer {
    uint32_t first_seq; /* of the batch begin or the only message */
    uint32_t last_seq;  /* of the last message that asked for an answer */
    bool batch;
    bool done;
    int first_err;        /* 0 or the kernel's first -errno */
    uint32_t refused_seq; /* of the message it was about */
    mnl_cb_t cb;
    void *arg;
};

/** Note which answers the request of @p len bytes at @p msg will get.
 *  @param cb  called with each message that is neither an acknowledgement
 *             nor an end; may be NULL
 *  @return 0; -EINVAL no message asks for an answer */
int nl_answer_init(struct nl_answer *ret, const void *msg, size_t len,
                   mnl_cb_t cb, void *arg);

/** Digest one datagram (@p buf aligned to 4 bytes). Sets done when the
 *  exchange is over.
 *  @return 0; -EBADMSG malformed; -ECANCELED the callback said so */
int nl_answer_feed(struct nl_answer *a, const void *buf, size_t len);

#endif
