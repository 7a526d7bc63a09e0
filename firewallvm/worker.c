/* SPDX-License-Identifier: GPL-2.0-or-later */
/* firewallvmd's worker: keys of QubesDB to records for the monitor, answers
 * to status keys. glue. Fed by dom0's keys; runs as uid 105 without any
 * capability, in an empty root, with no new descriptor but the two it has.
 * Changes nothing in the kernel itself. */
#include "firewallvm/worker.h"

#include <stdlib.h>
#include <string.h>

#include "firewallvm/monitor.h"
#include "firewallvm/source_set.h"
#include "firewallvm/wall_clock.h"
#include "firewallvm/worker_names.h"
#include "firewallvm/worker_priv.h"
#include "firewallvm/worker_qdb.h"
#include "firewallvm/worker_see.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/privsep.h"
#include "lib/sandbox.h"

#define WORKER_UID 105
#define QDB_WAIT_MS 120000
#define WORKER_MEMORY (64ull << 20)

struct worker {
    struct qdb *qdb;
    struct loop *loop;
    struct loop_io *io;
    struct loop_timer *timer;
    struct loop_io *clock_io, *monitor_io;
    int clock_fd;       /* wall_clock_new() */
    uint64_t clock_for; /* what it is set to */
    struct fw_dns dns;
    bool snat;
    bool dns_dirty, snat_dirty;
    bool paths_dirty[FW_PATH_KINDS];
    bool names_dirty; /* their times */
    bool starting;    /* the first whole state is not yet sent */
    struct worker_names *names;
    struct source_set sources;
    struct worker_see *see;
};

/* Read a list as it is now, and when it has to be read again. */
static int read_list(struct worker *w, struct source *s,
                     struct rule_source *ret, bool *ret_gone)
{
    int r;

    rule_source_init(ret, s->addr.family, wall_clock_now());
    r = worker_qdb_list(w->qdb, s, ret, ret_gone);
    s->timed = ret->timed;
    s->expire_s = ret->next_expire_s;
    return r;
}

/* ---- start: the first whole state ---- */
struct start_report {
    size_t rules; /* of all lists so far */
    char status[SOURCES_MAX][RULE_SOURCE_STATUS_MAX];
};

/* The monitor takes no more, and at the start it has no answer for each
 * list: the one that has no room is blocked, the others are not. */
static void start_room(struct start_report *rep, struct rule_source *list)
{
    if (!list->reason && list->n > MONITOR_RULES_MAX - rep->rules) {
        list->reason = "too many rules of all sources";
        strcpy(list->where, "kernel");
    }
    if (!list->reason)
        rep->rules += list->n;
}

static int start_list(struct worker *w, struct source *s,
                      struct start_report *rep, char *status)
{
    struct rule_source list;
    bool gone;
    int r = read_list(w, s, &list, &gone);

    start_room(rep, &list);
    if (r == 0) {
        worker_names_take(w->names, s, &list);
        r = worker_names_send(w->names, PRIVSEP_CHILD_FD, s, &list, false);
    }
    if (r == 0)
        r = priv_send_list(PRIVSEP_CHILD_FD, &s->addr, &list);
    rule_source_status(&list, s->unresolved, status);
    rule_source_free(&list);
    s->dirty = false;
    s->known = true;
    return r;
}

static int send_paths(struct worker *w, enum fw_path_kind kind)
{
    struct fw_path *v;
    size_t n;
    int r = worker_qdb_paths(w->qdb, kind, &v, &n);

    if (r < 0)
        return r;
    r = priv_send_paths(PRIVSEP_CHILD_FD, kind, v, n);
    free(v);
    return r;
}

