/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker's keys. effect (QubesDB client). Fed by dom0's keys. See
 * worker_qdb.h. */
#include "firewallvm/worker_qdb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "rules/rule_parse.h"

#define STATUS_PREFIX "/sysqube-status/firewall/"
#define NAMES_PREFIX "/sysqube-status/firewall-names/"
#define HANDLED_PREFIX "/qubes-firewall-handled/"
#define LIMITS_FORMAT "/sysqube-firewall/%s/limits"
#define SHORT_VALUE 64
#define LIMITS_VALUE 128
#define PATH_ROOM 96 /* longer than a path may be, so that cuts show */

/* Errors that end the connection; others concern one key. */
static bool is_fatal(int r)
{
    return r == -ECONNRESET || r == -EPIPE || r == -ETIMEDOUT ||
           r == -EBADMSG || r == -EPROTO;
}

int worker_qdb_watch(struct qdb *q)
{
    static const char *const paths[] = {SOURCE_PREFIX, KEY_DNS1, KEY_DNS2,
                                        KEY_DNS6,      KEY_SNAT, KEY_INBOUND,
                                        KEY_EDGE,      KEY_NAMES};
    size_t i;
    int r = 0;

    for (i = 0; i < ARRAY_LEN(paths) && r == 0; i++)
        r = qdb_watch(q, paths[i]);
    return r;
}

static int scan_entry(const char *path, const char *val, size_t len, void *arg)
{
    struct source_set *set = arg;

    (void)val;
    (void)len;
    if (!strchr(path + sizeof(SOURCE_PREFIX) - 1, '/'))
        source_set_event(set, path, 0);
    return 0;
}

int worker_qdb_scan(struct qdb *q, struct source_set *set)
{
    return qdb_multiread(q, SOURCE_PREFIX, scan_entry, set);
}

/* @return length, 0 for a missing or unreadable key; -errno as is_fatal() */
static int read_short(struct qdb *q, const char *path, char buf[SHORT_VALUE])
{
    int r = qdb_read(q, path, buf, SHORT_VALUE);

    if (r >= 0)
        return r;
    buf[0] = '\0';
    return is_fatal(r) ? r : 0;
}

int worker_qdb_dns(struct qdb *q, struct fw_dns *ret)
{
    static const char *const keys[FW_DNS_MAX] = {KEY_DNS1, KEY_DNS2, KEY_DNS6};
    struct fw_dns dns = {0};
    char value[SHORT_VALUE];
    struct ipaddr a;
    size_t i;

    for (i = 0; i < ARRAY_LEN(keys); i++) {
        int r = read_short(q, keys[i], value);
        if (r < 0)
            return r;
        if (r == 0)
            continue;
        if (ipaddr_parse(text_of(value), &a) < 0)
            log_warn("%s is no address", keys[i]);
        else if (dns.n == 0 || !ipaddr_eq(&dns.addr[0], &a))
            dns.addr[dns.n++] = a;
    }
    *ret = dns;
    return 0;
}

int worker_qdb_snat(struct qdb *q, bool *ret)
{
    char value[SHORT_VALUE];
    int r = read_short(q, KEY_SNAT, value);

    if (r < 0)
        return r;
    *ret = strcmp(value, "1") == 0;
    return 0;
}

/* ---- paths ---- */
struct paths_arg {
    enum fw_path_kind kind;
    struct fw_path *v; /* room for FW_PATHS_MAX */
    size_t n;
};

static int paths_entry(const char *path, const char *val, size_t len, void *arg)
{
    struct paths_arg *a = arg;
    struct text value = {val, len};
    const char *reason = "too many";
    int r = -EBADMSG;

    if (a->n < FW_PATHS_MAX)
        r = path_parse(a->kind, value, &a->v[a->n], &reason);
    if (r < 0)
        log_warn("%s: %s", path, reason);
    else
        a->n++;
    return 0;
}

int worker_qdb_paths(struct qdb *q, enum fw_path_kind kind,
                     struct fw_path **ret, size_t *ret_n)
{
    struct paths_arg arg = {.kind = kind};
    int r;

