/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters and blocked packets to status keys. effect. See worker_see.h. */
#include "firewallvm/worker_see.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firewallvm/count_keys.h"
#include "firewallvm/log_main.h"
#include "firewallvm/log_record.h"
#include "firewallvm/monitor.h"
#include "firewallvm/wall_clock.h"
#include "firewallvm/worker_priv.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/privsep.h"

#define COUNT_TREE "/sysqube-status/firewall-count/"
#define LOG_TREE "/sysqube-status/firewall-log/"
#define PATH_ROOM 128 /* longer than a path may be, so that cuts show */
/* dom0 takes 50 status keys a second, of all its parts together. */
#define WATCHED_MS 1000
#define UNWATCHED_MS 10000
#define KEYS_A_ROUND 20
#define SOURCES_A_ROUND 64
#define EVENTS_A_SECOND 20

struct worker_see {
    struct loop *loop;
    struct qdb *qdb;
    const struct source_set *set;
    int log_fd;
    pid_t log_pid;
    struct loop_io *log_io;
    struct loop_timer *timer;
    bool started, watched, full_said;
    uint64_t seq;
    uint64_t second; /* in which ... */
    unsigned events; /* ... so many were written */
    struct count_keys *keys;
    size_t next;      /* source to begin the next round with, ... */
    size_t next_text; /* ... and which of its texts */
    struct fw_count counts[MONITOR_COUNTS_MAX + 1];
    struct count_texts texts;
};

/* @return 0; -errno that ends the worker. A key that has no room is left. */
static int put_key(struct worker_see *s, const char *path, const char *text)
{
    int r = strlen(path) < QDB_PATH_MAX
                ? qdb_write(s->qdb, path, text, strlen(text))
                : -ENAMETOOLONG;

    if (r == -ENAMETOOLONG || r == -ENOSPC || r == -EINVAL || r == -EPERM) {
        if (!s->full_said)
            log_warn("%s not written: %s; nor are others", path, err_text(r));
        s->full_said = true;
        return 0;
    }
    return r;
}

static int remove_key(struct worker_see *s, const char *path)
{
    int r = strlen(path) < QDB_PATH_MAX ? qdb_rm(s->qdb, path) : -ENOENT;

    return r == -ENOENT ? 0 : r;
}

static void end(struct worker_see *s, const char *what, int r)
{
    log_err("%s: %s", what, err_text(r));
    loop_stop(s->loop, 1);
}

/* ---- blocked packets ---- */

/* A qube's flood must not crowd out what else dom0 is to hear; what is left
 * out still takes a number, so that the gap shows. */
static int write_event(struct worker_see *s, struct fw_event *e)
{
    char path[PATH_ROOM], text[FW_EVENT_TEXT_MAX];
    uint64_t now_s = wall_clock_now(), second = io_now_ms() / 1000;

    e->seq = ++s->seq;
    e->epoch_s = now_s;
    if (second != s->second)
        s->events = 0;
    s->second = second;
    if (s->events >= EVENTS_A_SECOND || fw_event_check(e) < 0)
        return 0;
    s->events++;
    snprintf(path, sizeof(path), LOG_TREE "%02u",
             (unsigned)(e->seq % FW_EVENT_RING));
    fw_event_format(e, text);
    return put_key(s, path, text);
}

static void on_log(int fd, unsigned events, void *arg)
{
    struct worker_see *s = arg;
    uint8_t rec[LOG_RECORD_BYTES];
    struct fw_event e;
    int i, r = 0;

    (void)events;
    for (i = 0; i < EVENTS_A_SECOND && r == 0; i++) {
        r = privsep_recv(fd, rec, sizeof(rec));
        if (r == 0)
            r = log_record_decode(rec, &e);
        if (r == 0 && s->started)
            r = write_event(s, &e);
    }
    if (r < 0 && r != -EAGAIN)
        end(s, "log process", r);
}

static int last_seq(const char *path, const char *val, size_t len, void *arg)
{
    struct worker_see *s = arg;
    struct fw_event e;

    (void)path;
    if (fw_event_parse((struct text){val, len}, &e) == 0 && e.seq > s->seq &&
        e.seq < UINT64_MAX / 2)
        s->seq = e.seq;
    return 0;
}

/* ---- counters ---- */

static int ask_count(const struct ipaddr *addr)
{
    struct record rec = {.type = RECORD_COUNT};

    if (addr)
        rec.addr = *addr;
    return priv_send(PRIVSEP_CHILD_FD, &rec);
}

/* Answers up to COUNTED. */
static int take_counts(struct worker_see *s, struct fw_totals *ret,
                       size_t *ret_n)
{
    struct record rec;
    int r;

    *ret_n = 0;
    while ((r = priv_answer(PRIVSEP_CHILD_FD, &rec)) == 0) {
        if (rec.type == RECORD_COUNTED)
            return 0;
        if (rec.type == RECORD_TOTALS) {
            *ret = rec.totals;
            continue;
        }
        if (rec.type != RECORD_COUNTS_OF ||
            *ret_n + rec.count > MONITOR_COUNTS_MAX + 1)
            return -EPROTO;
        memcpy(&s->counts[*ret_n], rec.counts,
               rec.count * sizeof(rec.counts[0]));
        *ret_n += rec.count;
    }
    return r;
}

