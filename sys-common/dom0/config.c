/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text of a configuration file to structs, by the tables of config_value.c.
 * pure (libinih over a memory buffer). Fed by the administrator's files.
 * Each complaint names file, line, what was found and what was expected.
 * Does not look at other files: see config_check.c. */
#include "dom0/config.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/config_impl.h"
#include "dom0/fw_profile.h"
#include "lib/err.h"

static bool section_exists(const struct parser *ps, const char *name)
{
    for (size_t i = 0; i < ps->n_keys; i++) {
        if (!strcmp(ps->keys[i].section, name))
            return true;
    }
    return false;
}

/* All names of the section (or all sections), for the complaint. */
static void list_names(const struct parser *ps, const char *section, char *dst,
                       size_t cap)
{
    const char *last = "";
    size_t n = 0;

    dst[0] = 0;
    for (size_t i = 0; i < ps->n_keys; i++) {
        const struct key_def *k = &ps->keys[i];
        const char *w = section ? k->name : k->section;

        if (section && strcmp(k->section, section))
            continue;
        if (!strcmp(last, w))
            continue;
        last = w;
        n += (size_t)snprintf(dst + n, n < cap ? cap - n : 0,
                              section ? "%s%s" : "%s[%s]", n ? ", " : "", w);
        if (n >= cap)
            return;
    }
}

static void take_section(struct parser *ps, const char *line, size_t len)
{
    char names[160];

    if (line[len - 1] != ']' || len < 3) {
        problems_add(ps->out, ps->file, ps->line,
                     "found '%.*s'; expected a section as [Name]", (int)len,
                     line);
        ps->section_known = false;
        return;
    }
    memcpy(ps->section, line + 1, len - 2);
    ps->section[len - 2] = 0;
    ps->section_known = section_exists(ps, ps->section);
    if (ps->section_known) {
        if (ps->q && !strcmp(ps->section, "Firewall"))
            ps->q->has_firewall = true;
        return;
    }
    list_names(ps, NULL, names, sizeof(names));
    problems_add(ps->out, ps->file, ps->line,
                 "unknown section [%s]; expected one of %s", ps->section,
                 names);
}

/* Lines libinih would take apart differently from what their writer sees
 * (continuations, "key:value", names cut at 50 bytes) are refused here, so
 * that a line means what it shows. True when libinih may have it. */
static bool check_line(struct parser *ps, const char *line, size_t len)
{
    const char *eq, *colon;

    for (size_t i = 0; i < len; i++) {
        unsigned char ch = (unsigned char)line[i];

        if ((ch < 0x20 && ch != '\t') || ch == 0x7f) {
            problems_add(ps->out, ps->file, ps->line,
                         "found a control byte 0x%02x; expected text", ch);
            return false;
        }
    }
    if (!len || line[0] == '#' || line[0] == ';')
        return true;
    if (line[0] == ' ' || line[0] == '\t') {
        if (strspn(line, " \t") == len)
            return true;
        problems_add(ps->out, ps->file, ps->line,
                     "the line begins with a blank; expected Key=value at "
                     "its beginning (lines are not continued)");
        return false;
    }
    if (line[0] == '[') {
        take_section(ps, line, len);
        return false;
    }
    eq = memchr(line, '=', len);
    colon = memchr(line, ':', len);
    if (!eq || eq == line || (colon && colon < eq) || eq - line > 40) {
        problems_add(ps->out, ps->file, ps->line,
                     "found '%.*s'; expected Key=value",
                     len > 60 ? 60 : (int)len, line);
        return false;
    }
    return true;
}

/* libinih's line source: one line of the buffer; a line that must not reach
 * it becomes an empty one. */
