/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log process of firewallvmd: see log_main.c. glue. */
#ifndef SQ_FIREWALLVM_LOG_MAIN_H
#define SQ_FIREWALLVM_LOG_MAIN_H

/** Its one argument. */
#define LOG_ARG "log"

/** `firewallvmd log`, started by the worker with its socket as descriptor
 *  PRIVSEP_CHILD_FD. @return exit code */
int log_main(void);

#endif
