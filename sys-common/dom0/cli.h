/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the sysqube command: asking the daemon, how its answers are
 * shown to a person, and the larger subcommands. effect (standard output).
 * Fed by sysqubed; texts that began in a VM are cleaned by the table. */
#ifndef SQ_DOM0_CLI_H
#define SQ_DOM0_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "dom0/cli_client.h"
#include "dom0/problems.h"

enum cli_exit {
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_NO_DAEMON = 3,
    CLI_DROPPED = 3, /* firewall explain, which needs no daemon */
    CLI_DIFFERS = 4, /* firewall diff */
    CLI_DEPENDS = 4  /* firewall explain */
};

struct cli {
    struct cli_call call;
    const char *config_dir;
    bool json;
};

/** Ask the daemon; what is wrong, if anything, is said already.
 *  @param request  reference taken over
 *  @param ret      the result in the answer, owned by the caller; NULL
 *                  unless 0 is returned
 *  @return 0; an exit status */
int cli_ask(struct cli *c, json_t *request, json_t **ret);

typedef void (*cli_show_fn)(const json_t *answer);
/** The same, and show the result: as JSON, or by @p show if there is one. */
int cli_ask_and_show(struct cli *c, json_t *request, cli_show_fn show);

#define CLI_FIREWALL_ARGS                                                      \
    "list [-r] [--raw | --counters] QUBE | add [--before N] QUBE RULE... |\n"  \
    "                 del QUBE (--rule-no N | RULE...) | reset QUBE |\n"       \
    "                 apply QUBE FILE | diff QUBE FILE | edit QUBE |\n"        \
    "                 check [QUBE] FILE | reload [QUBE...] |\n"                \
    "                 explain [-v] QUBE HOST[:PORT] [PROTO [ICMPTYPE]] |\n"    \
    "                 top [--once] [QUBE...] | log [-f] [QUBE...]"
#define CLI_FIREWALL_HELP                                                      \
    "Show or change a qube's rules. A change returns when it is in force.\n"   \
    "RULE: ACTION [HOST [PROTO [PORTS|ICMPTYPE]]] or key=value words:\n"       \
    "action= dst4= dst6= dsthost= proto= dstports= icmptype= specialtarget=\n" \
    "expire= comment=; or include PROFILE. Example:\n"                         \
    "  sysqube firewall add work accept 198.51.100.10/32 tcp 80,443\n"         \
    "apply replaces the whole list at once, by the lines of FILE (- is the\n"  \
    "standard input); diff shows what apply would change (status 4: it\n"      \
    "would), edit opens the list in $EDITOR, check only reads FILE. reload\n"  \
    "reads rules and profiles again and has names resolved anew.\n"            \
    "explain says which rule decides a new connection of the qube, and with\n" \
    "-v why those before it do not; status 0 accept, 3 drop, 4 it depends.\n"  \
    "top shows what the firewalls count, with a QUBE also for each of its\n"   \
    "rules; log the last blocked packets and why, -f also those that come."
int cli_firewall(struct cli *c, int argc, char **argv);
/** Subcommands over whole lists; arguments behind the subcommand's name.
 *  @return 0; an exit status */
int cli_rules_apply(struct cli *c, const char *qube, const char *file);
int cli_rules_diff(struct cli *c, const char *qube, const char *file);
int cli_rules_edit(struct cli *c, const char *qube);
/** @param qube  NULL: no particular one */
int cli_rules_check(struct cli *c, const char *qube, const char *file);
/** Which rule decides; the configuration is read here.
 *  @param argv  HOST[:PORT] [PROTO [ICMPTYPE]]
 *  @return 0 accept; CLI_DROPPED; CLI_DEPENDS; CLI_FAILED; CLI_USAGE */
int cli_explain(struct cli *c, const char *qube, int argc, char **argv,
                bool verbose);

/** What the firewalls count, every second until the reader ends it.
 *  @param names  @p n qubes, whose rules are shown as well; 0: all
 *  @param once   only once, and fresh. @return 0; an exit status */
int cli_top(struct cli *c, char **names, int n, bool once);
/** The counters of one qube's rules. @return as cli_top() */
int cli_counters(struct cli *c, char *qube);
/** The last blocked packets. @param follow  and those that come
 *  @return as cli_top() */
int cli_log(struct cli *c, char **names, int n, bool follow);

#define CLI_FORWARD_ARGS                                                       \
    "list | add QUBE tcp|udp UPLINKPORT PORT [from NETWORK] |\n"               \
    "                 del QUBE tcp|udp UPLINKPORT"
#define CLI_FORWARD_HELP                                                       \
    "Show or change which ports of a NetVM's uplink lead to a qube."
int cli_forward(struct cli *c, int argc, char **argv);
#define CLI_REACH_ARGS                                                         \
    "list | add QUBE TO tcp|udp|icmp|any [PORT[-PORT]] |\n"                    \
    "                 del QUBE TO [tcp|udp|icmp|any [PORT[-PORT]]]"
#define CLI_REACH_HELP                                                         \
    "Show or change which qube may open connections to which other one."
int cli_reach(struct cli *c, int argc, char **argv);

#define CLI_USB_ARGS                                                           \
    "list | info DEVICE | stats |\n"                                           \
    "                 attach QUBE DEVICE [interfaces=N,...] "                  \
    "[input=keyboard,pointer] |\n"                                             \
    "                 detach [QUBE] DEVICE | policy QUBE |\n"                  \
    "                 deny QUBE DEVICES | allow QUBE DEVICES |\n"              \
    "                 assign QUBE MODE DEVICES [interfaces=..] [input=..] |\n" \
    "                 unassign QUBE DEVICES"
#define CLI_USB_HELP                                                           \
    "Show the devices of the USBVMs, and give one to a qube or take it "       \
    "back.\n"                                                                  \
    "attach returns when the qube has the device, or says why it has not; "    \
    "then\n"                                                                   \
    "nothing is left attached. DEVICE: its port (sys-usb:2-1), its identity\n" \
    "(1234:abcd), or part of its name. interfaces= hands over only these,\n"   \
    "input= only input events instead of the device. Example:\n"               \
    "  sysqube usb attach work sys-usb:2-1\n"                                  \
    "deny, allow, assign and unassign change the lines of the qube's file,\n"  \
    "which policy shows; what is denied is detached at once. MODE: manual,\n"  \
    "ask, auto, required. DEVICES: words that must all fit, as in\n"           \
    "  sysqube usb deny work u03****\n"                                        \
    "  sysqube usb assign work auto sys-usb:2-1 1234:abcd"
int cli_usb(struct cli *c, int argc, char **argv);

/** The whole answer as indented JSON. */
void cli_show_json(const json_t *answer);
/** {"error":{"qube","step","message","hint"}} on standard error. */
void cli_show_error(const json_t *answer);
/** "warnings":[text] and "message":text, when there are any. */
void cli_show_done(const json_t *answer);
void cli_show_status(const json_t *answer);
void cli_show_rules(const json_t *answer);
void cli_show_rules_raw(const json_t *answer);

/** Every complaint about the configuration, or that there are none.
 *  @param qubes  how many qubes it describes */
void cli_show_problems(const struct problems *p, size_t qubes);
void cli_show_problems_json(const struct problems *p);

#endif
