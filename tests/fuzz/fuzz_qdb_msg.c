/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzzes the QubesDB codec, link and worker as a VM feeds them: the input is
 * a row of steps, each a byte that says what happens (bytes from the VM, a
 * record from sysqubed, time, a look at what goes up or down) and its data.
 * Whatever comes, records for sysqubed pass its check, what goes to the VM
 * decodes, and no limit is passed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "qubesdb/qdb_worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int ok)
{
    if (!ok)
        abort();
}

/* Keys sysqubed sets; a VM's input will hit them, as they are short. */
static const char *const keys[] = {"/a", "/a/b", "/sysqube-status/x", "/b/c"};

static void from_vm(struct qdb_worker *w, const uint8_t *p, size_t len)
{
    struct qdb_link *l = qdb_worker_link(w);
    size_t space;
    uint8_t *in = qdb_link_in(l, &space);

    if (len > space)
        len = space;
    memcpy(in, p, len);
    qdb_link_in_done(l, len);
}

static void from_sysqubed(struct qdb_worker *w, uint8_t how)
{
    struct qdb_rec_down rec;
    const char *key = keys[how >> 2 & 3];

    switch (how & 3) {
    case 0:
        need(qdb_rec_set(&rec, key, "value", how >> 4 & 3) == 0);
        break;
    case 1:
        need(qdb_rec_rm(&rec, key) == 0);
        break;
    case 2:
        need(qdb_rec_rm(&rec, how & 4 ? "/" : "/a/") == 0);
        break;
    default:
        qdb_rec_down_plain(&rec, QDB_REC_SYNCED);
    }
    need(qdb_rec_down_check(&rec) == 0);
    need(qdb_worker_down(w, &rec) == 0);
}

static void to_vm(struct qdb_worker *w, uint8_t count)
{
    struct qdb_link *l = qdb_worker_link(w);

    for (unsigned i = 0; i < count; i++) {
        size_t len;
        const uint8_t *out = qdb_link_out(l, &len);
        struct qdb_hdr hdr;
        const uint8_t *val;
        if (len == 0)
            return;
        need(qdb_msg_take(out, len, QDB_FROM_DOM0, &hdr, &val) == (int)len);
        qdb_link_out_done(l, len);
    }
}

static void to_sysqubed(struct qdb_worker *w, uint64_t now, uint8_t count)
{
    struct qdb_rec_up rec;

    for (unsigned i = 0; i < count && qdb_worker_up(w, now, &rec); i++) {
        need(qdb_rec_up_check(&rec) == 0);
        qdb_worker_up_done(w);
    }
}

static void every_origin(const uint8_t *data, size_t size)
{
    struct qdb_hdr hdr;
    const uint8_t *val;

    for (unsigned from = 0; from < QDB_FROMS; from++) {
        int n = qdb_msg_take(data, size, (enum qdb_from)from, &hdr, &val);
        need(n <= (int)QDB_MSG_MAX && n <= (int)size);
        if (n > 0)
            need(qdb_value_ok(val, hdr.len));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur c = cur_of(data, size);
    struct qdb_worker *w = NULL;
    uint64_t now = 1000;
    uint8_t op, len;
    int r = 0;

    every_origin(data, size);
    need(qdb_worker_new(now, &w) == 0);
    while (cur_u8(&c, &op) == 0 && cur_u8(&c, &len) == 0) {
        if (op & 0x80) {
            const uint8_t *p = c.p;
            size_t n = (op & 0x0fu) << 8 | len;
            n = n < c.left ? n : c.left;
            need(cur_take(&c, n, &p) == 0);
            from_vm(w, p, n);
        } else if (op & 0x40) {
            from_sysqubed(w, len);
        } else if (op & 0x20) {
            now += len * 10u;
            (void)qdb_worker_wait_ms(w, now);
        } else if (op & 0x10) {
            to_sysqubed(w, now, len);
        } else {
            to_vm(w, len);
        }
        while ((r = qdb_worker_step(w, now)) == 1)
            ;
        if (r < 0 && r != -EAGAIN)
            break; /* refused: the worker ends */
        need(qdb_worker_count(w, QDB_OWNER_VM) <= QDB_WORKER_VM_ENTRIES);
        need(qdb_worker_count(w, QDB_OWNER_DOM0) <= QDB_WORKER_DOM0_ENTRIES);
    }
    to_vm(w, 255);
    to_sysqubed(w, now + 5000, 255);
    qdb_worker_free(w);
    return 0;
}
