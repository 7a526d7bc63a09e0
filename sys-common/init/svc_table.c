/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See svc_table.h. pure. */
#include "init/svc_table.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/parse.h"

/* Index = number of the capability (capabilities(7)). */
static const char *const cap_names[] = {
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
};

struct line {
    struct text field[SVC_ARGS_MAX + 6];
    unsigned n;
};

int svc_table_caps(const char *text, size_t len, uint64_t *ret)
{
    struct text rest = {text, len};
    struct text piece;
    uint64_t mask = 0;

    if (text_eq(rest, "-")) {
        *ret = 0;
        return 0;
    }
    if (text_eq(rest, "all")) {
        *ret = SVC_CAPS_ALL;
        return 0;
    }
    while (parse_split(&rest, ',', &piece)) {
        uint64_t bit = 0;

        for (unsigned i = 0; i < ARRAY_LEN(cap_names); i++)
            if (text_eq(piece, cap_names[i]))
                bit = UINT64_C(1) << i;
        if (bit == 0 || (mask & bit) != 0)
            return -EBADMSG;
        mask |= bit;
    }
    *ret = mask;
    return 0;
}

const char *svc_table_arg(const struct svc_entry *e, unsigned i)
{
    return e->text + e->arg[i];
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Cut a line into its fields; a comment ends it. */
static int line_split(struct text t, struct line *ret)
{
    size_t i = 0;

    ret->n = 0;
    while (i < t.len) {
        size_t start;

        while (i < t.len && is_blank(t.p[i]))
            i++;
        if (i == t.len || t.p[i] == '#')
            break;
        start = i;
        while (i < t.len && !is_blank(t.p[i]))
            i++;
        if (ret->n == ARRAY_LEN(ret->field))
            return -ENOBUFS;
        ret->field[ret->n].p = t.p + start;
        ret->field[ret->n].len = i - start;
        ret->n++;
    }
    return 0;
}

/* The platform prefix; moves @p first past it or cuts it off the field.
 * @p ret_here tells whether the line counts on @p platform. */
static int line_platform(struct line *l, unsigned *first,
                         enum svc_platform platform, bool *ret_here)
{
    static const char *const prefix[] = {
        [SVC_XEN] = "@xen", [SVC_NETNS] = "@netns"};
    struct text *f = &l->field[0];

    *first = 0;
    *ret_here = true;
    if (f->len == 0 || f->p[0] != '@')
        return 0;
    for (unsigned i = 0; i < ARRAY_LEN(prefix); i++) {
        size_t n = strlen(prefix[i]);

        if (f->len < n || memcmp(f->p, prefix[i], n) != 0)
            continue;
        *ret_here = (unsigned)platform == i;
        if (f->len == n) {
            *first = 1;
            return 0;
        }
        if (f->p[n] != ':')
            continue;
        f->p += n + 1;
        f->len -= n + 1;
        return 0;
    }
    return -EBADMSG;
}

/* NAME and its +flags. */
static int entry_name(struct svc_entry *e, struct text rest)
{
    struct text piece;

    if (!parse_split(&rest, '+', &piece) || piece.len == 0 ||
        !text_only(piece, PARSE_LOWER PARSE_DIGIT "-"))
        return -EBADMSG;
    if (text_copy(piece, e->name, sizeof(e->name)) < 0)
        return -ENOBUFS;
    while (parse_split(&rest, '+', &piece)) {
        if (text_eq(piece, "tty") && !e->tty)
            e->tty = true;
        else if (text_eq(piece, "once") && !e->once)
            e->once = true;
        else
            return -EBADMSG;
    }
    return 0;
}

static int entry_args(struct svc_entry *e, const struct text *f, unsigned n)
{
    size_t used = 0;

    if (n == 0 || f[0].len == 0 || f[0].p[0] != '/')
        return -EBADMSG;
    if (n > SVC_ARGS_MAX)
        return -ENOBUFS;
    for (unsigned i = 0; i < n; i++) {
        if (f[i].len + 1 > sizeof(e->text) - used)
            return -ENOBUFS;
        e->arg[i] = (uint16_t)used;
        memcpy(e->text + used, f[i].p, f[i].len);
        used += f[i].len;
        e->text[used++] = '\0';
    }
    e->argc = n;
    return 0;
}

/* One line that holds fields from number @p at on. */
static int entry_parse(const struct line *l, unsigned at, struct svc_entry *e,
                       const char **ret_why)
{
    const struct text *f = l->field + at;
    unsigned n = l->n - at;
    int r;

    memset(e, 0, sizeof(*e));
    *ret_why = "NAME UID GID CAPS COMMAND";
    if (n < 5)
        return -EBADMSG;
    *ret_why = "a name of a-z, 0-9, '-' with +tty or +once at most";
    r = entry_name(e, f[0]);
    if (r < 0)
        return r;
    *ret_why = "a decimal user and group id";
    if (parse_u32(f[1], 0, INT32_MAX, &e->uid) < 0 ||
        parse_u32(f[2], 0, INT32_MAX, &e->gid) < 0)
        return -EBADMSG;
    *ret_why = "\"-\", \"all\" or capability names separated by commas";
    r = svc_table_caps(f[3].p, f[3].len, &e->caps);
    if (r < 0)
        return r;
    *ret_why = "an absolute path and at most 23 arguments";
    return entry_args(e, f + 4, n - 4);
}

static int table_line(struct svc_table *t, struct text text,
                      enum svc_platform platform, const char **ret_why)
{
    struct svc_entry e;
    struct line l;
    unsigned at;
    bool here;
    int r;

    *ret_why = "a shorter line of printable ASCII text";
    if (text.len >= SVC_LINE_MAX)
        return -ENOBUFS;
    for (size_t i = 0; i < text.len; i++)
        if ((text.p[i] < 0x20 || text.p[i] > 0x7e) && text.p[i] != '\t')
            return -EBADMSG;
    r = line_split(text, &l);
    if (r < 0 || l.n == 0)
        return r;
    *ret_why = "@xen or @netns";
    r = line_platform(&l, &at, platform, &here);
    if (r < 0)
        return r;
    r = entry_parse(&l, at, &e, ret_why);
    if (r < 0 || !here)
        return r;
    *ret_why = "a name that is not yet in the table";
    for (unsigned i = 0; i < t->n; i++)
        if (strcmp(t->e[i].name, e.name) == 0)
            return -EEXIST;
    *ret_why = "at most 24 services";
    if (t->n == SVC_MAX)
        return -ENOBUFS;
    t->e[t->n++] = e;
    return 0;
}

int svc_table_parse(const char *data, size_t len, enum svc_platform platform,
                    struct svc_table *ret, unsigned *ret_line,
                    const char **ret_why)
{
    CLEANUP_FREE struct svc_table *t = NULL;
    struct text rest = {data, len};
    struct text text;
    unsigned line = 0;
    int r;

    *ret_line = 0;
    *ret_why = "a table of at most 16384 bytes";
    if (len > SVC_FILE_MAX)
        return -ENOBUFS;
    *ret_why = "free memory";
    t = calloc(1, sizeof(*t));
    if (t == NULL)
        return -ENOMEM;
    while (parse_split(&rest, '\n', &text)) {
        line++;
        r = table_line(t, text, platform, ret_why);
        if (r < 0) {
            *ret_line = line;
            return r;
        }
    }
    *ret_why = "at least one service";
    if (t->n == 0)
        return -EBADMSG;
    *ret = *t;
    return 0;
}
