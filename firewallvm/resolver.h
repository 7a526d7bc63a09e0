/* SPDX-License-Identifier: GPL-2.0-or-later */
/* firewallvmd's resolver as main() calls it. */
#ifndef SQ_FIREWALLVM_RESOLVER_H
#define SQ_FIREWALLVM_RESOLVER_H

#define RESOLVER_ARG "resolver"

/** The process that speaks with DNS servers: records of resolver_record.h on
 *  descriptor PRIVSEP_CHILD_FD. Returns only to exit.
 *  @return exit code: 0 the worker is gone, 1 an error (logged) */
int resolver_main(void);

#endif
