/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a request on endpoint 0. pure. Fed by the qube (hostile);
 * see usb_filter.h. Numbers: USB 2.0, tables 9-2 to 9-6; USB 3.2, 9.4. */
#include "usbvm/protocol/usb_filter.h"

#include "lib/err.h"
#include "lib/mem.h"

enum { KIND_STANDARD, KIND_CLASS, KIND_VENDOR };
enum { TO_DEVICE, TO_INTERFACE, TO_ENDPOINT, TO_OTHER };

enum {
    GET_STATUS = 0,
    CLEAR_FEATURE = 1,
    SET_FEATURE = 3,
    SET_ADDRESS = 5,
    GET_DESCRIPTOR = 6,
    SET_DESCRIPTOR = 7,
    GET_CONFIGURATION = 8,
    SET_CONFIGURATION = 9,
    GET_INTERFACE = 10,
    SET_INTERFACE = 11,
    SYNCH_FRAME = 12,
    SET_SEL = 48,
    SET_ISOCH_DELAY = 49,
};

enum {
    FEATURE_HALT = 0,             /* endpoint */
    FEATURE_FUNCTION_SUSPEND = 0, /* interface */
    FEATURE_REMOTE_WAKEUP = 1,    /* the rest: device */
    FEATURE_TEST_MODE = 2,
    FEATURE_U1 = 48,
    FEATURE_U2 = 49,
    FEATURE_LTM = 50,
};

#define TYPE_DEVICE 1
#define TYPE_CLASS_FIRST 0x21 /* HID, HID report, physical, ... */
#define CLASS_HID 3
#define CLASS_PRINTER 7
#define CLASS_APPLICATION 0xfe
#define SUBCLASS_DFU 1
#define HID_SET_REPORT 9
#define PRINTER_GET_DEVICE_ID 0

struct request {
    bool in;
    uint8_t kind, to, request;
    uint16_t value, index, length;
};

static struct request read_setup(const uint8_t b[8])
{
    return (struct request){
        .in = b[0] & 0x80,
        .kind = (b[0] >> 5) & 3,
        .to = b[0] & 0x1f,
        .request = b[1],
        .value = (uint16_t)(b[2] | b[3] << 8),
        .index = (uint16_t)(b[4] | b[5] << 8),
        .length = (uint16_t)(b[6] | b[7] << 8),
    };
}

static struct usb_ep0 pass(void)
{
    return (struct usb_ep0){.kind = USB_EP0_PASS};
}

static struct usb_ep0 refuse(enum usb_reason why)
{
    return (struct usb_ep0){.kind = USB_EP0_REFUSE, .reason = why};
}

static struct usb_ep0 answer(const uint8_t *data, size_t len, uint16_t cut)
{
    return (struct usb_ep0){
        .kind = USB_EP0_ANSWER,
        .data = data,
        .data_len = len < cut ? (uint32_t)len : cut,
    };
}

/* One byte that outlives the answer: a table holds each. */
static struct usb_ep0 answer_byte(uint8_t v, uint16_t cut)
{
#define ROW(n) n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7
#define ROWS(n) ROW(n), ROW(n + 8), ROW(n + 16), ROW(n + 24)
    static const uint8_t BYTES[256] = {
        ROWS(0),   ROWS(32),  ROWS(64),  ROWS(96),
        ROWS(128), ROWS(160), ROWS(192), ROWS(224),
    };
#undef ROWS
#undef ROW

    return answer(&BYTES[v], 1, cut);
}

/* Endpoint 0 is always there, in both directions. */
static bool has_ep(const struct usb_snapshot *s, uint16_t index)
{
    return index <= UINT8_MAX &&
           ((index & 0x7f) == 0 || usb_snapshot_ep(s, (uint8_t)index));
}

/* wIndex of class requests: the number in its low byte, an entity of the
 * function in the high one. */
static const struct usb_alt *interface_of(const struct usb_snapshot *s,
                                          uint16_t index)
{
    return usb_snapshot_interface(s, (uint8_t)index);
}

/* ---- standard requests ---- */

static struct usb_ep0 get_status(const struct usb_snapshot *s,
                                 const struct request *q)
{
    if (q->to == TO_ENDPOINT)
        return has_ep(s, q->index) ? pass() : refuse(USB_REASON_FEATURE);
    if (q->to == TO_INTERFACE)
        return q->index <= UINT8_MAX && interface_of(s, q->index)
                   ? pass()
                   : refuse(USB_REASON_INTERFACE);
    return pass();
}

