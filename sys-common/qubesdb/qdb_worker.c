/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decisions of dom0's worker. pure. See qdb_worker.h. */
#include "qubesdb/qdb_worker.h"

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"

#define QUEUE_VM QDB_LINK_QUEUE
#define QUEUE_UP 1u
#define REASONS (QDB_REFUSED_DESIRED + 1)

/* Tokens in thousandths, so that one is earned at any rate per second. */
struct bucket {
    uint32_t rate, burst;
    uint64_t milli, at_ms;
};

struct qdb_worker {
    struct qdb_store *store;
    struct qdb_link *link;
    struct bucket requests, ups;
    bool synced;      /* sysqubed gave the whole state */
    bool copy_wanted; /* the VM asked for it */
    bool connected_said;
    bool paused;        /* the VM is over its rate */
    bool up_is_queued;  /* the record offered last came from QUEUE_UP */
    bool up_is_refused; /* ... or reports this refusal */
    bool up_is_connected;
    enum qdb_refused up_reason;
    char cut[QDB_PATH_MAX];    /* rule list that had no room, with its '/' */
    uint32_t refused[REASONS]; /* not yet reported */
    uint64_t report_at_ms;     /* not before, but for ... */
    bool desired_said;         /* ... the first of QDB_REFUSED_DESIRED */
};

static const struct qdb_limits worker_limits[QDB_OWNERS] = {
    [QDB_OWNER_DOM0] = {QDB_WORKER_DOM0_ENTRIES, QDB_WORKER_DOM0_BYTES},
    [QDB_OWNER_VM] = {QDB_WORKER_VM_ENTRIES, QDB_WORKER_VM_BYTES},
};

static struct bucket bucket_of(uint32_t rate, uint32_t burst, uint64_t now)
{
    return (struct bucket){
        .rate = rate, .burst = burst, .milli = burst * 1000u, .at_ms = now};
}

static void bucket_fill(struct bucket *b, uint64_t now)
{
    uint64_t full = b->burst * UINT64_C(1000);
    uint64_t passed = now > b->at_ms ? now - b->at_ms : 0;

    if (passed > full / b->rate)
        passed = full / b->rate + 1;
    b->milli += passed * b->rate;
    if (b->milli > full)
        b->milli = full;
    b->at_ms = now;
}

static bool bucket_has(const struct bucket *b)
{
    return b->milli >= 1000;
}

static void bucket_take(struct bucket *b)
{
    b->milli -= 1000;
}

/* Until the next token. */
static uint32_t bucket_wait(const struct bucket *b)
{
    if (bucket_has(b))
        return 0;
    return (uint32_t)((1000 - b->milli + b->rate - 1) / b->rate);
}

static int on_message(const struct qdb_hdr *hdr, const uint8_t *data,
                      void *arg);

int qdb_worker_new(uint64_t now_ms, struct qdb_worker **ret)
{
    struct qdb_worker *w = calloc(1, sizeof(*w));

    if (!w)
        return -ENOMEM;
    w->requests = bucket_of(QDB_WORKER_RATE, QDB_WORKER_BURST, now_ms);
    w->ups = bucket_of(QDB_WORKER_UP_RATE, QDB_WORKER_UP_BURST, now_ms);
    int r = qdb_store_new(worker_limits, &w->store);
    if (r == 0)
        r = qdb_link_new(w->store, QDB_FROM_VM, on_message, w, &w->link);
    if (r < 0) {
        qdb_worker_free(w);
        return r;
    }
    *ret = w;
    return 0;
}

void qdb_worker_free(struct qdb_worker *w)
{
    if (!w)
        return;
    qdb_link_free(w->link);
    qdb_store_free(w->store);
    free(w);
}

struct qdb_link *qdb_worker_link(struct qdb_worker *w)
{
    return w->link;
}

uint32_t qdb_worker_count(const struct qdb_worker *w, enum qdb_owner owner)
{
    return qdb_store_count(w->store, owner);
}

static void refuse(struct qdb_worker *w, enum qdb_refused reason)
{
    if (w->refused[reason] < UINT32_MAX)
        w->refused[reason]++;
}

/* What a change of one key is about, for each entry of an RM. */
typedef void (*each_fn)(struct qdb_worker *w, const struct qdb_entry *e);

/* Call @p fn for the key, or for each entry of the subtree, which it may
 * remove. */
static void for_path(struct qdb_worker *w, const char *path, each_fn fn)
{
    size_t len = strlen(path);
    char at[QDB_PATH_MAX] = "";
    const struct qdb_entry *e;

    if (path[len - 1] != '/') {
        e = qdb_store_find(w->store, path);
        if (e)
            fn(w, e);
        return;
    }
    while ((e = qdb_store_next(w->store, path, at[0] ? at : NULL))) {
        memcpy(at, e->path, sizeof(at));
        fn(w, e);
    }
}

/* ---- from sysqubed ---- */

static void down_rm(struct qdb_worker *w, const struct qdb_entry *e)
{
    char path[QDB_PATH_MAX];

    memcpy(path, e->path, sizeof(path));
    /* It does not want to hear of its own doing. */
    qdb_store_known(w->store, QUEUE_UP, path, false);
    qdb_store_rm(w->store, path);
}