static char *next_line(char *str, int num, void *arg)
{
    struct parser *ps = arg;
    const char *nl;
    size_t len, take;

    if (!ps->left)
        return NULL;
    nl = memchr(ps->p, '\n', ps->left);
    take = nl ? (size_t)(nl - ps->p) + 1 : ps->left;
    len = nl ? take - 1 : take;
    ps->line++;
    str[0] = 0;
    if (len && ps->p[len - 1] == '\r')
        len--;
    while (len && (ps->p[len - 1] == ' ' || ps->p[len - 1] == '\t'))
        len--;
    if (len + 2 > (size_t)num) {
        problems_add(ps->out, ps->file, ps->line,
                     "the line has %zu bytes; expected at most %d", len,
                     CONFIG_LINE_MAX - 2);
    } else {
        memcpy(str, ps->p, len);
        str[len] = 0;
        if (!check_line(ps, str, len))
            str[0] = 0;
    }
    ps->p += take;
    ps->left -= take;
    return str;
}

static int take_value(void *arg, const char *section, const char *name,
                      const char *value)
{
    struct parser *ps = arg;
    char names[256];
    int r;

    (void)section; /* ours is exact; libinih cuts names at 50 bytes */
    if (!ps->section_known) {
        if (!ps->section[0])
            problems_add(ps->out, ps->file, ps->line,
                         "found %s= before any section; expected [%s] first",
                         name, ps->keys[0].section);
        return 1;
    }
    for (size_t i = 0; i < ps->n_keys; i++) {
        const struct key_def *k = &ps->keys[i];

        if (strcmp(k->section, ps->section) || strcmp(k->name, name))
            continue;
        if (ps->seen[i] && !k->repeat) {
            problems_add(ps->out, ps->file, ps->line,
                         "%s= is given again (first at line %u); expected "
                         "it once",
                         name, ps->seen[i]);
            return 1;
        }
        if (!ps->seen[i])
            ps->seen[i] = ps->line;
        r = k->set(ps, text_of(value));
        if (r)
            problems_add(ps->out, ps->file, ps->line, "%s=%.80s: expected %s",
                         name, value, k->want);
        else if (ps->q && k->key < KEY_COUNT && !ps->q->line[k->key])
            ps->q->line[k->key] = ps->line;
        return 1;
    }
    list_names(ps, ps->section, names, sizeof(names));
    problems_add(ps->out, ps->file, ps->line,
                 "unknown key %s in [%s]; expected one of %s", name,
                 ps->section, names);
    return 1;
}

static int parse_file(struct parser *ps, struct text data)
{
    ps->before = problems_count(ps->out);
    if (data.len > CONFIG_FILE_MAX) {
        problems_add(ps->out, ps->file, 0,
                     "the file has %zu bytes; expected at most %d", data.len,
                     CONFIG_FILE_MAX);
        return -EBADMSG;
    }
    ps->p = data.p;
    ps->left = data.len;
    ini_allow_inline_comments = false;
    ini_allow_multiline = false;
    ini_allow_bom = false;
    ini_allow_no_value = false;
    ini_stop_on_first_error = false;
    ini_use_stack = false;
    ini_max_line = CONFIG_LINE_MAX;
    ini_initial_alloc = CONFIG_LINE_MAX;
    if (ini_parse_stream(next_line, ps, take_value, ps) < 0 || ps->failed)
        return -ENOMEM;
    return problems_count(ps->out) > ps->before ? -EBADMSG : 0;
}

void config_daemon_defaults(struct config_daemon *ret)
{
    *ret = (struct config_daemon){.platform = CONFIG_XEN,
                                  .memory_mib = 256,
                                  .vcpus = 1,
                                  .check_images = true};
    snprintf(ret->images, sizeof(ret->images), "/var/lib/sysqube/images");
    snprintf(ret->run_dir, sizeof(ret->run_dir), "/run/sysqube");
    snprintf(ret->state_dir, sizeof(ret->state_dir), "/var/lib/sysqube");
    snprintf(ret->socket, sizeof(ret->socket), "/run/sysqube/control.sock");
    snprintf(ret->worker, sizeof(ret->worker),
             "/usr/libexec/sysqube/sysqube-qdb");
}

