/* SPDX-License-Identifier: GPL-2.0-or-later */
/* USB policy of a qube. pure. See usb_policy.h. */
#include "dom0/usb_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/mem.h"

/* Ranks: the tier, then the literal digits of the class (0..6). */
#define RANK_TIER 8
#define TIER_ID 1
#define TIER_PORT 2

static const char *const mode_names[] = {"manual", "ask", "auto", "required"};

const char *usb_assign_mode_name(enum usb_assign_mode m)
{
    return mode_names[m];
}

int usb_assign_mode_parse(struct text t, enum usb_assign_mode *ret)
{
    if (text_eq(t, "ask-to-attach"))
        t = text_of(mode_names[USB_ASSIGN_ASK]);
    if (text_eq(t, "auto-attach"))
        t = text_of(mode_names[USB_ASSIGN_AUTO]);
    for (size_t i = 0; i < ARRAY_LEN(mode_names); i++) {
        if (text_eq(t, mode_names[i])) {
            *ret = (enum usb_assign_mode)i;
            return 0;
        }
    }
    return -EBADMSG;
}

/* ---- words ---- */

static int bad(char why[USB_WHY_MAX], struct text word, const char *what)
{
    snprintf(why, USB_WHY_MAX, "'%.*s' %s", word.len > 80 ? 80 : (int)word.len,
             word.p, what);
    return -EBADMSG;
}

/* "QUBE:2-1.3" */
static int parse_port(struct text word, struct usb_select *out)
{
    struct text rest = word, name;

    if (!parse_split(&rest, ':', &name) || !rest.p ||
        parse_qube_name(name) < 0 || usb_port_from_name(rest, &out->port) < 0)
        return -EBADMSG;
    return text_copy(name, out->usbvm, sizeof(out->usbvm));
}

static int take_word(struct text word, struct usb_select *out,
                     char why[USB_WHY_MAX])
{
    bool *seen;

    if (usb_class_parse(word, &out->cls) == 0)
        seen = &out->has_class;
    else if (usb_devid_parse(word, &out->id) == 0)
        seen = &out->has_id;
    else if (parse_port(word, out) == 0)
        seen = &out->has_port;
    else
        return bad(why, word,
                   "is no port (as sys-usb:2-1), identity (as 1234:abcd, "
                   "lower case) or class (as u08****, Storage)");
    if (*seen)
        return bad(why, word, "is a second word of its kind");
    *seen = true;
    return 0;
}

int usb_select_parse(struct text words, struct usb_select *ret,
                     char why[USB_WHY_MAX])
{
    struct usb_select out = {0};
    struct text word;

    while (parse_split(&words, ' ', &word)) {
        if (word.len > 0 && take_word(word, &out, why) < 0)
            return -EBADMSG;
    }
    if (!out.has_port && !out.has_id && !out.has_class)
        return bad(why, text_of(""), "names no device");
    *ret = out;
    return 0;
}

int usb_want_parse_ifaces(struct text t, struct usb_want *io)
{
    uint32_t mask = 0;
    struct text piece;

    if (t.len == 0)
        return -EBADMSG;
    while (parse_split(&t, ',', &piece)) {
        uint32_t n;

        if (parse_u32(piece, 0, USB_IFMAP_NUMBERS - 1, &n) < 0 ||
            mask >> n != 0)
            return -EBADMSG;
        mask |= 1u << n;
    }
    io->some = true;
    io->ifaces = mask;
    return 0;
}

int usb_want_parse_input(struct text t, struct usb_want *io)
{
    bool keyboard = false, pointer = false;
    struct text piece;

    while (parse_split(&t, ',', &piece)) {
        bool *which = text_eq(piece, "keyboard")  ? &keyboard
                      : text_eq(piece, "pointer") ? &pointer
                                                  : NULL;

        if (!which || *which)
            return -EBADMSG;
        *which = true;
    }
    if (!keyboard && !pointer)
        return -EBADMSG;
    io->evdev = true;
    io->keyboard = keyboard;
    io->pointer = pointer;
    return 0;
}

