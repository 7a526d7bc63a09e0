/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An aligned text table for people. pure until cli_table_print(). Fed by
 * answers of sysqubed; cells are cleaned of unprintable bytes, as some
 * began in a VM. */
#ifndef SQ_DOM0_CLI_TABLE_H
#define SQ_DOM0_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

#define CLI_COLUMNS_MAX 12
#define CLI_CELL_MAX 128

struct cli_table;

/** @param heads  @p n column titles, borrowed. @return NULL: no memory */
struct cli_table *cli_table_new(const char *const *heads, size_t n);
/** Append a row; @p cells has as many entries, NULL or "" shows "-".
 *  @return 0; -ENOMEM */
int cli_table_row(struct cli_table *t, const char *const *cells);
void cli_table_print(const struct cli_table *t, FILE *out);
void cli_table_free(struct cli_table *t);

#endif
