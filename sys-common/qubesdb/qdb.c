/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qdb, QubesDB from a command line in a qube: read, write, list, multiread,
 * rm, watch. glue. Fed by the person or script that calls it; shows values
 * as they are, so its output belongs in no terminal of dom0. */
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "qubesdb/qdb_client.h"

#define OPEN_MS 10000

static int cmd_read(struct qdb *q, char **args)
{
    char value[QDB_VALUE_MAX + 1];
    int r = qdb_read(q, args[0], value, sizeof(value));

    if (r >= 0)
        printf("%s\n", value);
    return r;
}

static int cmd_write(struct qdb *q, char **args)
{
    return qdb_write(q, args[0], args[1], strlen(args[1]));
}

static int cmd_rm(struct qdb *q, char **args)
{
    return qdb_rm(q, args[0]);
}

static int show_path(const char *path, const char *val, size_t len, void *arg)
{
    (void)val;
    (void)len;
    (void)arg;
    printf("%s\n", path);
    return 0;
}

static int show_entry(const char *path, const char *val, size_t len, void *arg)
{
    (void)len;
    (void)arg;
    printf("%s = %s\n", path, val);
    return 0;
}

static int cmd_list(struct qdb *q, char **args)
{
    return qdb_multiread(q, args[0], show_path, NULL);
}

static int cmd_multiread(struct qdb *q, char **args)
{
    return qdb_multiread(q, args[0], show_entry, NULL);
}

/* A line per change, until the daemon goes. */
static int cmd_watch(struct qdb *q, char **args)
{
    char path[QDB_PATH_MAX];
    int r = qdb_watch(q, args[0]);

    while (r >= 0) {
        r = qdb_next_event(q, path);
        if (r == 1) {
            printf("%s\n", path);
            fflush(stdout);
        } else if (r == 0) {
            struct pollfd p = {.fd = qdb_fd(q), .events = POLLIN};
            if (poll(&p, 1, -1) < 0 && errno != EINTR)
                return err_last();
        }
    }
    return r;
}

static const struct {
    const char *name;
    int args;
    int (*run)(struct qdb *q, char **args);
} commands[] = {
    {"read", 1, cmd_read},
    {"write", 2, cmd_write},
    {"rm", 1, cmd_rm},
    {"list", 1, cmd_list},
    {"multiread", 1, cmd_multiread},
    {"watch", 1, cmd_watch},
};

static int usage(void)
{
    fprintf(stderr, "usage: qdb [-s SOCKET] read|rm|list|multiread|watch "
                    "PATH\n       qdb [-s SOCKET] write PATH VALUE\n");
    return 2;
}

static int run(const char *sock, size_t command, char **args)
{
    struct qdb *q = NULL;
    int r = qdb_open(sock, OPEN_MS, &q);

    if (r < 0) {
        fprintf(stderr, "qdb: cannot open: %s\n", err_text(r));
        return 1;
    }
    r = commands[command].run(q, args);
    qdb_close(q);
    if (r < 0)
        fprintf(stderr, "qdb: %s: %s\n", args[0], err_text(r));
    return r < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    const char *sock = NULL;
    int c;

    while ((c = getopt(argc, argv, "s:")) != -1) {
        if (c != 's')
            return usage();
        sock = optarg;
    }
    argc -= optind;
    argv += optind;
    for (size_t i = 0; argc > 0 && i < ARRAY_LEN(commands); i++)
        if (strcmp(argv[0], commands[i].name) == 0 &&
            argc == commands[i].args + 1)
            return run(sock, i, argv + 1);
    return usage();
}