/* "key=" at the front of a word. */
static bool has_key(struct text word, const char *key, struct text *ret)
{
    size_t n = strlen(key);

    if (word.len < n || memcmp(word.p, key, n) != 0)
        return false;
    *ret = (struct text){word.p + n, word.len - n};
    return true;
}

int usb_want_parse_word(struct text word, struct usb_want *io)
{
    struct text v;

    if (has_key(word, "interfaces=", &v))
        return io->some ? -EEXIST : usb_want_parse_ifaces(v, io);
    if (has_key(word, "input=", &v))
        return io->evdev ? -EEXIST : usb_want_parse_input(v, io);
    return -ENOENT;
}

static int take_assign_word(struct text word, struct usb_assign *out,
                            char why[USB_WHY_MAX])
{
    int r = usb_want_parse_word(word, &out->want);

    if (r == -ENOENT)
        return take_word(word, &out->sel, why);
    return r ? bad(why, word,
                   "should be as interfaces=0,1 or input=keyboard,pointer, "
                   "each once")
             : 0;
}

int usb_assign_parse(struct text words, struct usb_assign *ret,
                     char why[USB_WHY_MAX])
{
    struct usb_assign out = {0};
    struct text word = {0};

    while (parse_split(&words, ' ', &word) && word.len == 0)
        ;
    if (word.len == 0 || usb_assign_mode_parse(word, &out.mode) < 0)
        return bad(why, word, "is no mode: manual, ask, auto or required");
    while (parse_split(&words, ' ', &word)) {
        if (word.len > 0 && take_assign_word(word, &out, why) < 0)
            return -EBADMSG;
    }
    if (!out.sel.has_port && !out.sel.has_id && !out.sel.has_class)
        return bad(why, text_of(usb_assign_mode_name(out.mode)),
                   "names no device");
    *ret = out;
    return 0;
}

/* ---- matching ---- */

static bool id_eq(const struct usb_devid *a, const struct usb_devid *b)
{
    return a->vendor_id == b->vendor_id && a->product_id == b->product_id &&
           a->has_serial == b->has_serial && a->has_codes == b->has_codes &&
           a->n_codes == b->n_codes &&
           (!a->has_serial || strcmp(a->serial, b->serial) == 0) &&
           memcmp(a->code, b->code, a->n_codes * sizeof(a->code[0])) == 0;
}

static bool class_eq(const struct usb_class *a, const struct usb_class *b)
{
    return a->n == b->n && memcmp(a->p, b->p, a->n * sizeof(a->p[0])) == 0;
}

bool usb_select_eq(const struct usb_select *a, const struct usb_select *b)
{
    return a->has_port == b->has_port && a->has_id == b->has_id &&
           a->has_class == b->has_class &&
           (!a->has_port || (strcmp(a->usbvm, b->usbvm) == 0 &&
                             usb_port_cmp(&a->port, &b->port) == 0)) &&
           (!a->has_id || id_eq(&a->id, &b->id)) &&
           (!a->has_class || class_eq(&a->cls, &b->cls));
}

static int class_rank(const struct usb_class *c, const struct usb_device *d,
                      const struct usb_iface *code)
{
    int best = -1;

    if (code)
        return usb_class_match(c, *code);
    for (unsigned i = 0; i < d->ifaces.n; i++) {
        int s = usb_class_match(c, d->ifaces.code[i]);

        best = s > best ? s : best;
    }
    for (unsigned i = 0; i < d->map.n; i++) {
        int s = usb_class_match(c, d->map.e[i].code);

        best = s > best ? s : best;
    }
    if (d->ifaces.n == 0 && d->map.n == 0) {
        /* Nothing known: only what stands for everything fits. */
        for (unsigned i = 0; i < c->n; i++)
            if (memcmp(c->p[i].digit, "******", 6) == 0)
                best = 0;
    }
    return best;
}

int usb_select_rank(const struct usb_select *s, const struct usb_device *d,
                    const struct usb_iface *code)
{
    int rank = 0, literals = 0;

    if (s->has_port) {
        if (strcmp(s->usbvm, d->usbvm) != 0 ||
            usb_port_cmp(&s->port, &d->port) != 0)
            return -1;
        rank += TIER_PORT * RANK_TIER;
    }
    if (s->has_id) {
        if (!usb_devid_match(&s->id, &d->ident, &d->ifaces))
            return -1;
        rank += TIER_ID * RANK_TIER;
    }
    if (s->has_class)
        literals = class_rank(&s->cls, d, code);
    return literals < 0 ? -1 : rank + literals;
}