#define RULES_TREE "/qubes-firewall/"

/* What follows a rule that had no room is left out as well, though a shorter
 * value might fit: a list without one of its rules may open what that one
 * would have closed, a list without its end cannot. It ends with its signal
 * key or with its removal. */
static bool is_cut_off(struct qdb_worker *w, const char *path)
{
    size_t len = strlen(w->cut);

    if (!len || strncmp(path, w->cut, len - 1) != 0)
        return false;
    if (path[len - 1] == '/')
        return true;
    if (!path[len - 1])
        w->cut[0] = '\0';
    return false;
}

static void note_cut(struct qdb_worker *w, const char *path)
{
    const char *end = strrchr(path, '/');

    if (strncmp(path, RULES_TREE, sizeof(RULES_TREE) - 1) != 0 ||
        end < path + sizeof(RULES_TREE) - 1)
        return;
    memset(w->cut, 0, sizeof(w->cut));
    memcpy(w->cut, path, (size_t)(end - path) + 1);
}

static int down_set(struct qdb_worker *w, const struct qdb_rec_down *rec)
{
    if (is_cut_off(w, rec->path)) {
        refuse(w, QDB_REFUSED_DESIRED);
        return 0;
    }
    int r = qdb_store_set(w->store, rec->path, rec->value, rec->len,
                          QDB_OWNER_DOM0, NULL);

    if (r == -ENOSPC || r == -EDQUOT) {
        if (qdb_store_dead(w->store) > 0)
            return -ENOBUFS;
        note_cut(w, rec->path);
        refuse(w, QDB_REFUSED_DESIRED);
        return 0;
    }
    if (r < 0)
        return r;
    qdb_store_known(w->store, QUEUE_UP, rec->path, false);
    qdb_store_queue(w->store, QUEUE_VM, rec->path);
    return 0;
}

static void copy_if_ready(struct qdb_worker *w)
{
    if (w->synced && w->copy_wanted)
        qdb_link_send_copy(w->link);
}

int qdb_worker_down(struct qdb_worker *w, const struct qdb_rec_down *rec)
{
    switch (rec->type) {
    case QDB_REC_SET:
        return down_set(w, rec);
    case QDB_REC_RM:
        if (!strcmp(rec->path, w->cut))
            w->cut[0] = '\0';
        for_path(w, rec->path, down_rm);
        return 0;
    case QDB_REC_SYNCED:
        if (!w->synced) {
            w->synced = true;
            copy_if_ready(w);
        }
        return 0;
    default:
        return 1;
    }
}

/* ---- from the VM ---- */

static int vm_write(struct qdb_worker *w, const struct qdb_hdr *hdr,
                    const uint8_t *data)
{
    const struct qdb_entry *e = qdb_store_find(w->store, hdr->path);

    if (e && e->owner == QDB_OWNER_DOM0) {
        qdb_store_queue(w->store, QUEUE_VM, hdr->path);
        qdb_link_answer(w->link, QDB_R_OK, hdr->path);
        return 0;
    }
    int r =
        qdb_store_set(w->store, hdr->path, data, hdr->len, QDB_OWNER_VM, NULL);
    if (r == -ENOSPC || r == -EDQUOT) {
        refuse(w, r == -ENOSPC ? QDB_REFUSED_ENTRIES : QDB_REFUSED_BYTES);
        qdb_link_answer(w->link, QDB_R_ERROR, hdr->path);
        return 0;
    }
    if (r < 0)
        return r;
    qdb_store_known(w->store, QUEUE_VM, hdr->path, true);
    if (qdb_status_path(hdr->path))
        qdb_store_queue(w->store, QUEUE_UP, hdr->path);
    qdb_link_answer(w->link, QDB_R_OK, hdr->path);
    return 0;
}

static void vm_rm(struct qdb_worker *w, const struct qdb_entry *e)
{
    char path[QDB_PATH_MAX];

    memcpy(path, e->path, sizeof(path));
    if (e->owner == QDB_OWNER_DOM0) {
        qdb_store_queue(w->store, QUEUE_VM, path);
        return;
    }
    qdb_store_known(w->store, QUEUE_VM, path, false);
    qdb_store_rm(w->store, path);
}

static int vm_copy(struct qdb_worker *w)
{
    if (w->copy_wanted)
        return -EPROTO;
    w->copy_wanted = true;
    copy_if_ready(w);
    return 0;
}

