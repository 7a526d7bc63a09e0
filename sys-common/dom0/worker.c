/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysqubed's side of a worker. effect. See worker.h. */
#include "dom0/worker.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/privsep.h"
#include "qubesdb/qdb_record.h"

#define SIGNALS "/qubes-firewall/"

struct item {
    enum qdb_rec_type type;
    char path[QDB_REC_PATH];
    char *val; /* owned; NULL for none */
};

struct worker {
    struct loop *loop;
    struct worker_args a;
    char name[CONFIG_NAME_MAX];
    char dir[CONFIG_PATH_MAX + 64];
    char root[CONFIG_PATH_MAX + 64];
    int fd;
    pid_t pid;
    struct loop_io *io;
    struct loop_timer *again;
    uint32_t backoff_ms;
    bool connected, synced;
    uint64_t connected_ms; /* when it became so */
    unsigned starts;       /* of the process; 2: more than one */
    struct keyset want;    /* the desired state */
    struct keyset status;  /* the VM's words */
    bool status_full;      /* said so once */
    uint64_t last_push;    /* worker_pushed() */
    struct keyset pushes;  /* of each signal key; the last number as text */
    bool cut;              /* it had no room for all of `want` */
    struct item *queue;    /* not yet sent */
    size_t q_first, q_n, q_cap;
    char trouble[128];
};

static void queue_clear(struct worker *w)
{
    for (size_t i = w->q_first; i < w->q_n; i++)
        free(w->queue[i].val);
    free(w->queue);
    w->queue = NULL;
    w->q_first = w->q_n = w->q_cap = 0;
}

static int queue_add(struct worker *w, enum qdb_rec_type type, const char *path,
                     const char *val)
{
    struct item *it;

    if (w->q_n == w->q_cap) {
        size_t cap = w->q_cap ? w->q_cap * 2 : 64;
        struct item *v = realloc(w->queue, cap * sizeof(*v));

        if (!v)
            return -ENOMEM;
        w->queue = v;
        w->q_cap = cap;
    }
    it = &w->queue[w->q_n];
    *it = (struct item){.type = type};
    if (val) {
        it->val = strdup(val);
        if (!it->val)
            return -ENOMEM;
    }
    snprintf(it->path, sizeof(it->path), "%s", path);
    w->q_n++;
    return 0;
}

