/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of a qube's USB policy. effect. See usb_edit.h. */
#include "dom0/usb_edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/usb_error.h"
#include "dom0/section_lines.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"

#define WORDS_MAX 1024 /* bytes of one line's value */
#define DROP_MAX (USB_LINES_MAX + USB_ASSIGNS_MAX)

struct edit {
    const struct config_qube *q;
    char words[WORDS_MAX];
    struct usb_assign a; /* the words, parsed; for deny and allow only sel */
    const char *key;     /* of the line to add; NULL: none */
    unsigned drop[DROP_MAX];
    size_t n_drop;
};

static int join(const struct request *r, struct edit *e)
{
    size_t n = 0;

    for (int i = 0; i < r->n_words; i++) {
        n += (size_t)snprintf(e->words + n, sizeof(e->words) - n, "%s%s",
                              i ? " " : "", r->words[i]);
        if (n >= sizeof(e->words))
            return -ENOBUFS;
    }
    return text_printable(text_of(e->words)) ? 0 : -EBADMSG;
}

static int parse(const struct request *r, struct edit *e,
                 struct manager_error *err)
{
    char why[USB_WHY_MAX] = "too long or not printable";
    int k = join(r, e);

    if (!k && r->op == REQ_USB_ASSIGN)
        k = usb_assign_parse(text_of(e->words), &e->a, why);
    else if (!k)
        k = usb_select_parse(text_of(e->words), &e->a.sel, why);
    if (!k)
        return 0;
    usb_error_set(err, r->qube, "read the words", "%s", why);
    usb_error_hint(err, "as in: sysqube usb %s",
                   r->op == REQ_USB_ASSIGN
                       ? "assign work auto sys-usb:2-1 1234:abcd"
                       : "deny work u03**** (man sysqube-qube.conf, [USB])");
    return -EINVAL;
}

static void drop(struct edit *e, unsigned line)
{
    if (e->n_drop < DROP_MAX)
        e->drop[e->n_drop++] = line;
}

/* Lines of the other kind go; @return is the wanted one there already? */
static bool match_lines(struct edit *e, bool allow)
{
    bool there = false;

    for (size_t i = 0; i < e->q->usb.n_lines; i++) {
        const struct usb_line *l = &e->q->usb.lines[i];

        if (!usb_select_eq(&l->sel, &e->a.sel))
            continue;
        if (l->allow != allow)
            drop(e, l->line);
        else
            there = true;
    }
    return there;
}

static void match_assigns(struct edit *e)
{
    for (size_t i = 0; i < e->q->usb.n_assigns; i++) {
        if (usb_select_eq(&e->q->usb.assigns[i].sel, &e->a.sel))
            drop(e, e->q->usb.assigns[i].line);
    }
}

/* What is to go and what is to come. */
static int decide(const struct request *r, struct edit *e,
                  struct manager_error *err)
{
    if (r->op == REQ_USB_DENY) {
        e->key = match_lines(e, false) ? NULL : "Deny";
        return 0;
    }
    if (r->op == REQ_USB_ALLOW) {
        e->key = match_lines(e, true) || e->n_drop ? NULL : "Allow";
        return 0;
    }
    match_assigns(e);
    e->key = r->op == REQ_USB_ASSIGN ? "Assign" : NULL;
    if (e->key || e->n_drop)
        return 0;
    usb_error_set(err, r->qube, "find the line",
                  "there is no Assign= line of '%.200s'", e->words);
    usb_error_hint(err, "sysqube usb policy %s", r->qube);
    return -EINVAL;
}

static json_t *removed(struct text file, const struct edit *e)
{
    json_t *a = json_array();

    for (size_t i = 0; i < e->n_drop; i++) {
        struct text t = section_lines_get(file, e->drop[i]);

        json_array_append_new(a, json_stringn(t.p, t.len));
    }
    return a;
}

/* Write the file and read everything again; the old text comes back if the
 * whole is not accepted. */
static int store(struct manager *m, const char *file, const struct edit *e,
                 const char *qube, const char *line, json_t **ret_removed,
                 struct manager_error *err, struct problems *p)
{
    CLEANUP_FREE char *old = NULL;
    CLEANUP_FREE char *text = NULL;
    size_t old_len, len;
    int r = io_read_file(file, CONFIG_FILE_MAX, &old, &old_len);

