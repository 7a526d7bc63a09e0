/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysqube firewall apply, diff, edit and check: whole lists, as text. effect
 * (files, the administrator's editor). Fed by the administrator's files; the
 * daemon reads what it is sent once more. The editor runs here, never in the
 * daemon. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dom0/cli.h"
#include "dom0/config_load.h"
#include "dom0/fw_diff.h"
#include "dom0/fw_profile.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/mem.h"

#define EDITOR_WORDS_MAX 16

/* ---- reading ---- */

static int read_stdin(char **ret, size_t *ret_len)
{
    char *data = malloc(CONFIG_FILE_MAX + 1);
    size_t len = 0;
    ssize_t n = 1;

    if (!data)
        return -ENOMEM;
    while (n > 0 && len <= CONFIG_FILE_MAX) {
        n = read(STDIN_FILENO, data + len, CONFIG_FILE_MAX + 1 - len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            len += (size_t)n;
    }
    if (n < 0 || len > CONFIG_FILE_MAX) {
        int r = n < 0 ? err_last() : -EFBIG;

        free(data);
        return r;
    }
    data[len] = '\0';
    *ret = data;
    *ret_len = len;
    return 0;
}

/* A list file as text and as items.
 * ret_text: malloc'ed, written when the file could be read */
static int read_list(const char *file, char **ret_text, struct fw_items *ret,
                     struct problems *p)
{
    size_t len;
    bool in = !strcmp(file, "-");
    int r = in ? read_stdin(ret_text, &len)
               : io_read_file(file, CONFIG_FILE_MAX, ret_text, &len);

    if (r) {
        problems_add(p, file, 0, "%s", err_text(r));
        return r;
    }
    if (strlen(*ret_text) != len) {
        problems_add(p, file, 0, "it holds a NUL byte; expected text");
        return -EBADMSG;
    }
    return fw_items_parse((struct text){*ret_text, len},
                          in ? "standard input" : file, (uint64_t)time(NULL),
                          ret, p);
}

static int say_problems(const struct cli *c, const struct problems *p)
{
    char line[PROBLEM_TEXT_MAX + 256];

    if (c->json) {
        cli_show_problems_json(p);
        return CLI_FAILED;
    }
    for (size_t i = 0; i < p->n; i++)
        fprintf(stderr, "%s\n", problems_line(&p->v[i], line, sizeof(line)));
    if (p->lost)
        fprintf(stderr, "and %zu more\n", p->lost);
    return CLI_FAILED;
}

/* ---- apply ---- */

static int send_list(struct cli *c, const char *qube, const char *file,
                     const char *text, const char *was)
{
    json_t *req = json_pack("{s:s,s:s,s:s,s:s}", "op", "firewall-apply", "qube",
                            qube, "text", text, "file", file);

    if (was)
        json_object_set_new(req, "was", json_string(was));
    return cli_ask_and_show(c, req, cli_show_done);
}

int cli_rules_apply(struct cli *c, const char *qube, const char *file)
{
    CLEANUP_FREE char *text = NULL;
    struct fw_items items = {0};
    struct problems p = {0};
    int r = read_list(file, &text, &items, &p);

    r = r ? say_problems(c, &p)
          : send_list(c, qube, strcmp(file, "-") ? file : "standard input",
                      text, NULL);
    fw_items_free(&items);
    problems_free(&p);
    return r;
}

/* The list of a qube as sysqubed has it. @return 0; an exit status */
static int fetch_list(struct cli *c, const char *qube, char **ret)
{
    json_t *answer;
    const char *s;
    int r =
        cli_ask(c, json_pack("{s:s,s:s}", "op", "firewall-list", "qube", qube),
                &answer);

    if (r)
        return r;
    s = json_string_value(json_object_get(answer, "stored"));
    *ret = s ? strdup(s) : NULL;
    json_decref(answer);
    if (*ret)
        return 0;
    fprintf(stderr, "sysqube: sysqubed gave an answer without a list\n");
    return CLI_FAILED;
}

/* ---- diff ---- */

struct shown {
    bool json;
    json_t *out;
    size_t changed;
};

static void put_line(bool comes, size_t at, const struct fw_item *item,
                     void *arg)
{
    struct shown *sh = arg;
    const char *op = comes ? "+" : "-";
    char text[FW_TEXT_MAX];

    sh->changed++;
    if (fw_item_format(item, text, sizeof(text)) < 0)
        return;
    if (sh->json)
        json_array_append_new(sh->out,
                              json_pack("{s:s,s:I,s:s}", "op", op, "item",
                                        (json_int_t)at, "rule", text));
    else
        printf("%s%4zu  %s\n", op, at, text);
}

static int show_diff(const struct cli *c, const char *qube,
                     const struct fw_items *a, const struct fw_items *b)
{
    struct shown sh = {.json = c->json, .out = json_array()};

    if (fw_diff(a, b, put_line, &sh)) {
        fprintf(stderr, "sysqube: out of memory\n");
        json_decref(sh.out);
        return CLI_FAILED;
    }
    if (c->json) {
        json_t *all = json_pack("{s:s,s:b,s:O}", "qube", qube, "same",
                                sh.changed == 0, "diff", sh.out);
        cli_show_json(all);
        json_decref(all);
    }
    json_decref(sh.out);
    return sh.changed ? CLI_DIFFERS : 0;
}

int cli_rules_diff(struct cli *c, const char *qube, const char *file)
{
    CLEANUP_FREE char *text = NULL;
    CLEANUP_FREE char *now = NULL;
    struct fw_items want = {0}, have = {0};
    struct problems p = {0};
    int r = read_list(file, &text, &want, &p);

    r = r ? say_problems(c, &p) : fetch_list(c, qube, &now);
    if (!r && fw_items_parse(text_of(now), "sysqubed", 0, &have, &p))
        r = say_problems(c, &p);
    if (!r)
        r = show_diff(c, qube, &have, &want);
    fw_items_free(&want);
    fw_items_free(&have);
    problems_free(&p);
    return r;
}

/* ---- edit ---- */

static int run_editor(const char *file)
{
    const char *ed = getenv("VISUAL");
    char words[256], *argv[EDITOR_WORDS_MAX + 2], *save = NULL;
    int n = 0, status;
    pid_t pid;

    if (!ed || !ed[0])
        ed = getenv("EDITOR");
    snprintf(words, sizeof(words), "%s", ed && ed[0] ? ed : "vi");
    for (char *w = strtok_r(words, " ", &save); w && n < EDITOR_WORDS_MAX;
         w = strtok_r(NULL, " ", &save))
        argv[n++] = w;
    argv[n++] = strdup(file);
    argv[n] = NULL;
    pid = fork();
    if (pid == 0) {
        execvp(argv[0], argv);
        fprintf(stderr, "sysqube: %s: %s\n", argv[0], err_text(err_last()));
        _exit(127);
    }
    free(argv[n - 1]);
    if (pid < 0)
        return err_last();
    /* Ctrl-C belongs to the editor */
    void (*old)(int) = signal(SIGINT, SIG_IGN);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    (void)signal(SIGINT, old);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECANCELED;
}

static bool again(void)
{
    char line[16];

    if (!isatty(STDIN_FILENO))
        return false;
    fprintf(stderr, "Edit again? [Y/n] ");
    return fgets(line, sizeof(line), stdin) && line[0] != 'n' && line[0] != 'N';
}

static int write_temp(const char *qube, const char *list, char *path,
                      size_t cap)
{
    CLEANUP_FREE char *text = NULL;
    const char *dir = getenv("TMPDIR");
    int fd, r;

    snprintf(path, cap, "%s/sysqube-%s-XXXXXX", dir && dir[0] ? dir : "/tmp",
             qube);
    if (asprintf(&text,
                 "# Rules of %s, one a line; the first that matches decides.\n"
                 "# Save and leave to put them in force.\n%s",
                 qube, list) < 0)
        return -ENOMEM;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return err_last();
    r = io_write_all(fd, text, strlen(text), 5000);
    close(fd);
    return r;
}

/* Until the list is right or the person has had enough. */
static int edit_loop(struct cli *c, const char *path, char **ret_text,
                     struct fw_items *ret)
{
    for (;;) {
        struct problems p = {0};
        int r = run_editor(path);

        if (r) {
            fprintf(stderr, "sysqube: the editor failed: %s\n", err_text(r));
            return CLI_FAILED;
        }
        r = read_list(path, ret_text, ret, &p);
        if (r)
            (void)say_problems(c, &p);
        problems_free(&p);
        if (!r)
            return 0;
        free(*ret_text);
        *ret_text = NULL;
        fw_items_free(ret);
        if (!again())
            return CLI_FAILED;
    }
}

int cli_rules_edit(struct cli *c, const char *qube)
{
    CLEANUP_FREE char *was = NULL;
    CLEANUP_FREE char *text = NULL;
    CLEANUP_FREE char *now = NULL;
    struct fw_items items = {0};
    char path[256];
    int r = fetch_list(c, qube, &was);

    if (r)
        return r;
    r = write_temp(qube, was, path, sizeof(path));
    if (r) {
        fprintf(stderr, "sysqube: %s: %s\n", path, err_text(r));
        return CLI_FAILED;
    }
    r = edit_loop(c, path, &text, &items);
    if (!r)
        now = fw_items_format(&items);
    if (!r && now && !strcmp(now, was))
        fprintf(stderr, "nothing changed\n");
    else if (!r)
        r = send_list(c, qube, path, text, was);
    if (r)
        fprintf(stderr, "sysqube: what you wrote is kept in %s\n", path);
    else
        (void)unlink(path);
    fw_items_free(&items);
    return r;
}

/* ---- check ---- */

/* Is there a firewall for this qube's rules? */
static void check_qube(const struct config *cfg, const char *qube,
                       struct problems *p)
{
    const struct config_qube *q = config_find(cfg, qube);

    if (!q)
        problems_add(p, NULL, 0, "there is no qube %s in %s", qube, cfg->dir);
    else if (!q->up || q->up->kind != KIND_FIREWALLVM)
        problems_add(p, q->file, 0,
                     "no firewall would enforce rules of %s; expected NetVM= "
                     "to name a qube of kind firewallvm",
                     qube);
}

int cli_rules_check(struct cli *c, const char *qube, const char *file)
{
    CLEANUP_FREE char *text = NULL;
    struct fw_items items = {0};
    struct problems p = {0}, others = {0};
    struct config cfg = {0};
    size_t keys = 0;
    int r = read_list(file, &text, &items, &p);

    /* what else may be wrong there is told by `sysqube check` */
    (void)config_load(c->config_dir, 0, &cfg, &others);
    if (!r)
        r = fw_profile_try(&cfg, &items,
                           strcmp(file, "-") ? file : "standard input", &keys,
                           &p);
    if (qube)
        check_qube(&cfg, qube, &p);
    if (problems_count(&p))
        r = say_problems(c, &p);
    else if (c->json)
        cli_show_problems_json(&p);
    else
        printf("%zu lines, %zu keys, no mistakes\n", items.n, keys);
    fw_items_free(&items);
    problems_free(&p);
    problems_free(&others);
    config_free(&cfg);
    return r ? CLI_FAILED : 0;
}
