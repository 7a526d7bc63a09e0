/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker's side of the records. effect. See worker_priv.h. */
#include "firewallvm/worker_priv.h"

#include <poll.h>

#include "lib/err.h"
#include "lib/privsep.h"

#define PRIV_TIMEOUT_MS 30000

static int wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;

    do {
        n = poll(&p, 1, PRIV_TIMEOUT_MS);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_last();
    return n == 0 ? -ETIMEDOUT : 0;
}

int priv_send(int fd, const struct record *rec)
{
    uint8_t bytes[RECORD_BYTES];
    int r = record_encode(rec, bytes);

    while (r == 0) {
        r = privsep_send(fd, bytes, sizeof(bytes));
        if (r != -EAGAIN)
            return r;
        r = wait_for(fd, POLLOUT);
    }
    return r;
}

int priv_send_paths(int fd, enum fw_path_kind kind, const struct fw_path *v,
                    size_t n)
{
    struct record rec = {
        .type = RECORD_PATHS, .kind = kind, .count = (uint32_t)n};
    size_t i;
    int r = priv_send(fd, &rec);

    for (i = 0; i < n && r == 0; i++) {
        rec = (struct record){.type = RECORD_PATH, .kind = kind, .path = v[i]};
        r = priv_send(fd, &rec);
    }
    rec = (struct record){.type = RECORD_COMMIT};
    return r == 0 ? priv_send(fd, &rec) : r;
}

int priv_send_list(int fd, const struct ipaddr *addr,
                   const struct rule_source *list)
{
    size_t i, n = list->reason ? 0 : list->n;
    struct record rec = {
        .type = RECORD_BEGIN,
        .addr = *addr,
        .policy = list->reason ? FW_DROP : list->policy,
        .limits = list->limits,
        .count = (uint32_t)n,
    };
    int r = priv_send(fd, &rec);

    for (i = 0; i < n && r == 0; i++) {
        rec = (struct record){.type = RECORD_RULE,
                              .number = (uint16_t)list->v[i].number,
                              .match = list->v[i].m};
        r = priv_send(fd, &rec);
    }
    rec = (struct record){.type = RECORD_COMMIT};
    return r == 0 ? priv_send(fd, &rec) : r;
}

int priv_answer(int fd, struct record *ret)
{
    uint8_t bytes[RECORD_BYTES];
    int r;

    do {
        r = wait_for(fd, POLLIN);
        if (r < 0)
            return r;
        r = privsep_recv(fd, bytes, sizeof(bytes));
    } while (r == -EAGAIN);
    return r < 0 ? r : record_decode(bytes, ret);
}
