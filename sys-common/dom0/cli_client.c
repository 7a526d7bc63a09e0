/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command's side of the control socket. effect. See cli_client.h. */
#include "dom0/cli_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"

#define CLI_ANSWER_MAX (64u << 20) /* bytes of one line */
#define CLI_CHUNK 65536u
#define CLI_TIMEOUT_MS 5000

struct lines {
    int fd;
    char *buf;
    size_t len;
    size_t cap;
    size_t used; /* bytes of the line handed out last */
};

static int lines_grow(struct lines *l)
{
    if (l->cap - l->len > CLI_CHUNK)
        return 0;
    if (l->cap >= CLI_ANSWER_MAX)
        return -EFBIG;
    size_t cap = l->cap ? l->cap * 2 : 4 * CLI_CHUNK;
    char *buf = realloc(l->buf, cap);
    if (!buf)
        return -ENOMEM;
    l->buf = buf;
    l->cap = cap;
    return 0;
}

/* Next line without its newline, valid until the next call; a descriptor
 * that came along is kept in *fd. */
static int lines_next(struct lines *l, char **ret, int *fd)
{
    if (l->used > 0) {
        l->len -= l->used;
        memmove(l->buf, l->buf + l->used, l->len);
        l->used = 0;
    }
    for (;;) {
        char *end = l->len ? memchr(l->buf, '\n', l->len) : NULL;
        if (end) {
            *end = '\0';
            l->used = (size_t)(end - l->buf) + 1;
            *ret = l->buf;
            return 0;
        }
        int r = lines_grow(l);
        if (r < 0)
            return r;
        int got = -1;
        ssize_t n = io_recv_fd(l->fd, l->buf + l->len, CLI_CHUNK, &got);
        if (got >= 0) {
            if (*fd >= 0)
                close(*fd);
            *fd = got;
        }
        if (n < 0)
            return (int)n;
        if (n == 0)
            return -ECONNRESET;
        l->len += (size_t)n;
    }
}

static int read_answer(struct cli_call *c, struct lines *l, json_t **ret)
{
    for (;;) {
        char *line;
        int r = lines_next(l, &line, &c->ret_fd);
        if (r < 0)
            return r;
        json_t *j = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(j)) {
            json_decref(j);
            return -EBADMSG;
        }
        const char *progress =
            json_string_value(json_object_get(j, "progress"));
        if (!progress) {
            *ret = j;
            return json_object_get(j, "error") ? -EREMOTEIO : 0;
        }
        if (!c->quiet)
            fprintf(stderr, "%s\n", progress);
        json_decref(j);
    }
}

int cli_call(struct cli_call *c, json_t *request, json_t **ret)
{
    CLEANUP_FREE char *text = json_dumps(request, JSON_COMPACT);
    CLEANUP_FREE char *line = NULL;

    json_decref(request);
    c->ret_fd = -1;
    if (!text || asprintf(&line, "%s\n", text) < 0)
        return -ENOMEM;
    CLEANUP_FD int fd = io_unix_connect(c->socket);
    if (fd < 0)
        return fd;
    int r = io_write_all(fd, line, strlen(line), CLI_TIMEOUT_MS);
    if (r < 0)
        return r;
    struct lines l = {.fd = fd};
    r = read_answer(c, &l, ret);
    free(l.buf);
    return r;
}