static int start_send(struct worker *w, struct start_report *rep)
{
    struct record rec = {.type = RECORD_DNS, .dns = w->dns};
    size_t i;
    int r = priv_send(PRIVSEP_CHILD_FD, &rec);

    if (r == 0) {
        rec = (struct record){.type = RECORD_SNAT, .on = w->snat};
        r = priv_send(PRIVSEP_CHILD_FD, &rec);
    }
    if (r == 0)
        r = send_paths(w, FW_PATH_INBOUND);
    if (r == 0)
        r = send_paths(w, FW_PATH_EDGE);
    for (i = 0; i < w->sources.n && r == 0; i++)
        r = start_list(w, &w->sources.v[i], rep, rep->status[i]);
    if (r == 0) {
        rec = (struct record){.type = RECORD_READY,
                              .count = (uint32_t)w->sources.n};
        r = priv_send(PRIVSEP_CHILD_FD, &rec);
    }
    if (r == 0)
        r = priv_answer(PRIVSEP_CHILD_FD, &rec);
    if (r == 0 && rec.type != RECORD_SYNCED)
        r = -EPROTO;
    return r;
}

static int handle_names(struct worker *w)
{
    struct names_config config;
    int r = worker_qdb_names_config(w->qdb, &config);

    w->names_dirty = false;
    if (r == 0)
        worker_names_configure(w->names, &config);
    return r;
}

/* Names are asked for before the first whole state is sent, so that a
 * restart ends no flow which they allow; packets keep the lists they have
 * meanwhile. */
static int wait_names(struct worker *w)
{
    uint64_t end_ms = io_now_ms() + WORKER_NAMES_START_MS, now_ms;
    struct rule_source list;
    size_t i;
    bool gone;
    int r = 0;

    worker_names_servers(w->names, &w->dns);
    for (i = 0; i < w->sources.n && r == 0; i++) {
        r = read_list(w, &w->sources.v[i], &list, &gone);
        worker_names_take(w->names, &w->sources.v[i], &list);
        rule_source_free(&list);
    }
    while (r == 0 && !worker_names_settled(w->names) &&
           (now_ms = io_now_ms()) < end_ms) {
        loop_timer_start(w->timer, (uint32_t)(end_ms - now_ms));
        r = loop_run(w->loop) == 0 ? 0 : -ECONNRESET;
    }
    return r;
}

static int start(struct worker *w)
{
    CLEANUP_FREE struct start_report *rep = calloc(1, sizeof(*rep));
    size_t i;
    int r = rep ? 0 : -ENOMEM;

    if (r == 0)
        r = worker_qdb_watch(w->qdb);
    if (r == 0)
        r = worker_qdb_dns(w->qdb, &w->dns);
    if (r == 0)
        r = worker_qdb_snat(w->qdb, &w->snat);
    if (r == 0)
        r = handle_names(w);
    if (r == 0)
        r = worker_qdb_scan(w->qdb, &w->sources);
    w->starting = true;
    if (r == 0)
        r = wait_names(w);
    if (r == 0)
        r = start_send(w, rep);
    w->starting = false;
    if (r == 0)
        r = worker_qdb_tidy(w->qdb, &w->sources);
    if (r == 0)
        r = worker_names_tidy(w->names, w->qdb, NULL);
    for (i = 0; i < w->sources.n && r == 0; i++)
        r = worker_qdb_report(w->qdb, &w->sources.v[i], rep->status[i], true);
    if (r == 0)
        r = worker_see_start(w->see);
    if (r == 0)
        log_info("started: %zu sources", w->sources.n);
    return r;
}

/* ---- changes ---- */
static int drain(struct worker *w)
{
    char path[QDB_PATH_MAX];
    uint64_t now_ms = io_now_ms();
    int r;

    while ((r = qdb_next_event(w->qdb, path)) == 1) {
        if (strcmp(path, KEY_DNS1) == 0 || strcmp(path, KEY_DNS2) == 0 ||
            strcmp(path, KEY_DNS6) == 0)
            w->dns_dirty = true;
        else if (strcmp(path, KEY_SNAT) == 0)
            w->snat_dirty = true;
        else if (strcmp(path, KEY_NAMES) == 0)
            w->names_dirty = true;
        else if (strcmp(path, KEY_INBOUND) == 0)
            w->paths_dirty[FW_PATH_INBOUND] = true;
        else if (strcmp(path, KEY_EDGE) == 0)
            w->paths_dirty[FW_PATH_EDGE] = true;
        else if (strcmp(path, KEY_WATCH) == 0)
            worker_see_watch(w->see);
        else if (!source_set_event(&w->sources, path, now_ms))
            log_warn("%s: no source", path);
    }
    return r;
}