static void count_path(const char *source, size_t i, char path[PATH_ROOM])
{
    if (i == 0)
        snprintf(path, PATH_ROOM, COUNT_TREE "%s", source);
    else
        snprintf(path, PATH_ROOM, COUNT_TREE "%s/%02zu", source, i - 1);
}

/* What has changed, from text @p at on, as far as there is room this round.
 * @return the text to go on with, all of them if it is done; -errno */
static int write_counts(struct worker_see *s, const struct source *src,
                        size_t at, unsigned *io_room)
{
    const struct count_texts *t = &s->texts;
    char path[PATH_ROOM];
    size_t i;
    int r = 0;

    for (i = at; i<t->n && * io_room> 0; i++) {
        if (count_keys_is(s->keys, &src->addr, i, t->text[i]))
            continue;
        count_path(src->text, i, path);
        r = put_key(s, path, t->text[i]);
        if (r == 0)
            r = count_keys_wrote(s->keys, &src->addr, i, t->text[i]);
        if (r < 0)
            return r;
        --*io_room;
    }
    at = i;
    for (i = count_keys_n(s->keys, &src->addr); i > t->n && r == 0; i--) {
        count_path(src->text, i - 1, path);
        r = remove_key(s, path);
        count_keys_cut(s->keys, &src->addr, i - 1);
    }
    return r < 0 ? r : (int)at;
}

/* @return as write_counts(); 0: there is no more of this source */
static int count_source(struct worker_see *s, const struct source *src,
                        size_t at, unsigned *io_room)
{
    struct fw_totals totals = {0};
    size_t n;
    int r = ask_count(&src->addr);

    if (r == 0)
        r = take_counts(s, &totals, &n);
    if (r < 0)
        return r;
    count_texts_make(&totals, s->counts, n, &s->texts);
    r = write_counts(s, src, at, io_room);
    return r >= 0 && (size_t)r >= s->texts.n ? 0 : r;
}

/* Sources in turn; a round that has no more room goes on where it ended, so
 * that a long list keeps no other from being told. */
static int count_round(struct worker_see *s)
{
    unsigned room = KEYS_A_ROUND;
    struct fw_totals none;
    size_t i, n = s->set->n;
    int r = ask_count(NULL);

    if (r == 0)
        r = take_counts(s, &none, &i);
    for (i = 0; i < n && i < SOURCES_A_ROUND && room > 0 && r >= 0; i++) {
        const struct source *src;

        s->next %= n;
        src = &s->set->v[s->next];
        r = src->known ? count_source(s, src, s->next_text, &room) : 0;
        s->next_text = r > 0 ? (size_t)r : 0;
        if (r == 0)
            s->next++;
    }
    return r < 0 ? r : 0;
}

static int read_watch(struct worker_see *s)
{
    char val[8] = "";
    int r = qdb_read(s->qdb, KEY_WATCH, val, sizeof(val));

    if (r < 0 && r != -ENOENT && r != -ENOBUFS)
        return r;
    s->watched = strcmp(val, "1") == 0;
    return 0;
}

static void on_timer(void *arg)
{
    struct worker_see *s = arg;
    int r = read_watch(s);

    if (r == 0)
        r = count_round(s);
    if (r < 0)
        end(s, "counters", r);
    else
        loop_timer_start(s->timer, s->watched ? WATCHED_MS : UNWATCHED_MS);
}

void worker_see_watch(struct worker_see *s)
{
    loop_timer_start(s->timer, 0);
}

/* ---- life ---- */

static int start_log(struct worker_see *s)
{
    char name[] = "firewallvmd", role[] = LOG_ARG;
    char *const argv[] = {name, role, NULL};

    return privsep_spawn("/proc/self/exe", argv, &s->log_fd, &s->log_pid);
}

int worker_see_new(struct loop *loop, struct qdb *q,
                   const struct source_set *set, struct worker_see **ret)
{
    struct worker_see *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    s->loop = loop;
    s->qdb = q;
    s->set = set;
    r = count_keys_new(&s->keys);
    if (r == 0)
        r = start_log(s);
    if (r == 0)
        r = loop_io_new(loop, s->log_fd, LOOP_READ, on_log, s, &s->log_io);
    if (r == 0)
        r = loop_timer_new(loop, on_timer, s, &s->timer);
    *ret = s; /* lives as long as the process, which ends on an error */
    return r;
}

int worker_see_start(struct worker_see *s)
{
    int r = qdb_multiread(s->qdb, LOG_TREE, last_seq, s);

    if (r == 0)
        r = remove_key(s, COUNT_TREE);
    if (r == 0)
        r = qdb_watch(s->qdb, KEY_WATCH);
    s->started = true;
    worker_see_watch(s);
    return r;
}

int worker_see_forget(struct worker_see *s, const struct source *source)
{
    char path[PATH_ROOM];
    int r;

    count_keys_cut(s->keys, &source->addr, 0);
    snprintf(path, sizeof(path), COUNT_TREE "%s/", source->text);
    r = remove_key(s, path);
    count_path(source->text, 0, path);
    return r == 0 ? remove_key(s, path) : r;
}
