/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of a section, text to text. pure. See section_lines.h. */
#include "dom0/section_lines.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/config.h"
#include "lib/err.h"

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct text trimmed(struct text t)
{
    while (t.len && blank(t.p[t.len - 1]))
        t.len--;
    while (t.len && blank(t.p[0])) {
        t.p++;
        t.len--;
    }
    return t;
}

/* One line with its newline off the front of rest. */
static bool take_line(struct text *rest, struct text *ret)
{
    const char *nl;

    if (!rest->len)
        return false;
    nl = memchr(rest->p, '\n', rest->len);
    *ret = (struct text){rest->p, nl ? (size_t)(nl - rest->p) + 1 : rest->len};
    rest->p += ret->len;
    rest->len -= ret->len;
    return true;
}

/* Number of the line behind which a new one goes; 0: there is no section. */
static unsigned place(struct text file, const char *head)
{
    struct text rest = file, line;
    bool inside = false;
    unsigned at = 0;

    for (unsigned n = 1; take_line(&rest, &line); n++) {
        struct text t = trimmed(line);

        if (t.len && t.p[0] == '[') {
            inside = text_eq(t, head);
            if (inside)
                at = n;
        } else if (inside && t.len && t.p[0] != '#' && t.p[0] != ';') {
            at = n;
        }
    }
    return at;
}

static bool dropped(unsigned n, const unsigned *drop, size_t n_drop)
{
    for (size_t i = 0; i < n_drop; i++) {
        if (drop[i] == n)
            return true;
    }
    return false;
}

/* Room is the file, the head and the line, with newlines and the NUL. */
static char *put(char *to, const char *s, size_t len)
{
    memcpy(to, s, len);
    return to + len;
}

int section_lines_edit(struct text file, const char *head, const unsigned *drop,
                       size_t n_drop, const char *add, char **ret,
                       size_t *ret_len)
{
    size_t add_len = add ? strlen(add) : 0, head_len = strlen(head), len;
    char *out = malloc(file.len + head_len + add_len + 8), *to = out;
    unsigned at = add ? place(file, head) : 0;
    struct text rest = file, line;

    if (!out)
        return -ENOMEM;
    for (unsigned n = 1; take_line(&rest, &line); n++) {
        if (!dropped(n, drop, n_drop))
            to = put(to, line.p, line.len);
        if (to > out && to[-1] != '\n')
            *to++ = '\n';
        if (add && at == n) {
            to = put(to, add, add_len);
            *to++ = '\n';
        }
    }
    if (add && !at) {
        *to++ = '\n';
        to = put(to, head, head_len);
        *to++ = '\n';
        to = put(to, add, add_len);
        *to++ = '\n';
    }
    *to = '\0';
    len = (size_t)(to - out);
    if (len > CONFIG_FILE_MAX) {
        free(out);
        return -ENOBUFS;
    }
    *ret = out;
    *ret_len = len;
    return 0;
}

struct text section_lines_get(struct text file, unsigned number)
{
    struct text rest = file, line;

    for (unsigned n = 1; take_line(&rest, &line); n++) {
        if (n == number)
            return trimmed(line);
    }
    return (struct text){"", 0};
}
