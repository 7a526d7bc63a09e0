/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of hexadecimal bytes with remarks, for golden PDUs and test
 * devices. effect (reads one file). Fed by: files of the tree. Form: "#"
 * begins a remark, "> " an expected line, anything else is bytes. */
#ifndef SQ_TESTS_HEXFILE_H
#define SQ_TESTS_HEXFILE_H

#include <stddef.h>
#include <stdint.h>

/** Read a file below the top folder (the tests' working directory).
 *  @param text  receives the expected lines, each with its newline; may be
 *               NULL
 *  @return bytes read; the test fails when the file is bad or too long */
size_t hexfile_read(const char *path, uint8_t *raw, size_t cap, char *text,
                    size_t text_cap);
/** Read a file of raw bytes. @return bytes read; 0 there is no such file */
size_t rawfile_read(const char *path, uint8_t *raw, size_t cap);

#endif