/* Power states are the host's own: there are none over a link. */
static struct usb_ep0 device_feature(uint16_t feature)
{
    switch (feature) {
    case FEATURE_REMOTE_WAKEUP:
    case FEATURE_U1:
    case FEATURE_U2:
    case FEATURE_LTM:
        return answer(NULL, 0, 0);
    case FEATURE_TEST_MODE:
        return refuse(USB_REASON_TEST_MODE);
    default:
        return refuse(USB_REASON_FEATURE);
    }
}

static struct usb_ep0 feature(const struct usb_snapshot *s,
                              const struct request *q)
{
    if (q->to == TO_DEVICE)
        return device_feature(q->value);
    if (q->to == TO_INTERFACE)
        return q->value == FEATURE_FUNCTION_SUSPEND && interface_of(s, q->index)
                   ? answer(NULL, 0, 0)
                   : refuse(USB_REASON_FEATURE);
    if (q->value != FEATURE_HALT || !has_ep(s, q->index))
        return refuse(USB_REASON_FEATURE);
    if ((q->index & 0x0f) == 0)
        return answer(NULL, 0, 0); /* a new request ends its halt */
    if (q->request == SET_FEATURE)
        return pass();
    return (struct usb_ep0){.kind = USB_EP0_CLEAR_HALT,
                            .ep = (uint8_t)q->index};
}

static struct usb_ep0 get_descriptor(const struct usb_snapshot *s,
                                     const struct request *q)
{
    uint8_t type = (uint8_t)(q->value >> 8);
    struct cur d;

    if (q->to == TO_INTERFACE)
        return type >= TYPE_CLASS_FIRST && q->index <= UINT8_MAX &&
                       interface_of(s, q->index)
                   ? pass()
                   : refuse(USB_REASON_DESCRIPTOR);
    if (q->to != TO_DEVICE ||
        usb_snapshot_descriptor(s, q->value, q->index, &d) < 0)
        return refuse(USB_REASON_DESCRIPTOR);
    struct usb_ep0 a = answer(d.p, d.left, q->length);
    a.device_descriptor = type == TYPE_DEVICE;
    return a;
}

static struct usb_ep0 set_configuration(const struct usb_snapshot *s,
                                        const struct request *q)
{
    if (q->value > UINT8_MAX ||
        !usb_snapshot_has_configuration(s, (uint8_t)q->value))
        return refuse(USB_REASON_CONFIGURATION);
    return (struct usb_ep0){.kind = USB_EP0_SET_CONFIGURATION,
                            .configuration = (uint8_t)q->value};
}

static struct usb_ep0 get_interface(const struct usb_snapshot *s,
                                    const struct request *q)
{
    int alt = q->index > UINT8_MAX
                  ? -ENOENT
                  : usb_snapshot_alternate(s, (uint8_t)q->index);

    return alt < 0 ? refuse(USB_REASON_INTERFACE)
                   : answer_byte((uint8_t)alt, q->length);
}

static struct usb_ep0 set_interface(const struct usb_snapshot *s,
                                    const struct request *q)
{
    if (q->value > UINT8_MAX || q->index > UINT8_MAX ||
        !usb_snapshot_has_interface(s, (uint8_t)q->index, (uint8_t)q->value))
        return refuse(USB_REASON_INTERFACE);
    return (struct usb_ep0){.kind = USB_EP0_SET_INTERFACE,
                            .interface = (uint8_t)q->index,
                            .alt = (uint8_t)q->value};
}

/* Direction and recipients of each standard request that is known. */
static bool form_ok(const struct request *q)
{
    static const struct {
        uint8_t request, in, to;
    } FORMS[] = {
        {GET_STATUS, 1, 1 << TO_DEVICE | 1 << TO_INTERFACE | 1 << TO_ENDPOINT},
        {CLEAR_FEATURE, 0,
         1 << TO_DEVICE | 1 << TO_INTERFACE | 1 << TO_ENDPOINT},
        {SET_FEATURE, 0, 1 << TO_DEVICE | 1 << TO_INTERFACE | 1 << TO_ENDPOINT},
        {SET_ADDRESS, 0, 1 << TO_DEVICE},
        {GET_DESCRIPTOR, 1, 1 << TO_DEVICE | 1 << TO_INTERFACE},
        {SET_DESCRIPTOR, 0, 1 << TO_DEVICE | 1 << TO_INTERFACE},
        {GET_CONFIGURATION, 1, 1 << TO_DEVICE},
        {SET_CONFIGURATION, 0, 1 << TO_DEVICE},
        {GET_INTERFACE, 1, 1 << TO_INTERFACE},
        {SET_INTERFACE, 0, 1 << TO_INTERFACE},
        {SYNCH_FRAME, 1, 1 << TO_ENDPOINT},
        {SET_SEL, 0, 1 << TO_DEVICE},
        {SET_ISOCH_DELAY, 0, 1 << TO_DEVICE},
    };

    for (size_t i = 0; i < ARRAY_LEN(FORMS); i++)
        if (FORMS[i].request == q->request)
            return FORMS[i].in == q->in && (FORMS[i].to >> q->to & 1);
    return false;
}

