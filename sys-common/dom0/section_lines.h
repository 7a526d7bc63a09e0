/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of one section of a qube's file, text to text; every other line and
 * comment stays byte for byte. pure. Fed by the administrator's file and
 * by words that were parsed. */
#ifndef SQ_DOM0_SECTION_LINES_H
#define SQ_DOM0_SECTION_LINES_H

#include <stddef.h>

#include "lib/parse.h"

/** Take lines out, and put one in behind the last line of the last such
 *  section with a key; a section that is missing is made at the end.
 *  @param head    as "[USB]"
 *  @param drop    numbers of lines from 1, any order; others are ignored
 *  @param add     "Key=value" without newline; NULL: none
 *  @param ret      malloc'ed, NUL terminated; caller frees
 *  @param ret_len  bytes without the NUL
 *  @return 0; -ENOMEM; -ENOBUFS the text would pass CONFIG_FILE_MAX */
int section_lines_edit(struct text file, const char *head, const unsigned *drop,
                       size_t n_drop, const char *add, char **ret,
                       size_t *ret_len);

/** Line number @p line from 1, without blanks at its ends.
 *  @return empty when there is none; points into @p file */
struct text section_lines_get(struct text file, unsigned line);

#endif
