/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input events. pure. See usb_input.h. */
#include "usbvm/protocol/usb_input.h"

#include <linux/input-event-codes.h>
#include <string.h>

#include "device/usb_grant.h"
#include "lib/err.h"
#include "lib/mem.h"

#define MODIFIER_FIRST 0xe0 /* usage of the left control key */
#define ROLLOVER 1          /* usage: too many keys at once */
#define BUTTONS 8

/* By usage. USB HID usage tables, page 7; what is not there sends nothing. */
static const uint16_t keys[256] = {
    [0x04] = KEY_A,  KEY_B,
    KEY_C,           KEY_D,
    KEY_E,           KEY_F,
    KEY_G,           KEY_H,
    KEY_I,           KEY_J,
    KEY_K,           KEY_L,
    KEY_M,           KEY_N,
    KEY_O,           KEY_P,
    KEY_Q,           KEY_R,
    KEY_S,           KEY_T,
    KEY_U,           KEY_V,
    KEY_W,           KEY_X,
    KEY_Y,           KEY_Z,
    KEY_1,           KEY_2,
    KEY_3,           KEY_4,
    KEY_5,           KEY_6,
    KEY_7,           KEY_8,
    KEY_9,           KEY_0,
    KEY_ENTER,       KEY_ESC,
    KEY_BACKSPACE,   KEY_TAB,
    KEY_SPACE,       KEY_MINUS,
    KEY_EQUAL,       KEY_LEFTBRACE,
    KEY_RIGHTBRACE,  KEY_BACKSLASH,
    KEY_BACKSLASH, /* the key beside Enter of keyboards outside the US */
    KEY_SEMICOLON,   KEY_APOSTROPHE,
    KEY_GRAVE,       KEY_COMMA,
    KEY_DOT,         KEY_SLASH,
    KEY_CAPSLOCK,    KEY_F1,
    KEY_F2,          KEY_F3,
    KEY_F4,          KEY_F5,
    KEY_F6,          KEY_F7,
    KEY_F8,          KEY_F9,
    KEY_F10,         KEY_F11,
    KEY_F12,         KEY_SYSRQ,
    KEY_SCROLLLOCK,  KEY_PAUSE,
    KEY_INSERT,      KEY_HOME,
    KEY_PAGEUP,      KEY_DELETE,
    KEY_END,         KEY_PAGEDOWN,
    KEY_RIGHT,       KEY_LEFT,
    KEY_DOWN,        KEY_UP,
    KEY_NUMLOCK,     KEY_KPSLASH,
    KEY_KPASTERISK,  KEY_KPMINUS,
    KEY_KPPLUS,      KEY_KPENTER,
    KEY_KP1,         KEY_KP2,
    KEY_KP3,         KEY_KP4,
    KEY_KP5,         KEY_KP6,
    KEY_KP7,         KEY_KP8,
    KEY_KP9,         KEY_KP0,
    KEY_KPDOT,       KEY_102ND,
    KEY_COMPOSE,     [0x67] = KEY_KPEQUAL,
    KEY_F13,         KEY_F14,
    KEY_F15,         KEY_F16,
    KEY_F17,         KEY_F18,
    KEY_F19,         KEY_F20,
    KEY_F21,         KEY_F22,
    KEY_F23,         KEY_F24,
    [0x87] = KEY_RO, KEY_KATAKANAHIRAGANA,
    KEY_YEN,         KEY_HENKAN,
    KEY_MUHENKAN,    [0x90] = KEY_HANGEUL,
    KEY_HANJA,       [MODIFIER_FIRST] = KEY_LEFTCTRL,
    KEY_LEFTSHIFT,   KEY_LEFTALT,
    KEY_LEFTMETA,    KEY_RIGHTCTRL,
    KEY_RIGHTSHIFT,  KEY_RIGHTALT,
    KEY_RIGHTMETA,
};

void usb_input_encode(const struct usb_input *e, uint8_t ret[USB_INPUT_BYTES])
{
    uint32_t v = (uint32_t)e->value;

    ret[0] = (uint8_t)e->type;
    ret[1] = (uint8_t)(e->type >> 8);
    ret[2] = (uint8_t)e->code;
    ret[3] = (uint8_t)(e->code >> 8);
    for (int i = 0; i < 4; i++)
        ret[4 + i] = (uint8_t)(v >> 8 * i);
}

struct usb_input usb_input_decode(const uint8_t bytes[USB_INPUT_BYTES])
{
    uint32_t v = 0;