int config_parse_daemon(struct text data, const char *file,
                        struct config_daemon *io, struct problems *p)
{
    struct parser ps = {.file = file,
                        .keys = config_daemon_keys,
                        .n_keys = config_daemon_keys_n,
                        .d = io,
                        .out = p};

    return parse_file(&ps, data);
}

static void qube_defaults(struct config_qube *q, const struct config_daemon *d)
{
    static const uint8_t mac[6] = {0x00, 0x16, 0x3e, 0x5e, 0x6c, 0x00};

    q->memory_mib = d->memory_mib;
    q->vcpus = d->vcpus;
    q->label = LABEL_RED;
    q->autostart = true;
    memcpy(q->mac, mac, sizeof(mac));
}

/* What a file alone can be wrong in, beyond its single values. */
static void check_qube(const struct parser *ps, struct config_qube *q)
{
    if (!q->line[KEY_KIND] && !ps->seen[0])
        problems_add(ps->out, ps->file, 0,
                     "Kind= is missing in [Qube]; expected netvm, "
                     "firewallvm, usbvm or qube");
    if (!q->line[KEY_IMAGE] && !ps->seen[2])
        problems_add(ps->out, ps->file, 0,
                     "Image= is missing in [Qube]; expected the name of an "
                     "image");
    if (!q->line[KEY_VIRT])
        q->virt = q->n_pci ? VIRT_PV : VIRT_PVH;
    if (q->kind == KIND_NETVM && q->uplink == UPLINK_NONE)
        q->uplink = UPLINK_DHCP;
}

int config_parse_qube(struct text data, const char *file, const char *name,
                      const struct config_daemon *d, struct config_qube **ret,
                      struct problems *p)
{
    struct parser ps = {.file = file,
                        .keys = config_qube_keys,
                        .n_keys = config_qube_keys_n,
                        .out = p};
    struct config_qube *q = calloc(1, sizeof(*q));
    int r;

    if (!q)
        return -ENOMEM;
    ps.q = q;
    ps.before = problems_count(p);
    q->file = strdup(file);
    if (!q->file) {
        config_qube_free(q);
        return -ENOMEM;
    }
    qube_defaults(q, d);
    if (parse_qube_name(text_of(name)) ||
        text_copy(text_of(name), q->name, sizeof(q->name)))
        problems_add(p, file, 0,
                     "the file's name '%.40s' is not a qube's; "
                     "expected a name of 1 to 31 letters, digits, '_', '.', "
                     "'-', beginning with a letter, then .conf",
                     name);
    r = parse_file(&ps, data);
    if (r == -ENOMEM) {
        config_qube_free(q);
        return r;
    }
    check_qube(&ps, q);
    *ret = q;
    return problems_count(p) > ps.before || !q->name[0] ? -EBADMSG : 0;
}

void config_qube_free(struct config_qube *q)
{
    if (!q)
        return;
    free(q->rules);
    usb_policy_free(&q->usb);
    free(q->file);
    free(q);
}

int config_add(struct config *c, struct config_qube *q)
{
    struct config_qube **v;
    size_t i;

    if (c->n == CONFIG_QUBES_MAX)
        return -ENFILE;
    v = realloc(c->qubes, (c->n + 1) * sizeof(*v));
    if (!v)
        return -ENOMEM;
    c->qubes = v;
    for (i = c->n; i > 0 && strcmp(v[i - 1]->name, q->name) > 0; i--)
        v[i] = v[i - 1];
    v[i] = q;
    c->n++;
    return 0;
}

struct config_qube *config_find(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++) {
        if (!strcmp(c->qubes[i]->name, name))
            return c->qubes[i];
    }
    return NULL;
}

void config_free(struct config *c)
{
    for (size_t i = 0; i < c->n; i++)
        config_qube_free(c->qubes[i]);
    free(c->qubes);
    c->qubes = NULL;
    c->n = 0;
    fw_profiles_free(c);
}