/* Does the best line for this interface allow it? */
static bool one_allowed(const struct usb_policy *p, const struct usb_device *d,
                        const struct usb_iface *code, unsigned *ret_line)
{
    const struct usb_line *by = NULL;
    int best = -1;

    for (size_t i = 0; i < p->n_lines; i++) {
        const struct usb_line *l = &p->lines[i];
        int rank = usb_select_rank(&l->sel, d, code);

        if (rank < 0 || rank < best ||
            (rank == best && (l->allow || !by->allow)))
            continue;
        best = rank;
        by = l;
    }
    *ret_line = by ? by->line : 0;
    return !by || by->allow;
}

static bool wanted(const struct usb_want *w, unsigned number)
{
    return !w || !w->some || (w->ifaces >> number & 1);
}

/* false when this interface is refused: @p ret then says so. */
static bool rule_one(const struct usb_policy *p, const struct usb_device *d,
                     const struct usb_iface *code, int number,
                     struct usb_ruling *ret)
{
    unsigned line;

    if (one_allowed(p, d, code, &line))
        return true;
    *ret = (struct usb_ruling){.line = line, .number = number};
    if (code) {
        ret->has_code = true;
        ret->code = *code;
    }
    return false;
}

void usb_policy_rule(const struct usb_policy *p, const struct usb_device *d,
                     const struct usb_want *want, struct usb_ruling *ret)
{
    /* A number that is not known may be any interface. */
    bool some =
        want && want->some && (want->ifaces & ~usb_ifmap_numbers(&d->map)) == 0;

    if (!some)
        want = NULL;
    *ret = (struct usb_ruling){.allowed = true, .number = -1};
    for (unsigned i = 0; i < d->map.n; i++) {
        const struct usb_ifmap_entry *e = &d->map.e[i];

        if (wanted(want, e->number) &&
            !rule_one(p, d, &e->code, e->number, ret))
            return;
    }
    /* All of it: also what the map does not have. */
    for (unsigned i = 0; !some && i < d->ifaces.n; i++) {
        if (!rule_one(p, d, &d->ifaces.code[i], -1, ret))
            return;
    }
    if (d->map.n == 0 && d->ifaces.n == 0)
        (void)rule_one(p, d, NULL, -1, ret);
}

const struct usb_assign *usb_policy_assigned(const struct usb_policy *p,
                                             const struct usb_device *d,
                                             int *ret_rank)
{
    const struct usb_assign *a = NULL;
    int best = -1;

    for (size_t i = 0; i < p->n_assigns; i++) {
        int rank = usb_select_rank(&p->assigns[i].sel, d, NULL);

        if (rank > best) {
            best = rank;
            a = &p->assigns[i];
        }
    }
    if (a && ret_rank)
        *ret_rank = best;
    return a;
}

/* ---- lists ---- */

int usb_policy_add_line(struct usb_policy *p, const struct usb_line *l)
{
    struct usb_line *v;

    if (p->n_lines == USB_LINES_MAX)
        return -ENOBUFS;
    v = reallocarray(p->lines, p->n_lines + 1, sizeof(*v));
    if (!v)
        return -ENOMEM;
    p->lines = v;
    p->lines[p->n_lines++] = *l;
    return 0;
}

int usb_policy_add_assign(struct usb_policy *p, const struct usb_assign *a)
{
    struct usb_assign *v;

    if (p->n_assigns == USB_ASSIGNS_MAX)
        return -ENOBUFS;
    v = reallocarray(p->assigns, p->n_assigns + 1, sizeof(*v));
    if (!v)
        return -ENOMEM;
    p->assigns = v;
    p->assigns[p->n_assigns++] = *a;
    return 0;
}

void usb_policy_free(struct usb_policy *p)
{
    free(p->lines);
    free(p->assigns);
    *p = (struct usb_policy){0};
}