static struct usb_ep0 standard(const struct usb_snapshot *s,
                               const struct request *q)
{
    if (!form_ok(q))
        return refuse(USB_REASON_STANDARD);
    switch (q->request) {
    case GET_STATUS:
        return get_status(s, q);
    case CLEAR_FEATURE:
    case SET_FEATURE:
        return feature(s, q);
    case SET_ADDRESS:
        return refuse(USB_REASON_SET_ADDRESS);
    case GET_DESCRIPTOR:
        return get_descriptor(s, q);
    case SET_DESCRIPTOR:
        return refuse(USB_REASON_SET_DESCRIPTOR);
    case GET_CONFIGURATION:
        return answer_byte(usb_snapshot_configuration(s), q->length);
    case SET_CONFIGURATION:
        return set_configuration(s, q);
    case GET_INTERFACE:
        return get_interface(s, q);
    case SET_INTERFACE:
        return set_interface(s, q);
    case SYNCH_FRAME:
        return has_ep(s, q->index) ? pass() : refuse(USB_REASON_FEATURE);
    default: /* SET_SEL, SET_ISOCH_DELAY: the host controller's own */
        return answer(NULL, 0, 0);
    }
}

/* ---- requests of a class or a vendor ---- */

/* GET_DEVICE_ID alone has the interface in the high byte of wIndex and the
 * alternate setting in the low one (printer class, 4.2.1). */
static bool is_device_id(const struct usb_snapshot *s, const struct request *q)
{
    const struct usb_alt *a =
        usb_snapshot_interface(s, (uint8_t)(q->index >> 8));

    return q->in && q->request == PRINTER_GET_DEVICE_ID && a &&
           a->cls == CLASS_PRINTER;
}

static struct usb_ep0 class_interface(const struct usb_snapshot *s,
                                      const struct usb_policy *policy,
                                      const struct request *q)
{
    const struct usb_alt *a = interface_of(s, q->index);

    if (!a)
        return is_device_id(s, q) ? pass() : refuse(USB_REASON_INTERFACE);
    if (a->cls == CLASS_APPLICATION && a->sub == SUBCLASS_DFU && !policy->dfu)
        return refuse(USB_REASON_DFU);
    if (a->cls == CLASS_HID && q->request == HID_SET_REPORT &&
        !policy->set_report)
        return refuse(USB_REASON_SET_REPORT);
    return pass();
}

static struct usb_ep0 class_request(const struct usb_snapshot *s,
                                    const struct usb_policy *policy,
                                    const struct request *q)
{
    switch (q->to) {
    case TO_DEVICE:
        return policy->vendor ? pass() : refuse(USB_REASON_VENDOR);
    case TO_INTERFACE:
        return class_interface(s, policy, q);
    case TO_ENDPOINT:
        return has_ep(s, q->index & 0xff) ? pass()
                                          : refuse(USB_REASON_INTERFACE);
    default: /* ports of a hub */
        return refuse(USB_REASON_HUB_REQUEST);
    }
}

/* Where wIndex of a vendor request leads is the vendor's secret: without the
 * whole device only what names a granted part goes through. */
static struct usb_ep0 vendor_request(const struct usb_snapshot *s,
                                     const struct usb_policy *policy,
                                     const struct request *q)
{
    if (policy->vendor)
        return pass();
    if (q->to == TO_INTERFACE && interface_of(s, q->index))
        return pass();
    if (q->to == TO_ENDPOINT && (q->index & 0x0f) != 0 &&
        has_ep(s, q->index & 0xff))
        return pass();
    return refuse(USB_REASON_VENDOR);
}

struct usb_ep0 usb_filter_ep0(const struct usb_snapshot *s,
                              const struct usb_policy *policy,
                              const uint8_t setup[8])
{
    const struct request q = read_setup(setup);

    if (q.to > TO_OTHER)
        return refuse(USB_REASON_STANDARD);
    switch (q.kind) {
    case KIND_STANDARD:
        return standard(s, &q);
    case KIND_CLASS:
        return class_request(s, policy, &q);
    case KIND_VENDOR:
        return vendor_request(s, policy, &q);
    default:
        return refuse(USB_REASON_STANDARD);
    }
}