    if (!r)
        r = section_lines_edit((struct text){old, old_len}, "[USB]", e->drop,
                               e->n_drop, line, &text, &len);
    if (!r)
        r = io_write_file(file, text, len, 0644);
    if (r) {
        usb_error_set(err, qube, "store the line", "%s: %s", file, err_text(r));
        return r;
    }
    r = manager_reload(m, false, p);
    if (r)
        (void)io_write_file(file, old, old_len, 0644);
    else
        *ret_removed = removed((struct text){old, old_len}, e);
    return r;
}

/* The step that the new lines ask for, and what it took away. */
static json_t *detached(struct manager *m, const char *qube)
{
    json_t *a = json_array();
    const struct usb_att *t;

    manager_usb_step(m);
    for (size_t i = 0; (t = usb_plan_at(m->usb, i)) != NULL; i++) {
        char dev[USB_DEVICE_TEXT_MAX];

        if (t->end == USB_END_DENIED && !strcmp(t->qube, qube))
            json_array_append_new(a, json_string(usb_error_device(&t->d, dev)));
    }
    return a;
}

static int find_qube(const struct manager *m, const struct request *r,
                     struct manager_error *err, const struct config_qube **ret)
{
    int i = manager_find(m, r->qube);

    if (i < 0) {
        usb_error_set(err, r->qube, "find the qube",
                      "there is no qube of this name");
        usb_error_hint(err, "sysqube status");
        return -EINVAL;
    }
    if (m->cfg.qubes[i]->kind != KIND_QUBE) {
        usb_error_set(err, r->qube, "find its policy",
                      "a qube of kind %s takes no USB devices",
                      config_kind_name(m->cfg.qubes[i]->kind));
        return -EINVAL;
    }
    *ret = m->cfg.qubes[i];
    return 0;
}

/* One line; the words are in @p e. */
static int edit_one(struct manager *m, const struct request *r, struct edit *e,
                    json_t *added, json_t **ret_removed,
                    struct manager_error *err, struct problems *p)
{
    CLEANUP_FREE char *file = strdup(e->q->file); /* freed by the reload */
    char line[WORDS_MAX + 16];
    int k = file ? decide(r, e, err) : -ENOMEM;

    if (k || (!e->key && !e->n_drop))
        return k;
    if (e->key)
        snprintf(line, sizeof(line), "%s=%s", e->key, e->words);
    k = store(m, file, e, r->qube, e->key ? line : NULL, ret_removed, err, p);
    if (!k && e->key)
        json_array_append_new(added, json_string(line));
    return k;
}

int usb_edit(struct manager *m, const struct request *r, json_t **ret,
             struct manager_error *err, struct problems *p)
{
    json_t *added = json_array(), *gone = NULL;
    struct edit e = {0};
    int k = manager_reload(m, false, p);

    k = k ? k : find_qube(m, r, err, &e.q);
    k = k ? k : parse(r, &e, err);
    k = k ? k : edit_one(m, r, &e, added, &gone, err, p);
    if (!k && r->op == REQ_USB_ASSIGN)
        usb_plan_release(m->usb, r->qube);
    if (k) {
        json_decref(added);
        return k;
    }
    *ret = json_pack("{s:s, s:o, s:o, s:o}", "qube", r->qube, "added", added,
                     "removed", gone ? gone : json_array(), "detached",
                     detached(m, r->qube));
    return 0;
}

static void add_line(json_t *list, struct text file, unsigned line)
{
    struct text t = section_lines_get(file, line);

    json_array_append_new(
        list, json_pack("{s:i, s:s%}", "line", (int)line, "text", t.p, t.len));
}

int usb_edit_show(struct manager *m, const struct request *r, json_t **ret,
                  struct manager_error *err, struct problems *p)
{
    const struct config_qube *q = NULL;
    CLEANUP_FREE char *data = NULL;
    size_t len = 0;
    json_t *list;
    int k = manager_reload(m, false, p);

    k = k ? k : find_qube(m, r, err, &q);
    if (k)
        return k;
    k = io_read_file(q->file, CONFIG_FILE_MAX, &data, &len);
    if (k) {
        usb_error_set(err, r->qube, "read its policy", "%s: %s", q->file,
                      err_text(k));
        return k;
    }
    list = json_array();
    for (size_t i = 0; i < q->usb.n_lines; i++)
        add_line(list, (struct text){data, len}, q->usb.lines[i].line);
    for (size_t i = 0; i < q->usb.n_assigns; i++)
        add_line(list, (struct text){data, len}, q->usb.assigns[i].line);
    *ret = json_pack("{s:s, s:s, s:o}", "qube", r->qube, "file", q->file,
                     "lines", list);
    return 0;
}
