/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The administrator's command: words to one request of sysqubed, its answer
 * to a table or, with --json, as it came. glue. Fed by the administrator and
 * by sysqubed. Exit status: 0 done, 1 refused or failed, 2 wrong usage,
 * 3 the daemon cannot be reached. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/cli.h"
#include "dom0/cli_client.h"
#include "dom0/cli_console.h"
#include "dom0/config_load.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

static json_t *names_array(char **argv, int argc)
{
    json_t *a = json_array();

    for (int i = 0; i < argc; i++)
        json_array_append_new(a, json_string(argv[i]));
    return a;
}

int cli_ask(struct cli *c, json_t *request, json_t **ret)
{
    json_t *answer = NULL;
    int r = cli_call(&c->call, request, &answer);

    *ret = NULL;
    if (r == -EREMOTEIO) {
        if (c->json)
            cli_show_json(answer);
        else
            cli_show_error(answer);
        json_decref(answer);
        return CLI_FAILED;
    }
    if (r < 0) {
        fprintf(stderr,
                "sysqube: no answer on %s: %s\n"
                "Is sysqubed running? Try: systemctl status sysqubed\n",
                c->call.socket, err_text(r));
        return CLI_NO_DAEMON;
    }
    *ret = json_incref(json_object_get(answer, "ok"));
    json_decref(answer);
    if (*ret)
        return 0;
    fprintf(stderr, "sysqube: sysqubed gave an answer without a result\n");
    return CLI_FAILED;
}

int cli_ask_and_show(struct cli *c, json_t *request, cli_show_fn show)
{
    json_t *answer;
    int r = cli_ask(c, request, &answer);

    if (r)
        return r;
    if (c->json)
        cli_show_json(answer);
    else if (show)
        show(answer);
    json_decref(answer);
    return 0;
}

static int cmd_up(struct cli *c, int argc, char **argv)
{
    return cli_ask_and_show(
        c, json_pack("{s:s,s:o}", "op", "up", "names", names_array(argv, argc)),
        cli_show_done);
}

static int cmd_down(struct cli *c, int argc, char **argv)
{
    bool force = argc > 0 && strcmp(argv[0], "--force") == 0;

    if (force) {
        argc--;
        argv++;
    }
    return cli_ask_and_show(c,
                            json_pack("{s:s,s:o,s:b}", "op", "down", "names",
                                      names_array(argv, argc), "force", force),
                            cli_show_done);
}

static int cmd_status(struct cli *c, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return cli_ask_and_show(c, json_pack("{s:s}", "op", "status"),
                            cli_show_status);
}

static int cmd_netvm(struct cli *c, int argc, char **argv)
{
    if (argc != 2)
        return CLI_USAGE;
    return cli_ask_and_show(c,
                            json_pack("{s:s,s:s,s:s}", "op", "netvm", "qube",
                                      argv[0], "netvm", argv[1]),
                            cli_show_done);
}

static int cmd_keys(struct cli *c, int argc, char **argv)
{
    if (argc != 1)
        return CLI_USAGE;
    return cli_ask_and_show(
        c, json_pack("{s:s,s:s}", "op", "keys", "qube", argv[0]),
        cli_show_json);
}

static int cmd_quit(struct cli *c, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return cli_ask_and_show(c, json_pack("{s:s}", "op", "quit"), cli_show_done);
}

static int cmd_console(struct cli *c, int argc, char **argv)
{
    json_t *answer;

    if (argc != 1)
        return CLI_USAGE;
    int r = cli_ask(c, json_pack("{s:s,s:s}", "op", "console", "qube", argv[0]),
                    &answer);
    if (r)
        return r;
    json_decref(answer);
    CLEANUP_FD int fd = STEAL_FD(c->call.ret_fd);
    if (fd < 0) {
        fprintf(stderr, "sysqube: sysqubed sent no console\n");
        return CLI_FAILED;
    }
    fprintf(stderr, "console of %s, leave with Ctrl-]\n", argv[0]);
    r = cli_console(fd);
    fprintf(stderr, "\n");
    if (r < 0)
        fprintf(stderr, "sysqube: console: %s\n", err_text(r));
    return r < 0 ? CLI_FAILED : 0;
}

/* The configuration is checked here, without the daemon: it may be what
 * keeps the daemon from starting. */