/* Ask the monitor and hear that it was done for this source. */
static int ask(const struct source *s, struct record *ret)
{
    int r = priv_answer(PRIVSEP_CHILD_FD, ret);

    if (r < 0)
        return r;
    if ((ret->type != RECORD_APPLIED && ret->type != RECORD_FAILED) ||
        !ipaddr_eq(&ret->addr, &s->addr))
        return -EPROTO;
    return 0;
}

static int remove_source(struct worker *w, struct source *s)
{
    struct record rec = {.type = RECORD_REMOVE, .addr = s->addr};
    int r = 0;

    if (s->known) {
        r = priv_send(PRIVSEP_CHILD_FD, &rec);
        if (r == 0)
            r = ask(s, &rec);
    }
    if (r == 0) {
        log_info("%s: gone", s->text);
        worker_names_forget(w->names, s);
        r = worker_see_forget(w->see, s);
        if (r == 0)
            r = worker_names_watch(w->names, PRIVSEP_CHILD_FD, s, true);
    }
    if (r == 0)
        r = worker_qdb_forget(w->qdb, s->text);
    if (r == 0 && s->named)
        r = worker_names_tidy(w->names, w->qdb, s);
    if (r == 0)
        source_set_del(&w->sources, s);
    return r;
}

static int apply_list(struct worker *w, struct source *s,
                      struct rule_source *list, bool asked)
{
    char status[RULE_SOURCE_STATUS_MAX];
    bool was_named = s->named;
    struct record rec;
    int r;

    worker_names_take(w->names, s, list);
    r = worker_names_send(w->names, PRIVSEP_CHILD_FD, s, list, true);
    if (r == 0)
        r = priv_send_list(PRIVSEP_CHILD_FD, &s->addr, list);
    if (r == 0)
        r = ask(s, &rec);
    if (r < 0)
        return r;
    s->known = true;
    if (rec.type == RECORD_FAILED) {
        list->reason = err_text((int)rec.count);
        strcpy(list->where, "kernel");
        worker_names_forget(w->names, s);
        r = worker_names_watch(w->names, PRIVSEP_CHILD_FD, s, true);
        if (r < 0)
            return r;
    }
    rule_source_status(list, s->unresolved, status);
    log_info("%s: %s", s->text, status);
    if (was_named)
        r = worker_names_tidy(w->names, w->qdb, s);
    return r < 0 ? r : worker_qdb_report(w->qdb, s, status, asked);
}

/* Read the source and act, unless its keys are being written again. */
static int handle_source(struct worker *w, struct source *s)
{
    struct rule_source list;
    bool gone = false, asked = s->dirty;
    int r;

    s->dirty = false;
    s->lapsed = false;
    s->flux = false;
    r = read_list(w, s, &list, &gone);
    if (r == 0)
        r = drain(w);
    if (r == 0 && (s->dirty || s->flux)) {
        s->dirty = s->dirty || asked;
        s->lapsed = true;
    } else if (r == 0 && gone)
        r = remove_source(w, s);
    else if (r == 0)
        r = apply_list(w, s, &list, asked);
    rule_source_free(&list);
    return r;
}

/* What concerns no source alone is answered without an address. */
static int hear_applied(void)
{
    struct record rec;
    int r = priv_answer(PRIVSEP_CHILD_FD, &rec);

    return r == 0 && rec.type != RECORD_APPLIED ? -EPROTO : r;
}