static void stop_process(struct worker *w)
{
    loop_io_free(w->io);
    w->io = NULL;
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    if (w->pid > 0) {
        kill(w->pid, SIGKILL);
        while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    w->pid = 0;
    w->connected = w->synced = w->cut = false;
    queue_clear(w);
    keyset_free(&w->status);
    w->status_full = false;
}

static void start_later(struct worker *w, const char *why)
{
    snprintf(w->trouble, sizeof(w->trouble), "%s", why);
    log_warn("%s: QubesDB worker: %s; again in %u ms", w->a.name, why,
             w->backoff_ms);
    stop_process(w);
    (void)loop_timer_start(w->again, w->backoff_ms);
    w->backoff_ms = w->backoff_ms * 2 > WORKER_BACKOFF_MAX_MS
                        ? WORKER_BACKOFF_MAX_MS
                        : w->backoff_ms * 2;
    w->a.changed(w->a.arg);
}

/* ---- down ---- */

static int send_item(struct worker *w, const struct item *it)
{
    struct qdb_rec_down rec;
    int r = 0;

    if (it->type == QDB_REC_SET)
        r = qdb_rec_set(&rec, it->path, it->val, strlen(it->val));
    else if (it->type == QDB_REC_RM)
        r = qdb_rec_rm(&rec, it->path);
    else
        qdb_rec_down_plain(&rec, it->type);
    if (r) {
        log_err("%s: key %s: %s", w->a.name, it->path, err_text(r));
        return 0; /* our own mistake; the other keys still count */
    }
    return privsep_send(w->fd, &rec, sizeof(rec));
}

static void flush(struct worker *w)
{
    int r = 0;

    while (w->fd >= 0 && w->q_first < w->q_n) {
        r = send_item(w, &w->queue[w->q_first]);
        if (r)
            break;
        free(w->queue[w->q_first++].val);
    }
    if (w->fd < 0)
        return;
    if (w->q_first == w->q_n)
        queue_clear(w);
    if (r && r != -EAGAIN && r != -ENOBUFS) {
        start_later(w, "it does not take its keys");
        return;
    }
    (void)loop_io_events(w->io, LOOP_READ | (r ? LOOP_WRITE : 0));
}

/* The next number for a signal key; other keys keep their value.
 * @return the value to write; NULL: no memory */
static const char *push_number(struct worker *w, enum key_op op,
                               const char *path, const char *val)
{
    if (op != KEY_OP_SET || strncmp(path, SIGNALS, sizeof(SIGNALS) - 1) ||
        strchr(path + sizeof(SIGNALS) - 1, '/'))
        return val ? val : "";
    keyset_del(&w->pushes, path);
    if (keyset_add(&w->pushes, path, "%" PRIu64, ++w->last_push))
        return NULL;
    keyset_sort(&w->pushes);
    return keyset_get(&w->pushes, path);
}

static int count_op(enum key_op op, const char *path, const char *val,
                    void *arg)
{
    return push_number(arg, op, path, val) ? 0 : -ENOMEM;
}

static int queue_op(enum key_op op, const char *path, const char *val,
                    void *arg)
{
    const char *text = push_number(arg, op, path, val);

    if (!text)
        return -ENOMEM;
    if (op == KEY_OP_RM)
        return queue_add(arg, QDB_REC_RM, path, NULL);
    return queue_add(arg, QDB_REC_SET, path, text);
}

static int queue_all(struct worker *w)
{
    static const struct keyset none = {0};
    int r = keys_diff(&none, &w->want, queue_op, w);

    r = r ? r : queue_add(w, QDB_REC_SYNCED, "", NULL);
    w->synced = !r;
    return r;
}

/* Sets only: what was left out is not told apart from what is there. */
static int queue_set(enum key_op op, const char *path, const char *val,
                     void *arg)
{
    return op == KEY_OP_SET ? queue_op(op, path, val, arg) : 0;
}

int worker_apply(struct worker *w, struct keyset *now)
{
    static const struct keyset none = {0};
    int r = 0;

    r = keys_diff(&w->want, now, w->fd >= 0 && w->synced ? queue_op : count_op,
                  w);
    if (!r && w->cut && now->n < w->want.n && w->fd >= 0 && w->synced) {
        w->cut = false; /* unless it says so again */
        r = keys_diff(&none, now, queue_set, w);
    }
    keyset_free(&w->want);
    w->want = *now;
    *now = (struct keyset){0};
    if (!r && w->fd >= 0 && !w->synced)
        r = queue_all(w);
    if (r)
        start_later(w, "out of memory");
    else
        flush(w);
    return r;
}

int worker_signal(struct worker *w, const char *path)
{
    const char *val = keyset_get(&w->want, path);
    int r = 0;

    if (val)
        r = w->fd >= 0 && w->synced ? queue_op(KEY_OP_SET, path, val, w)
                                    : count_op(KEY_OP_SET, path, val, w);
    flush(w);
    return r;
}

/* ---- up ---- */

static size_t status_bytes(const struct keyset *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        n += strlen(s->v[i].path) + strlen(s->v[i].val);
    return n;
}

static void take_status(struct worker *w, const struct qdb_rec_up *rec)
{
    keyset_del(&w->status, rec->path);
    if (rec->type == QDB_REC_STATUS_RM)
        return;
    if (w->status.n >= WORKER_STATUS_MAX ||
        status_bytes(&w->status) + strlen(rec->path) + strlen(rec->value) >
            WORKER_STATUS_BYTES) {
        if (!w->status_full)
            log_warn("%s: too many status keys; more are not kept", w->a.name);
        w->status_full = true;
        return;
    }
    if (!keyset_add(&w->status, rec->path, "%s", rec->value))
        keyset_sort(&w->status);
}

/* False when the worker is finished. */
static bool take_record(struct worker *w, const struct qdb_rec_up *untrusted)
{
    if (qdb_rec_up_check(untrusted)) {
        start_later(w, "it sent a malformed record");
        return false;
    }
    switch (untrusted->type) {
    case QDB_REC_CONNECTED:
        w->connected = true;
        w->connected_ms = io_now_ms();
        w->backoff_ms = WORKER_BACKOFF_MIN_MS;
        w->trouble[0] = 0;
        return true;
    case QDB_REC_CLOSED:
        start_later(w, qdb_closed_text(untrusted->reason));
        return false;
    case QDB_REC_REFUSED:
        w->cut |= untrusted->reason == QDB_REFUSED_DESIRED;
        snprintf(w->trouble, sizeof(w->trouble), "refused: %s",
                 qdb_refused_text(untrusted->reason));
        log_warn("%s: QubesDB: %s (%u times)", w->a.name, w->trouble,
                 untrusted->count);
        return true;
    default:
        take_status(w, untrusted);
        return true;
    }
}

static void on_worker(int fd, unsigned events, void *arg)
{
    struct worker *w = arg;
    struct qdb_rec_up rec;
    bool any = false;

    if (events & LOOP_WRITE)
        flush(w);
    for (int i = 0; w->fd == fd && i < WORKER_RECORDS_PER_TURN; i++) {
        int r = privsep_recv(fd, &rec, sizeof(rec));

        if (r == -EAGAIN)
            break;
        if (r) {
            start_later(w, r == -ECONNRESET ? "it ended" : "its socket failed");
            return;
        }
        any = true;
        if (!take_record(w, &rec))
            return;
    }
    if (any)
        w->a.changed(w->a.arg);
}

/* ---- life ---- */

static int start(struct worker *w)
{
    char domid[16], uid[16];
    char *argv[] = {(char[]){"sysqube-qdb"},
                    (char[]){"--domid"},
                    domid,
                    (char[]){"--uid"},
                    uid,
                    (char[]){"--root"},
                    w->root,
                    (char[]){"--body"},
                    (char[]){"unix"},
                    (char[]){"--dir"},
                    w->dir,
                    NULL};
    char xen[] = "xen";
    int r;

    snprintf(domid, sizeof(domid), "%u", w->a.domid);
    snprintf(uid, sizeof(uid), "%u", (unsigned)qdb_worker_uid(w->a.domid));
    if (!w->a.dir) {
        argv[8] = xen;
        argv[9] = NULL;
    }
    r = privsep_spawn(w->a.exe, argv, &w->fd, &w->pid);
    if (r)
        return r;
    w->starts += w->starts < 2;
    return loop_io_new(w->loop, w->fd, LOOP_READ, on_worker, w, &w->io);
}

static void on_again(void *arg)
{
    struct worker *w = arg;
    int r;

    w->a.clean(w->a.arg);
    r = start(w);
    r = r ? r : queue_all(w);
    if (r)
        start_later(w, err_text(r));
    else
        flush(w);
}

int worker_new(struct loop *loop, const struct worker_args *a,
               struct worker **ret)
{
    struct worker *w = calloc(1, sizeof(*w));
    int r;

    if (!w)
        return -ENOMEM;
    w->loop = loop;
    w->a = *a;
    snprintf(w->name, sizeof(w->name), "%s", a->name);
    w->a.name = w->name;
    snprintf(w->root, sizeof(w->root), "%s", a->root);
    w->a.root = w->root;
    w->fd = -1;
    w->backoff_ms = WORKER_BACKOFF_MIN_MS;
    if (a->dir) {
        snprintf(w->dir, sizeof(w->dir), "%s", a->dir);
        w->a.dir = w->dir;
    }
    r = loop_timer_new(loop, on_again, w, &w->again);
    if (!r && access(a->exe, X_OK))
        r = err_last();
    r = r ? r : start(w);
    if (r) {
        worker_free(w);
        return r;
    }
    *ret = w;
    return 0;
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    stop_process(w);
    loop_timer_free(w->again);
    keyset_free(&w->want);
    keyset_free(&w->pushes);
    free(w);
}

uint64_t worker_pushed(const struct worker *w, const char *ip)
{
    char path[QDB_REC_PATH + sizeof(SIGNALS)];
    const char *val;
    uint64_t n = 0;

    snprintf(path, sizeof(path), SIGNALS "%.63s", ip);
    val = keyset_get(&w->pushes, path);
    if (val)
        (void)parse_u64(text_of(val), 0, UINT64_MAX, &n);
    return n;
}

bool worker_handled(const struct worker *w, const char *ip, uint64_t push)
{
    char path[QDB_REC_PATH + 32];
    const char *val;
    uint64_t n;

    snprintf(path, sizeof(path), "/sysqube-status/firewall/%.63s", ip);
    if (!keyset_get(&w->status, path))
        return false;
    snprintf(path, sizeof(path), "/qubes-firewall-handled/%.63s", ip);
    val = keyset_get(&w->status, path);
    return val && !parse_u64(text_of(val), 0, UINT64_MAX, &n) && n >= push;
}

bool worker_connected(const struct worker *w)
{
    return w->connected;
}

bool worker_settled(const struct worker *w, uint64_t now_ms, uint32_t ms)
{
    return w->connected && (w->starts == 1 || now_ms - w->connected_ms >= ms);
}

const struct keyset *worker_status(const struct worker *w)
{
    return &w->status;
}

bool worker_cut(const struct worker *w)
{
    return w->cut;
}

const struct keyset *worker_desired(const struct worker *w)
{
    return &w->want;
}

pid_t worker_pid(const struct worker *w)
{
    return w->pid;
}

const char *worker_trouble(const struct worker *w)
{
    return w->trouble;
}
