/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two halves of firewallvmd as main() calls them. */
#ifndef SQ_FIREWALLVM_WORKER_H
#define SQ_FIREWALLVM_WORKER_H

/** The unprivileged half: QubesDB in, records out. Returns only to exit.
 *  @return exit code: 0 asked to start anew, 1 an error (logged) */
int worker_main(void);

#endif