static int handle_dns(struct worker *w)
{
    struct record rec = {.type = RECORD_DNS};
    struct fw_dns old = w->dns;
    size_t i;
    int r;

    w->dns_dirty = false;
    r = worker_qdb_dns(w->qdb, &w->dns);
    if (r < 0 || memcmp(&old, &w->dns, sizeof(old)) == 0)
        return r;
    rec.dns = w->dns;
    r = priv_send(PRIVSEP_CHILD_FD, &rec);
    if (r == 0)
        r = hear_applied();
    worker_names_servers(w->names, &w->dns);
    /* Flows to a former resolver end as the lists are judged again. */
    for (i = 0; i < w->sources.n; i++)
        w->sources.v[i].dirty = w->sources.v[i].dirty || w->sources.v[i].known;
    return r;
}

static int handle_snat(struct worker *w)
{
    struct record rec = {.type = RECORD_SNAT};
    int r = worker_qdb_snat(w->qdb, &rec.on);

    w->snat_dirty = false;
    if (r < 0 || rec.on == w->snat)
        return r;
    w->snat = rec.on;
    log_info("masquerade %s", w->snat ? "on" : "off");
    r = priv_send(PRIVSEP_CHILD_FD, &rec);
    return r == 0 ? hear_applied() : r;
}

static int handle_paths(struct worker *w)
{
    static const char *const names[] = {
        [FW_PATH_INBOUND] = "inbound paths", [FW_PATH_EDGE] = "edges"};
    unsigned kind;
    int r = 0;

    for (kind = 0; kind < FW_PATH_KINDS && r == 0; kind++) {
        if (!w->paths_dirty[kind])
            continue;
        w->paths_dirty[kind] = false;
        r = send_paths(w, (enum fw_path_kind)kind);
        if (r == 0)
            r = hear_applied();
        if (r == 0)
            log_info("%s applied", names[kind]);
    }
    return r;
}

/* Mark what has ended by now, and ask to be woken for what ends next. */
static int keep_time(struct worker *w)
{
    uint64_t next;
    int r = wall_clock_read(w->clock_fd);

    if (r < 0 && r != -ECANCELED)
        return r;
    source_set_lapse(&w->sources, wall_clock_now(), r == -ECANCELED);
    next = source_set_expire(&w->sources);
    if (r == 0 && next == w->clock_for)
        return 0;
    w->clock_for = next;
    return wall_clock_set(w->clock_fd, next);
}

