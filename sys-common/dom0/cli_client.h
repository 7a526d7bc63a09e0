/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command's side of the control socket: one JSON object a line each
 * way. effect. Fed by sysqubed (trusted); lines are bounded all the same. */
#ifndef SQ_DOM0_CLI_CLIENT_H
#define SQ_DOM0_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#define CLI_SOCKET "/run/sysqube/control.sock"

struct cli_call {
    const char *socket;
    bool quiet; /* no progress on standard error */
    int ret_fd; /* descriptor that came with the answer; -1: none */
};

/** Send @p request (reference taken over) and wait for the final answer;
 *  progress lines go to standard error.
 *  @param ret  the answer, json_decref() by the caller; written on success
 *              and also when the daemon refused (-EREMOTEIO)
 *  @return 0; -EREMOTEIO the answer holds "error"; -ECONNREFUSED and other
 *  -errno the daemon cannot be reached; -EBADMSG its answer is no JSON */
int cli_call(struct cli_call *c, json_t *request, json_t **ret);

#endif