    arg.v = calloc(FW_PATHS_MAX, sizeof(*arg.v));
    if (!arg.v)
        return -ENOMEM;
    r = qdb_multiread(q, kind == FW_PATH_EDGE ? KEY_EDGE "/" : KEY_INBOUND "/",
                      paths_entry, &arg);
    if (r < 0) {
        free(arg.v);
        return r;
    }
    *ret = arg.v;
    *ret_n = arg.n;
    return 0;
}

/* ---- one list ---- */
static int read_limits(struct qdb *q, const char *source,
                       struct rule_source *list)
{
    char path[PATH_ROOM], value[LIMITS_VALUE];
    int r;

    snprintf(path, sizeof(path), LIMITS_FORMAT, source);
    if (strlen(path) >= QDB_PATH_MAX)
        return 0; /* no such key can be */
    r = qdb_read(q, path, value, sizeof(value));
    if (r >= 0)
        rule_source_limits(list, (struct text){value, (size_t)r});
    else if (r == -ENOBUFS)
        rule_source_limits(list, text_of("too long"));
    return is_fatal(r) ? r : 0;
}

struct list_arg {
    struct rule_source *list;
    size_t prefix; /* length of "/qubes-firewall/IP/" */
    bool any;
};

static int list_entry(const char *path, const char *val, size_t len, void *arg)
{
    struct list_arg *a = arg;
    struct text value = {val, len};

    a->any = true;
    return rule_source_add(a->list, text_of(path + a->prefix), value);
}

int worker_qdb_list(struct qdb *q, struct source *s,
                    struct rule_source *ret_list, bool *ret_gone)
{
    struct list_arg arg = {.list = ret_list};
    char path[PATH_ROOM], value[SHORT_VALUE];
    int r;

    snprintf(path, sizeof(path), SOURCE_PREFIX "%s/", s->text);
    arg.prefix = strlen(path);
    r = qdb_multiread(q, path, list_entry, &arg);
    if (r < 0)
        return r;
    path[arg.prefix - 1] = '\0';
    r = qdb_read(q, path, value, sizeof(value));
    if (r < 0 && r != -ENOENT && r != -ENOBUFS)
        return r;
    *ret_gone = r == -ENOENT && !arg.any;
    if (r < 0 || parse_u64(text_of(value), 1, UINT64_MAX, &s->push) < 0)
        s->push = 0;
    r = read_limits(q, s->text, ret_list);
    rule_source_finish(ret_list);
    return r;
}

/* ---- reports ---- */
static int write_key(struct qdb *q, const char *prefix, const char *source,
                     const char *value)
{
    char path[PATH_ROOM];
    int r;

    snprintf(path, sizeof(path), "%s%s", prefix, source);
    r = strlen(path) < QDB_PATH_MAX ? qdb_write(q, path, value, strlen(value))
                                    : -ENAMETOOLONG;
    if (r < 0)
        log_warn("%s not written: %s", path, err_text(r));
    return is_fatal(r) ? r : 0;
}

int worker_qdb_report(struct qdb *q, const struct source *s, const char *status,
                      bool asked)
{
    char path[PATH_ROOM], value[SHORT_VALUE];
    uint64_t count = 0;
    int r = write_key(q, STATUS_PREFIX, s->text, status);

    if (r < 0 || !asked)
        return r;
    snprintf(path, sizeof(path), HANDLED_PREFIX "%s", s->text);
    r = s->push ? 0 : read_short(q, path, value);
    if (r < 0)
        return r;
    if (s->push)
        count = s->push - 1;
    else if (parse_u64(text_of(value), 0, UINT64_MAX - 1, &count) < 0)
        count = 0;
    snprintf(value, sizeof(value), "%" PRIu64, count + 1);
    return write_key(q, HANDLED_PREFIX, s->text, value);
}

static int remove_key(struct qdb *q, const char *prefix, const char *source)
{
    char path[PATH_ROOM];
    int r;

    snprintf(path, sizeof(path), "%s%s", prefix, source);
    if (strlen(path) >= QDB_PATH_MAX)
        return 0;
    r = qdb_rm(q, path);
    return is_fatal(r) ? r : 0;
}

int worker_qdb_forget(struct qdb *q, const char *source_text)
{
    int r = remove_key(q, STATUS_PREFIX, source_text);

    if (r == 0)
        r = remove_key(q, HANDLED_PREFIX, source_text);
    return r;
}