    for (int i = 3; i >= 0; i--)
        v = v << 8 | bytes[4 + i];
    return (struct usb_input){
        .type = (uint16_t)(bytes[0] | bytes[1] << 8),
        .code = (uint16_t)(bytes[2] | bytes[3] << 8),
        .value = (int32_t)v,
    };
}

uint16_t usb_input_key(uint8_t usage)
{
    return keys[usage];
}

static int add(struct usb_input *ret, int n, uint16_t type, uint16_t code,
               int32_t value)
{
    ret[n] = (struct usb_input){type, code, value};
    return n + 1;
}

static int add_key(struct usb_input *ret, int n, uint8_t usage, bool down)
{
    return keys[usage] ? add(ret, n, EV_KEY, keys[usage], down) : n;
}

static int end(struct usb_input *ret, int n)
{
    return n > 0 ? add(ret, n, EV_SYN, SYN_REPORT, 0) : 0;
}

static bool holds(const uint8_t list[6], uint8_t usage)
{
    return memchr(list, usage, 6) != NULL;
}

/* A usage that stands twice in a report counts once. */
static bool first_at(const uint8_t list[6], int i)
{
    return memchr(list, list[i], (size_t)i) == NULL;
}

int usb_input_keyboard(struct usb_keyboard *k, const uint8_t *report,
                       size_t len, struct usb_input ret[USB_INPUT_GROUP])
{
    struct usb_keyboard now;
    int n = 0;

    if (len < 8)
        return -EBADMSG;
    now.modifiers = report[0];
    memcpy(now.keys, report + 2, sizeof(now.keys));
    if (holds(now.keys, ROLLOVER))
        return 0;
    for (unsigned i = 0; i < 8; i++) {
        uint8_t bit = (uint8_t)(1u << i);
        if ((now.modifiers ^ k->modifiers) & bit)
            n = add_key(ret, n, (uint8_t)(MODIFIER_FIRST + i),
                        now.modifiers & bit);
    }
    for (int i = 0; i < 6; i++)
        if (!holds(now.keys, k->keys[i]) && first_at(k->keys, i))
            n = add_key(ret, n, k->keys[i], false);
    for (int i = 0; i < 6; i++)
        if (!holds(k->keys, now.keys[i]) && first_at(now.keys, i))
            n = add_key(ret, n, now.keys[i], true);
    *k = now;
    return end(ret, n);
}

int usb_input_mouse(struct usb_mouse *m, const uint8_t *report, size_t len,
                    struct usb_input ret[USB_INPUT_GROUP])
{
    static const uint16_t axes[] = {REL_X, REL_Y, REL_WHEEL};
    int n = 0;

    if (len < 3)
        return -EBADMSG;
    for (unsigned i = 0; i < BUTTONS; i++) {
        uint8_t bit = (uint8_t)(1u << i);
        if ((report[0] ^ m->buttons) & bit)
            n = add(ret, n, EV_KEY, (uint16_t)(BTN_MOUSE + i),
                    (report[0] & bit) != 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(axes) && i + 1 < len; i++)
        if (report[i + 1] != 0)
            n = add(ret, n, EV_REL, axes[i], (int8_t)report[i + 1]);
    m->buttons = report[0];
    return end(ret, n);
}

static bool is_key(uint16_t code)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i] == code)
            return code != 0;
    return false;
}

int usb_input_check(const struct usb_input *untrusted, unsigned kinds)
{
    const struct usb_input *u = untrusted;
    bool good = false;

    if (u->type == EV_SYN)
        good = u->code == SYN_REPORT && u->value == 0;
    if (u->type == EV_KEY && (u->value == 0 || u->value == 1))
        good = ((kinds & USB_EVENTS_KEYBOARD) && is_key(u->code)) ||
               ((kinds & USB_EVENTS_POINTER) && u->code >= BTN_MOUSE &&
                u->code < BTN_MOUSE + BUTTONS);
    if (u->type == EV_REL && (kinds & USB_EVENTS_POINTER))
        good = (u->code == REL_X || u->code == REL_Y || u->code == REL_WHEEL) &&
               u->value >= -USB_INPUT_REL_MAX && u->value <= USB_INPUT_REL_MAX;
    return good ? 0 : -EPROTO;
}

int usb_input_check_led(const struct usb_input *untrusted)
{
    const struct usb_input *u = untrusted;

    return u->type == EV_LED && u->code < USB_INPUT_LEDS &&
                   (u->value == 0 || u->value == 1)
               ? 0
               : -EPROTO;
}
