/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strict parsing of small text values. pure. Fed by configuration, rule
 * text, QubesDB values (all may be hostile). No locale, no sign, no blanks,
 * no leading zeros beyond a single 0, no octal, no overflow. */
#ifndef SQ_LIB_PARSE_H
#define SQ_LIB_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A borrowed piece of text, not NUL terminated. */
struct text {
    const char *p;
    size_t len;
};

struct text text_of(const char *s);
bool text_eq(struct text t, const char *s);

/** Decimal number of the whole text, @p min to @p max inclusive.
 *  @return 0; -EBADMSG no number or extra bytes; -ERANGE outside */
int parse_u32(struct text t, uint32_t min, uint32_t max, uint32_t *ret);
int parse_u64(struct text t, uint64_t min, uint64_t max, uint64_t *ret);

/** Cut the next piece up to @p sep off the front of @p rest.
 *  "a b" gives "a" then "b"; two separators in a row give an empty piece.
 *  @return true while there was a piece; false when @p rest was used up
 *  (rest->p == NULL) */
bool parse_split(struct text *rest, char sep, struct text *ret_piece);

/** Copy into a NUL-terminated buffer of @p cap bytes.
 *  @return 0; -ENOBUFS does not fit (dst untouched); -EBADMSG holds a NUL */
int text_copy(struct text t, char *dst, size_t cap);

/** Every byte is one of @p set. An empty text is true. */
bool text_only(struct text t, const char *set);

/** Every byte is printable ASCII 0x20..0x7e. An empty text is true. */
bool text_printable(struct text t);

#define PARSE_LOWER "abcdefghijklmnopqrstuvwxyz"
#define PARSE_UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define PARSE_DIGIT "0123456789"

/** A qube's name: 1..31 of [A-Za-z0-9_.-], a letter first, not "Domain-0",
 *  "none" or "default", not ending in "-dm" (spec/xen-toolstack.md, VM
 *  names). @return 0; -EBADMSG */
int parse_qube_name(struct text t);

/** A MAC address aa:bb:cc:dd:ee:ff, unicast, any letter case.
 *  @return 0; -EBADMSG */
int parse_mac(struct text t, uint8_t ret_mac[6]);

/** Where a PCI function sits. */
struct pci_addr {
    uint16_t domain;
    uint8_t bus;
    uint8_t dev;  /* 0..31 */
    uint8_t func; /* 0..7 */
};
/** A PCI address [SSSS:]BB:DD.F, hexadecimal. @return 0; -EBADMSG */
int parse_pci(struct text t, struct pci_addr *ret);

#endif
