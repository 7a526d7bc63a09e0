/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input devices as events in place of raw USB: reports of boot keyboards and
 * boot mice to events, and the check of events. pure. Fed by the device and,
 * in the user qube, by the USBVM (both hostile). Rules: HID 1.11, appendix B
 * and the usage table "Keyboard"; docs/protocol-usb.md, "Input".
 *
 * Over the control channel go records of 8 bytes, little-endian. The first
 * one of the USBVM is a hello; from then on it sends events, each group ended
 * by EV_SYN, and the qube sends EV_LED. Codes are those of Linux. */
#ifndef SQ_USBVM_PROTOCOL_USB_INPUT_H
#define SQ_USBVM_PROTOCOL_USB_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USB_INPUT_BYTES 8
#define USB_INPUT_HELLO 0xff01u /* type; code: version, value: USB_EVENTS_* */
#define USB_INPUT_VERSION 1
#define USB_INPUT_LEDS 5 /* LED_NUML, CAPSL, SCROLLL, COMPOSE, KANA */
/* Events that one report can make, with its EV_SYN. */
#define USB_INPUT_GROUP 24
#define USB_INPUT_REL_MAX 128 /* a boot mouse moves by 8 bits */

struct usb_input {
    uint16_t type, code;
    int32_t value;
};

void usb_input_encode(const struct usb_input *e, uint8_t ret[USB_INPUT_BYTES]);
struct usb_input usb_input_decode(const uint8_t bytes[USB_INPUT_BYTES]);

/** What a device's last report said. Start with {0}. */
struct usb_keyboard {
    uint8_t modifiers;
    uint8_t keys[6];
};
struct usb_mouse {
    uint8_t buttons;
};

/** Events of one report against the last one.
 *  @param report  as the device sent it: 8 bytes or more, of which the first
 *                 8 count; a rollover report changes nothing
 *  @param ret     events with EV_SYN behind them
 *  @return how many, 0 when nothing has changed; -EBADMSG too short */
int usb_input_keyboard(struct usb_keyboard *k, const uint8_t *report,
                       size_t len, struct usb_input ret[USB_INPUT_GROUP]);
/** @param report  buttons, x, y and, if there, the wheel */
int usb_input_mouse(struct usb_mouse *m, const uint8_t *report, size_t len,
                    struct usb_input ret[USB_INPUT_GROUP]);

/** May this event go to a qube that was granted @p kinds (USB_EVENTS_*)?
 *  @return 0; -EPROTO */
int usb_input_check(const struct usb_input *untrusted, unsigned kinds);
/** Is it the state of a LED? @return 0; -EPROTO */
int usb_input_check_led(const struct usb_input *untrusted);

/** The codes a keyboard may send, in ascending order of usage.
 *  @param usage  0..255 @return KEY_*; 0 none */
uint16_t usb_input_key(uint8_t usage);

#endif