/* Come back after so long; 0 asks for nothing. */
static uint32_t sooner(uint32_t a_ms, uint32_t b_ms)
{
    return a_ms == 0 || (b_ms > 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static void work(struct worker *w)
{
    struct source *s;
    uint32_t wait_ms;
    int r = drain(w);

    if (w->starting) {
        loop_stop(w->loop, r < 0 ? 1 : 0);
        return;
    }
    if (r == 0)
        r = keep_time(w);
    if (r == 0)
        r = worker_names_run(w->names, PRIVSEP_CHILD_FD, w->qdb, &w->sources);
    if (r == 0 && w->snat_dirty)
        r = handle_snat(w);
    if (r == 0 && w->dns_dirty)
        r = handle_dns(w);
    if (r == 0 && w->names_dirty)
        r = handle_names(w);
    if (r == 0)
        r = handle_paths(w);
    /* One source a turn, so that the loop stays awake. */
    s = r == 0 ? source_set_next(&w->sources, io_now_ms()) : NULL;
    if (s)
        r = handle_source(w, s);
    if (s && r == 0)
        r = worker_names_run(w->names, PRIVSEP_CHILD_FD, w->qdb, &w->sources);
    if (r == 0)
        r = keep_time(w); /* what was just read may end at another time */
    if (r < 0) {
        log_err("worker ends: %s", err_text(r));
        loop_stop(w->loop, 1);
        return;
    }
    wait_ms = source_set_wait_ms(&w->sources, io_now_ms());
    if (wait_ms == 0 && (w->dns_dirty || w->snat_dirty))
        wait_ms = 1;
    wait_ms = sooner(wait_ms, worker_names_wait_ms(w->names));
    if (wait_ms > 0)
        loop_timer_start(w->timer, wait_ms);
}

static void on_names(void *arg, int r)
{
    struct worker *w = arg;

    if (r == 0) {
        work(w);
        return;
    }
    log_err("resolver gone: %s", err_text(r));
    loop_stop(w->loop, 1);
}

static void on_qdb(int fd, unsigned events, void *arg)
{
    (void)fd;
    (void)events;
    work(arg);
}

/* Answers are read where they are waited for: what comes here is the
 * monitor's end, or a mistake of its. (The kernel's signal at a parent's end
 * does not reach another user.) */
static void on_monitor(int fd, unsigned events, void *arg)
{
    struct worker *w = arg;
    uint8_t bytes[RECORD_BYTES];
    int r = privsep_recv(fd, bytes, sizeof(bytes));

    (void)events;
    if (r == -EAGAIN)
        return;
    log_err("worker ends: %s", err_text(r < 0 ? r : -EPROTO));
    loop_stop(w->loop, 1);
}

static void on_clock(int fd, unsigned events, void *arg)
{
    (void)fd;
    (void)events;
    work(arg);
}

static void on_timer(void *arg)
{
    work(arg);
}

/* The monitor's first message brings the queue of answers, if there is one,
 * for the resolver to read. */
static int start_names(struct worker *w)
{
    CLEANUP_FD int queue_fd = -1;
    int fd = -1;
    char hello;

    if (io_recv_fd(PRIVSEP_CHILD_FD, &hello, 1, &fd) != 1)
        return -EPROTO;
    queue_fd = fd;
    return worker_names_new(queue_fd, &w->names);
}

static int set_up(struct worker *w)
{
    static const struct sandbox SANDBOX = {
        .uid = WORKER_UID,
        .gid = WORKER_UID,
        .root = "/var/empty",
        .sys = SANDBOX_SYS_SOCKET,
        .max_memory = WORKER_MEMORY,
        .max_files = 16,
    };
    int r = qdb_open(NULL, QDB_WAIT_MS, &w->qdb);

    if (r < 0) {
        log_err("QubesDB: %s", err_text(r));
        return r;
    }
    r = start_names(w);
    if (r == 0)
        r = loop_new(&w->loop);
    if (r == 0)
        r = loop_timer_new(w->loop, on_timer, w, &w->timer);
    if (r == 0)
        r = loop_io_new(w->loop, qdb_fd(w->qdb), LOOP_READ, on_qdb, w, &w->io);
    if (r == 0)
        r = worker_names_attach(w->names, w->loop, on_names, w);
    if (r == 0)
        r = loop_io_new(w->loop, PRIVSEP_CHILD_FD, LOOP_READ, on_monitor, w,
                        &w->monitor_io);
    if (r == 0)
        r = wall_clock_new(&w->clock_fd);
    if (r == 0)
        r = loop_io_new(w->loop, w->clock_fd, LOOP_READ, on_clock, w,
                        &w->clock_io);
    if (r == 0)
        r = worker_see_new(w->loop, w->qdb, &w->sources, &w->see);
    if (r == 0)
        r = sandbox_enter(&SANDBOX);
    if (r < 0)
        log_err("set-up: %s", err_text(r));
    return r;
}

int worker_main(void)
{
    CLEANUP_FREE struct worker *w = calloc(1, sizeof(*w));
    int r = w ? set_up(w) : -ENOMEM;

    if (r == 0) {
        r = start(w);
        if (r < 0)
            log_err("start: %s", err_text(r));
    }
    if (r < 0)
        return 1;
    work(w);
    return loop_run(w->loop) == 0 ? 0 : 1;
}