static int cmd_check(struct cli *c, int argc, char **argv)
{
    struct config cfg = {0};
    struct problems p = {0};

    (void)argv;
    if (argc != 0)
        return CLI_USAGE;
    int r = config_load(c->config_dir, CONFIG_LOAD_IMAGES, &cfg, &p);
    if (c->json)
        cli_show_problems_json(&p);
    else
        cli_show_problems(&p, cfg.n);
    problems_free(&p);
    config_free(&cfg);
    return r < 0 ? CLI_FAILED : 0;
}

/* ---- main ---- */
static const struct command {
    const char *name;
    int (*run)(struct cli *c, int argc, char **argv);
    const char *args;
    const char *help;
} commands[] = {
    {"up", cmd_up, "[QUBE...]",
     "Start these qubes (default: those with Autostart=yes) and the netvms\n"
     "above them, in order; wait until each is wired."},
    {"down", cmd_down, "[--force] [QUBE...]",
     "End these qubes (default: all), a qube before its netvm. --force ends\n"
     "a netvm although running qubes hang on it."},
    {"status", cmd_status, "", "Show every qube and what its parts say."},
    {"check", cmd_check, "",
     "Read the configuration and list every mistake; starts nothing."},
    {"firewall", cli_firewall, CLI_FIREWALL_ARGS, CLI_FIREWALL_HELP},
    {"forward", cli_forward, CLI_FORWARD_ARGS, CLI_FORWARD_HELP},
    {"reach", cli_reach, CLI_REACH_ARGS, CLI_REACH_HELP},
    {"netvm", cmd_netvm, "QUBE NETVM|none",
     "Give a qube another netvm, or none; a running one is moved at once."},
    {"usb", cli_usb, CLI_USB_ARGS, CLI_USB_HELP},
    {"console", cmd_console, "QUBE",
     "Talk to a qube's console; leave with Ctrl-]."},
    {"keys", cmd_keys, "QUBE",
     "Show the keys a qube shall have and those it reported."},
    {"quit", cmd_quit, "", "End all qubes and the daemon."},
};

static void usage(FILE *out, const struct command *only)
{
    fprintf(out, "usage: sysqube [--json] [--quiet] [--socket PATH] "
                 "[--config DIR] COMMAND ...\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const struct command *cmd = &commands[i];
        if (!only)
            fprintf(out, "  %-9s %s\n", cmd->name, cmd->args);
        else if (only == cmd)
            fprintf(out, "  %-9s %s\n\n%s\n", cmd->name, cmd->args, cmd->help);
    }
    if (!only)
        fprintf(out, "\n`sysqube COMMAND --help` says more; see sysqube(1)."
                     "\n");
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* Options that may stand before or behind the command's name; those of the
 * command are left in place. @return the new argc */
static int take_common(struct cli *c, int argc, char **argv, bool *help)
{
    int n = 0;

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            c->json = true;
        else if (strcmp(argv[i], "--quiet") == 0)
            c->call.quiet = true;
        else if (strcmp(argv[i], "--help") == 0)
            *help = true;
        else if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc)
            c->call.socket = argv[++i];
        else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            c->config_dir = argv[++i];
        else
            argv[n++] = argv[i];
    }
    return n;
}

int main(int argc, char **argv)
{
    struct cli c = {.call = {.socket = CLI_SOCKET, .ret_fd = -1},
                    .config_dir = CONFIG_DIR};
    const char *env = getenv("SYSQUBE_SOCKET");
    bool help = false;

    log_init("sysqube", LOG_LEVEL_WARN);
    if (env && env[0])
        c.call.socket = env;
    argc = take_common(&c, argc - 1, argv + 1, &help);
    argv++;
    if (argc > 0 && strcmp(argv[0], "--version") == 0) {
        printf("sysqube %s\n", SQ_VERSION);
        return 0;
    }
    const struct command *cmd = argc > 0 ? find(argv[0]) : NULL;
    if (help) {
        usage(stdout, cmd);
        return 0;
    }
    if (!cmd) {
        if (argc > 0)
            fprintf(stderr, "sysqube: unknown command '%s'\n", argv[0]);
        usage(stderr, NULL);
        return CLI_USAGE;
    }
    c.call.quiet |= c.json;
    int r = cmd->run(&c, argc - 1, argv + 1);
    if (r == CLI_USAGE)
        usage(stderr, cmd);
    return r;
}