/* ---- names ---- */
int worker_qdb_names_config(struct qdb *q, struct names_config *ret)
{
    char value[SHORT_VALUE];
    int r = read_short(q, KEY_NAMES, value);

    if (r < 0)
        return r;
    *ret = NAMES_CONFIG;
    if (r > 0 && names_config_parse(text_of(value), ret) < 0)
        log_warn(KEY_NAMES " is malformed; the usual times hold");
    return 0;
}

/* @return 0; -ENAMETOOLONG */
static int name_path(char path[PATH_ROOM], const char *source_text,
                     unsigned number)
{
    snprintf(path, PATH_ROOM, NAMES_PREFIX "%s/%04u", source_text, number);
    return strlen(path) < QDB_PATH_MAX ? 0 : -ENAMETOOLONG;
}

int worker_qdb_name(struct qdb *q, const char *source_text, unsigned number,
                    const char *text)
{
    char path[PATH_ROOM];
    int r = name_path(path, source_text, number);

    if (r == 0)
        r = text ? qdb_write(q, path, text, strlen(text)) : qdb_rm(q, path);
    return is_fatal(r) ? r : 0;
}

struct name_key {
    char path[QDB_PATH_MAX];
};

struct names_arg {
    bool (*is_stale)(const struct ipaddr *source, unsigned number, void *arg);
    void *arg;
    size_t n, cap;
    struct name_key *v; /* to be removed */
};

static int add_key(struct names_arg *a, const char *path)
{
    struct name_key *v;

    if (a->n == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 16;
        v = reallocarray(a->v, a->cap, sizeof(*v));
        if (!v)
            return -ENOMEM;
        a->v = v;
    }
    snprintf(a->v[a->n++].path, QDB_PATH_MAX, "%s", path);
    return 0;
}

static int names_entry(const char *path, const char *val, size_t len, void *arg)
{
    struct text rest = text_of(path + sizeof(NAMES_PREFIX) - 1), ip;
    struct names_arg *a = arg;
    struct ipaddr source;
    unsigned number;

    (void)val;
    (void)len;
    if (parse_split(&rest, '/', &ip) && rest.p &&
        ipaddr_parse(ip, &source) == 0 &&
        rule_parse_number(rest, &number) == 0 &&
        !a->is_stale(&source, number, a->arg))
        return 0;
    return add_key(a, path);
}

int worker_qdb_names_tidy(struct qdb *q, const char *source_text,
                          bool (*is_stale)(const struct ipaddr *source,
                                           unsigned number, void *arg),
                          void *arg)
{
    struct names_arg a = {.is_stale = is_stale, .arg = arg};
    char prefix[PATH_ROOM];
    size_t i;
    int r;

    snprintf(prefix, sizeof(prefix), NAMES_PREFIX "%s%s", source_text,
             source_text[0] ? "/" : "");
    r = strlen(prefix) < QDB_PATH_MAX
            ? qdb_multiread(q, prefix, names_entry, &a)
            : 0;
    for (i = 0; i < a.n && r == 0; i++) {
        r = qdb_rm(q, a.v[i].path);
        r = is_fatal(r) ? r : 0;
    }
    free(a.v);
    return r;
}

/* ---- what is left of sources ---- */
struct stale {
    const struct source_set *set;
    size_t n;
    char text[SOURCES_MAX][QDB_PATH_MAX];
};

static int tidy_entry(const char *path, const char *val, size_t len, void *arg)
{
    const char *text = path + sizeof(STATUS_PREFIX) - 1;
    struct stale *st = arg;
    size_t i;

    (void)val;
    (void)len;
    for (i = 0; i < st->set->n; i++)
        if (strcmp(st->set->v[i].text, text) == 0)
            return 0;
    if (st->n < SOURCES_MAX)
        snprintf(st->text[st->n++], QDB_PATH_MAX, "%s", text);
    return 0;
}

int worker_qdb_tidy(struct qdb *q, const struct source_set *set)
{
    CLEANUP_FREE struct stale *st = calloc(1, sizeof(*st));
    size_t i;
    int r;

    if (!st)
        return -ENOMEM;
    st->set = set;
    r = qdb_multiread(q, STATUS_PREFIX, tidy_entry, st);
    for (i = 0; i < st->n && r == 0; i++)
        r = worker_qdb_forget(q, st->text[i]);
    return r;
}
