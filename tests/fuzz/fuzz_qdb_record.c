/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzzes the checks of the records between sysqubed and its workers: what
 * passes holds plain C strings and is exactly what our own encoder makes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/parse.h"
#include "qubesdb/qdb_record.h"
#include "qubesdb/qdb_worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int ok)
{
    if (!ok)
        abort();
}

static void as_up(const uint8_t *data, size_t size)
{
    struct qdb_rec_up rec = {0}, same;

    memcpy(&rec, data, size < sizeof(rec) ? size : sizeof(rec));
    if (qdb_rec_up_check(&rec) < 0)
        return;
    need(strlen(rec.path) < QDB_REC_PATH);
    need(strlen(rec.value) == rec.len);
    need(text_printable(text_of(rec.value)));
    switch (rec.type) {
    case QDB_REC_STATUS:
        need(qdb_rec_status(&same, rec.path, rec.value, rec.len) == 0);
        break;
    case QDB_REC_STATUS_RM:
        need(qdb_rec_status_rm(&same, rec.path) == 0);
        break;
    case QDB_REC_CONNECTED:
        qdb_rec_connected(&same);
        break;
    case QDB_REC_CLOSED:
        qdb_rec_closed(&same, (enum qdb_closed)rec.reason);
        break;
    default:
        qdb_rec_refused(&same, (enum qdb_refused)rec.reason, rec.count);
    }
    need(memcmp(&rec, &same, sizeof(rec)) == 0);
    need(strcmp(qdb_refused_text(rec.reason), "") != 0);
}

static void as_down(const uint8_t *data, size_t size)
{
    struct qdb_rec_down rec = {0}, same;
    struct qdb_worker *w = NULL;

    memcpy(&rec, data, size < sizeof(rec) ? size : sizeof(rec));
    if (qdb_rec_down_check(&rec) < 0)
        return;
    switch (rec.type) {
    case QDB_REC_SET:
        need(qdb_rec_set(&same, rec.path, rec.value, rec.len) == 0);
        break;
    case QDB_REC_RM:
        need(qdb_rec_rm(&same, rec.path) == 0);
        break;
    default:
        qdb_rec_down_plain(&same, (enum qdb_rec_type)rec.type);
    }
    need(memcmp(&rec, &same, sizeof(rec)) == 0);
    need(qdb_worker_new(0, &w) == 0);
    need(qdb_worker_down(w, &rec) >= 0);
    qdb_worker_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_up(data, size);
    as_down(data, size);
    return 0;
}