static int on_message(const struct qdb_hdr *hdr, const uint8_t *data, void *arg)
{
    struct qdb_worker *w = arg;
    bool request = hdr->type == QDB_WRITE || hdr->type == QDB_RM ||
                   hdr->type == QDB_MULTIREAD;

    /* Answers cost nothing: there are no more of them than we asked for. */
    if (!request)
        return qdb_link_answered(w->link);
    if (!bucket_has(&w->requests)) {
        if (!w->paused)
            refuse(w, QDB_REFUSED_RATE);
        w->paused = true;
        return -EAGAIN;
    }
    bucket_take(&w->requests);
    w->paused = false;
    if (hdr->type == QDB_MULTIREAD)
        return vm_copy(w);
    if (hdr->type == QDB_WRITE)
        return vm_write(w, hdr, data);
    /* Also a key that is not there: both sides agree that it is gone. */
    for_path(w, hdr->path, vm_rm);
    /* A dead entry the VM has not been told of yet it has now removed. */
    if (!qdb_store_find(w->store, hdr->path))
        qdb_store_known(w->store, QUEUE_VM, hdr->path, false);
    qdb_link_answer(w->link, QDB_R_OK, hdr->path);
    return 0;
}

int qdb_worker_step(struct qdb_worker *w, uint64_t now_ms)
{
    bucket_fill(&w->requests, now_ms);
    return qdb_link_step(w->link);
}

enum qdb_refused qdb_worker_reason(int err)
{
    switch (err) {
    case -EMSGSIZE:
        return QDB_REFUSED_SIZE;
    case -EPROTO:
        return QDB_REFUSED_STATE;
    default:
        return QDB_REFUSED_FORMAT;
    }
}

/* ---- to sysqubed ---- */

/* The report of a refusal that is due. That sysqubed's own keys were refused
 * is told at once, before the VM's word on what it was given of them. */
static bool up_refused(struct qdb_worker *w, uint64_t now_ms,
                       struct qdb_rec_up *ret)
{
    if (now_ms < w->report_at_ms &&
        (w->desired_said || !w->refused[QDB_REFUSED_DESIRED]))
        return false;
    for (int i = 1; i < REASONS; i++) {
        if (w->refused[i] == 0)
            continue;
        w->up_reason = (enum qdb_refused)i;
        w->up_is_refused = true;
        qdb_rec_refused(ret, w->up_reason, w->refused[i]);
        return true;
    }
    w->report_at_ms = now_ms + QDB_WORKER_REPORT_MS;
    w->desired_said = false;
    return false;
}

/* The next status that can be said; others are counted and passed over. */
static bool up_status(struct qdb_worker *w, struct qdb_rec_up *ret)
{
    const struct qdb_entry *e;

    if (!bucket_has(&w->ups))
        return false;
    while ((e = qdb_store_head(w->store, QUEUE_UP))) {
        w->up_is_queued = true;
        if (e->dead)
            return qdb_rec_status_rm(ret, e->path) == 0;
        if (qdb_rec_status(ret, e->path, e->value, e->len) == 0)
            return true;
        /* Not fit to be shown; sysqubed must not keep an older value. */
        refuse(w, QDB_REFUSED_STATUS);
        if (e->known & 1u << QUEUE_UP)
            return qdb_rec_status_rm(ret, e->path) == 0;
        char path[QDB_PATH_MAX];
        memcpy(path, e->path, sizeof(path));
        qdb_store_known(w->store, QUEUE_UP, path, false);
    }
    w->up_is_queued = false;
    return false;
}

bool qdb_worker_up(struct qdb_worker *w, uint64_t now_ms,
                   struct qdb_rec_up *ret)
{
    w->up_is_queued = w->up_is_refused = w->up_is_connected = false;
    bucket_fill(&w->ups, now_ms);
    if (!w->connected_said && qdb_link_is_live(w->link)) {
        w->up_is_connected = true;
        qdb_rec_connected(ret);
        return true;
    }
    return up_refused(w, now_ms, ret) || up_status(w, ret);
}

void qdb_worker_up_done(struct qdb_worker *w)
{
    if (w->up_is_connected)
        w->connected_said = true;
    if (w->up_is_refused) {
        w->refused[w->up_reason] = 0;
        w->desired_said |= w->up_reason == QDB_REFUSED_DESIRED;
    }
    if (!w->up_is_queued)
        return;
    const struct qdb_entry *e = qdb_store_head(w->store, QUEUE_UP);
    struct qdb_rec_up scratch;
    char path[QDB_PATH_MAX];
    bucket_take(&w->ups);
    if (!e)
        return;
    memcpy(path, e->path, sizeof(path));
    bool shown =
        !e->dead && qdb_rec_status(&scratch, path, e->value, e->len) == 0;
    if (e->dead || shown)
        qdb_store_pop(w->store, QUEUE_UP);
    else
        qdb_store_known(w->store, QUEUE_UP, path, false);
}

static uint32_t sooner(uint32_t a, uint32_t b)
{
    if (a == 0 || b == 0)
        return a ? a : b;
    return a < b ? a : b;
}

uint32_t qdb_worker_wait_ms(const struct qdb_worker *w, uint64_t now_ms)
{
    uint32_t wait = 0;

    if (w->paused)
        wait = sooner(wait, bucket_wait(&w->requests) + 1);
    if (qdb_store_head(w->store, QUEUE_UP))
        wait = sooner(wait, bucket_wait(&w->ups) + 1);
    for (int i = 1; i < REASONS; i++)
        if (w->refused[i] > 0 && w->report_at_ms > now_ms)
            wait = sooner(wait, (uint32_t)(w->report_at_ms - now_ms));
    return wait;
}
