/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A person at a qube's console. effect. */
#ifndef SQ_DOM0_CLI_CONSOLE_H
#define SQ_DOM0_CLI_CONSOLE_H

/** Pass bytes between the terminal and @p fd until Ctrl-], end of input or
 *  the console's end; the terminal is raw meanwhile. Without a terminal on
 *  standard input the bytes are piped.
 *  @return 0; -errno */
int cli_console(int fd);

#endif
