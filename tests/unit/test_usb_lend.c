/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lend: the life of a device between plug and unplug, every way a loan may
 * end, and a property test of random events (its seed is printed). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/mem.h"
#include "usbvm/backend/lend.h"
#include "usbvm/protocol/usb_dset.h"

#define FIRST_GEN 100
#define JOBS 4096

enum kind { NONE, PROBE, RESET, HUB, LEND, STOPPED };

/* What the ops were asked, and what stands in the keys. */
struct world {
    struct lend *l;
    uint32_t last;
    enum kind job[JOBS]; /* running ones; NONE: ended */
    struct usb_seen dev[JOBS];
    int fail; /* of the next start */
    char key[2][LEND_KEYS][USB_GRANT_TEXT_MAX];
};

static int begin(struct world *w, uint32_t job, enum kind kind,
                 const struct usb_seen *dev)
{
    assert_in_range(job, 1, JOBS - 1);
    if (w->fail)
        return w->fail;
    w->last = job;
    w->job[job] = kind;
    w->dev[job] = *dev;
    return 0;
}

static int on_probe(uint32_t job, const struct usb_seen *dev, bool reset,
                    void *arg)
{
    return begin(arg, job, reset ? RESET : PROBE, dev);
}

static int on_hub(uint32_t job, const struct usb_seen *dev, void *arg)
{
    return begin(arg, job, HUB, dev);
}

static int on_lend(uint32_t job, const struct usb_seen *dev,
                   const struct usb_grant *grant, void *arg)
{
    (void)grant;
    return begin(arg, job, LEND, dev);
}

static void on_stop(uint32_t job, void *arg)
{
    struct world *w = arg;

    assert_int_equal(w->job[job], LEND);
    w->job[job] = STOPPED;
}

static void on_key(const struct usb_port *port, enum lend_key key,
                   const char *value, void *arg)
{
    struct world *w = arg;

    assert_in_range(port->port[0], 1, 2);
    snprintf(w->key[port->port[0] - 1][key], USB_GRANT_TEXT_MAX, "%s",
             value ? value : "");
}

static const struct lend_ops ops = {on_probe, on_hub, on_lend, on_stop, on_key};

static void init(struct world *w)
{
    memset(w, 0, sizeof(*w));
    w->l = lend_new(FIRST_GEN, &ops, w);
    assert_non_null(w->l);
}

static struct usb_seen seen(uint8_t port, uint16_t number)
{
    return (struct usb_seen){.port = {1, 1, {port}}, .number = number};
}

static struct usb_grant grant(uint64_t gen, uint8_t hash, uint16_t vport)
{
    struct usb_grant g = {
        .client = 7, .vport = vport, .gen = gen, .interfaces = USB_GRANT_ALL};

    memset(g.hash, hash, sizeof(g.hash));
    return g;
}

static void set_grant(struct world *w, const struct usb_grant *g)
{
    const struct usb_port port = {1, 1, {1}};

    lend_grants_begin(w->l);
    if (g)
        lend_grants_add(w->l, &port, g);
    lend_grants_end(w->l);
}

static void end_job(struct world *w, uint32_t job)
{
    w->job[job] = NONE;
    lend_job_ended(w->l, job);
}

static void probed(struct world *w, uint32_t job, uint8_t hash)
{
    struct usb_probe_rec rec = {
        .speed = 3, .n = 2, .iface = {{0, 8, 6, 0x50}, {1, 3, 1, 1}}};

    memset(rec.hash, hash, sizeof(rec.hash));
    assert_int_equal(usb_probe_check(&rec, sizeof(rec)), 0);
    lend_probed(w->l, job, &rec);
    end_job(w, job);
}

static void state(struct world *w, uint32_t job, enum usb_export_state s,
                  enum usb_export_why why)
{
    const struct usb_export_rec rec = {
        .kind = EXPORT_STATE, .state = s, .why = why};

    lend_record(w->l, job, &rec);
}

static const char *export_key(const struct world *w)
{
    return w->key[0][LEND_KEY_EXPORT];
}

/* Device 1 is there and identified with hash 0x55. */
static void plugged(struct world *w)
{
    const struct usb_seen s = seen(1, 5);

    init(w);
    lend_devices(w->l, &s, 1);
    assert_int_equal(w->job[w->last], PROBE);
    probed(w, w->last, 0x55);
}

static void lent(struct world *w)
{
    const struct usb_grant g = grant(FIRST_GEN, 0x55, 2000);

    plugged(w);
    set_grant(w, &g);
    assert_int_equal(w->job[w->last], LEND);
    state(w, w->last, EXPORT_ATTACHED, EXPORT_WHY_NONE);
    assert_string_equal(export_key(w), "attached");
}

static void test_plug(void **s)
{
    struct world w;

    (void)s;
    plugged(&w);
    assert_string_equal(export_key(&w), "idle");
    assert_string_equal(w.key[0][LEND_KEY_IF], "0:080650 1:030101");
    assert_string_equal(w.key[0][LEND_KEY_NUM], "5");
    assert_string_equal(
        w.key[0][LEND_KEY_DEV],
        "gen=100 speed=3 hash="
        "5555555555555555555555555555555555555555555555555555555555555555");
    lend_devices(w.l, NULL, 0);
    for (int k = 0; k < LEND_KEYS; k++)
        assert_string_equal(w.key[0][k], "");
    lend_free(w.l);
}

static void test_used_before(void **s)
{
    struct world w;
    struct usb_seen dev = seen(1, 5);

    (void)s;
    init(&w);
    dev.used = true;
    lend_devices(w.l, &dev, 1);
    assert_int_equal(w.job[w.last], RESET);
    lend_free(w.l);
}

static void test_revoke(void **s)
{
    struct world w;

    (void)s;
    lent(&w);
    uint32_t job = w.last;
    set_grant(&w, NULL);
    assert_int_equal(w.job[job], STOPPED);
    assert_int_equal(w.last, job); /* not before it has ended */
    end_job(&w, job);
    assert_int_equal(w.job[w.last], RESET);
    assert_string_equal(w.key[0][LEND_KEY_DEV], "");
    assert_string_equal(export_key(&w), "");
    probed(&w, w.last, 0x55);
    assert_string_equal(export_key(&w), "idle");
    assert_memory_equal(w.key[0][LEND_KEY_DEV], "gen=100 ", 8);
    lend_free(w.l);
}

/* A new grant of a lent device: the old loan ends first. */
static void test_regrant(void **s)
{
    struct world w;
    const struct usb_grant g = grant(FIRST_GEN, 0x55, 2002);

    (void)s;
    lent(&w);
    uint32_t job = w.last;
    set_grant(&w, &g);
    assert_int_equal(w.job[job], STOPPED);
    end_job(&w, job);
    assert_int_equal(w.job[w.last], RESET);
    probed(&w, w.last, 0x55);
    assert_int_equal(w.job[w.last], LEND);
    assert_true(w.last != job);
    lend_free(w.l);
}

/* Another device behind the reset: the grant that waits is not for it. */
static void test_changed_by_reset(void **s)
{
    struct world w;
    const struct usb_grant g = grant(FIRST_GEN, 0x55, 2002);

    (void)s;
    lent(&w);
    set_grant(&w, &g);
    end_job(&w, w.last);
    uint32_t job = w.last;
    probed(&w, job, 0x66);
    assert_int_equal(w.last, job);
    assert_string_equal(export_key(&w),
                        "failed the device is not the one that was granted");
    set_grant(&w, NULL);
    assert_string_equal(export_key(&w), "idle");
    lend_free(w.l);
}

static void test_wrong_grant(void **s)
{
    static const struct {
        uint64_t gen;
        uint8_t hash;
        const char *text;
    } rows[] = {
        {FIRST_GEN, 0x56, "failed the device is not the one that was granted"},
        {FIRST_GEN - 1, 0x55, "failed it was plugged in again after the grant"},
        {FIRST_GEN + 1, 0x55, "failed it was plugged in again after the grant"},
    };

    (void)s;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        const struct usb_grant g = grant(rows[i].gen, rows[i].hash, 2000);
        plugged(&w);
        uint32_t job = w.last;
        set_grant(&w, &g);
        assert_int_equal(w.last, job);
        assert_string_equal(export_key(&w), rows[i].text);
        lend_free(w.l);
    }
}

/* What a person reads, and what of a record is not believed. */
static void test_record(void **s)
{
    struct usb_export_rec rec = {
        .kind = EXPORT_STATE,
        .state = EXPORT_FAILED,
        .why = EXPORT_WHY_PROTOCOL,
        .broken = USB_REASON_SETUP_LENGTH,
    };
    char text[USB_GRANT_TEXT_MAX];

    (void)s;
    assert_int_equal(export_msg_check(&rec, sizeof(rec)), 0);
    assert_string_equal(export_msg_status(&rec, text),
                        "failed the qube broke the protocol: setup-length");
    rec.broken = USB_REASON_COUNT;
    assert_int_equal(export_msg_check(&rec, sizeof(rec)), -EBADMSG);
    rec.broken = 0;
    assert_int_equal(export_msg_check(&rec, sizeof(rec) - 1), -EBADMSG);
    rec.why = EXPORT_WHY_MAX;
    assert_int_equal(export_msg_check(&rec, sizeof(rec)), -EBADMSG);
    struct usb_probe_rec probe = {.status = EBADMSG};
    for (uint32_t i = 1; i < USB_FAULT_COUNT; i++) {
        probe.fault = i; /* and each fits a status value */
        assert_int_equal(usb_probe_check(&probe, sizeof(probe)), 0);
        assert_non_null(strstr(usb_probe_text(&probe, text), "not sound: "));
        assert_non_null(
            strstr(text, usb_dset_fault_text((enum usb_dset_fault)i)));
    }
    probe.fault = USB_FAULT_COUNT;
    assert_int_equal(usb_probe_check(&probe, sizeof(probe)), -EBADMSG);
}

/* The qube or a crash ends it: no second try until the grant changes. */
static void test_export_ends(void **s)
{
    struct world w;

    (void)s;
    for (int crash = 0; crash < 2; crash++) {
        const char *why = crash ? "failed usb-export died"
                                : "failed the qube broke the protocol";
        lent(&w);
        uint32_t job = w.last;
        if (!crash)
            state(&w, job, EXPORT_FAILED, EXPORT_WHY_PROTOCOL);
        end_job(&w, job);
        assert_int_equal(w.job[w.last], RESET);
        assert_string_equal(export_key(&w), why);
        assert_string_equal(w.key[0][LEND_KEY_DEV], "");
        uint32_t reset = w.last;
        probed(&w, reset, 0x55);
        assert_int_equal(w.last, reset);
        assert_string_equal(export_key(&w), why);
        set_grant(&w, NULL);
        assert_string_equal(export_key(&w), "idle");
        lend_free(w.l);
    }
}

static void test_unplug_while_lent(void **s)
{
    struct world w;
    const struct usb_seen again = seen(1, 6);

    (void)s;
    lent(&w);
    uint32_t job = w.last;
    lend_devices(w.l, &again, 1); /* replugged between two looks */
    assert_int_equal(w.job[job], STOPPED);
    assert_int_equal(w.job[w.last], PROBE);
    uint32_t probe = w.last;
    state(&w, job, EXPORT_FAILED, EXPORT_WHY_DEVICE_GONE); /* its last words */
    assert_string_equal(export_key(&w), "");
    end_job(&w, job);
    assert_int_equal(w.last, probe);
    probed(&w, probe, 0x55);
    assert_memory_equal(w.key[0][LEND_KEY_DEV], "gen=101 ", 8);
    assert_string_equal(export_key(&w), "idle");
    lend_free(w.l);
}

static void test_probe_fails(void **s)
{
    struct world w;
    const struct usb_seen dev = seen(1, 5);
    const struct usb_probe_rec rec = {.status = ETIMEDOUT};

    (void)s;
    init(&w);
    lend_devices(w.l, &dev, 1);
    lend_probed(w.l, w.last, &rec);
    end_job(&w, w.last);
    assert_string_equal(export_key(&w), "failed the device does not answer");
    assert_string_equal(w.key[0][LEND_KEY_DEV], "");
    lend_free(w.l);

    init(&w);
    lend_devices(w.l, &dev, 1);
    end_job(&w, w.last);
    assert_string_equal(export_key(&w),
                        "failed the device could not be identified");
    lend_free(w.l);

    init(&w);
    w.fail = -ENOENT;
    lend_devices(w.l, &dev, 1);
    assert_memory_equal(export_key(&w), "failed ", 7);
    lend_free(w.l);
}

static void test_hub(void **s)
{
    struct world w;
    struct usb_seen dev = seen(1, 5);
    const struct usb_grant g = grant(FIRST_GEN, 0, 2000);

    (void)s;
    init(&w);
    dev.hub = true;
    lend_devices(w.l, &dev, 1);
    assert_int_equal(w.job[w.last], HUB);
    uint32_t job = w.last;
    set_grant(&w, &g);
    end_job(&w, job);
    set_grant(&w, &g);
    assert_int_equal(w.last, job);
    for (int k = 0; k < LEND_KEYS; k++)
        assert_string_equal(w.key[0][k], "");
    lend_free(w.l);
}

static void test_bound_of_probes(void **s)
{
    static struct usb_seen many[LEND_MAX];
    struct world w;
    unsigned n = 0, running;

    (void)s;
    init(&w);
    for (uint8_t i = 0; i < LEND_MAX; i++) {
        many[i] = seen(1, (uint16_t)(i + 1));
        many[i].port.bus = (uint8_t)(i + 1);
    }
    lend_devices(w.l, many, LEND_MAX);
    for (uint32_t j = 1; j <= w.last; j++) {
        running = 0;
        for (uint32_t k = 1; k < JOBS; k++)
            running += w.job[k] == PROBE;
        assert_in_range(running, 1, LEND_PROBES);
        probed(&w, j, 1);
        n++;
    }
    assert_int_equal(n, LEND_MAX);
    lend_free(w.l);
}

/* ---- property: whatever happens, a device is with one process ---- */

static uint32_t rnd(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static uint32_t pick(const struct world *w, uint64_t *seed)
{
    uint32_t from = rnd(seed) % (w->last + 1);

    for (uint32_t i = 0; i <= w->last; i++) {
        uint32_t job = (from + i) % (w->last + 1);
        if (job && w->job[job] != NONE)
            return job;
    }
    return 0;
}

/* No two helpers hold the same plug of a device, and none is lent without a
 * probe after the loan before. */
static unsigned check(const struct world *w)
{
    unsigned lends = 0;

    for (uint32_t i = 1; i <= w->last; i++)
        for (uint32_t k = i + 1; k <= w->last; k++)
            if (w->job[i] != NONE && w->job[k] != NONE &&
                w->dev[i].number == w->dev[k].number)
                /* a probe that has spoken may still be ending */
                assert_true(w->job[i] == PROBE || w->job[i] == RESET);
    for (uint32_t i = 1; i <= w->last; i++)
        lends += w->job[i] == LEND;
    return lends;
}

static void event(struct world *w, struct usb_seen *dev, uint64_t *seed)
{
    uint32_t job = pick(w, seed);
    struct usb_probe_rec rec = {.speed = 3};
    struct usb_grant g = grant(FIRST_GEN + rnd(seed) % 30, 0x55, 2000);
    struct usb_dev known;

    memset(rec.hash, 0x55, sizeof(rec.hash));
    switch (rnd(seed) % 7) {
    case 0:
        if (rnd(seed) % 4 != 0) {
            lend_devices(w->l, dev, 1);
            break;
        }
        dev->number++; /* as the kernel does at each plug */
        lend_devices(w->l, dev, rnd(seed) % 4 != 0);
        break;
    case 1:
        set_grant(w, rnd(seed) % 2 ? &g : NULL);
        break;
    case 2:
        if (usb_dev_parse(text_of(w->key[0][LEND_KEY_DEV]), &known) == 0)
            g.gen = known.gen;
        set_grant(w, &g);
        break;
    case 3:
        if (job && (w->job[job] == PROBE || w->job[job] == RESET))
            lend_probed(w->l, job, &rec);
        break;
    case 4:
        if (job && w->job[job] == LEND)
            state(w, job, EXPORT_ATTACHED, EXPORT_WHY_NONE);
        break;
    default:
        if (job)
            end_job(w, job);
        break;
    }
}

static void test_random(void **s)
{
    uint64_t seed = (uint64_t)time(NULL), first = seed;
    unsigned lends = 0;
    static struct world w;

    (void)s;
    printf("seed %llu\n", (unsigned long long)first);
    for (int round = 0; round < 50; round++) {
        struct usb_seen dev = seen(1, 1);
        init(&w);
        for (int i = 0; i < 400; i++) {
            event(&w, &dev, &seed);
            lends += check(&w);
        }
        lend_free(w.l);
    }
    assert_true(lends > 0); /* or the events were too tame */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plug),
        cmocka_unit_test(test_used_before),
        cmocka_unit_test(test_revoke),
        cmocka_unit_test(test_regrant),
        cmocka_unit_test(test_changed_by_reset),
        cmocka_unit_test(test_wrong_grant),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_export_ends),
        cmocka_unit_test(test_unplug_while_lent),
        cmocka_unit_test(test_probe_fails),
        cmocka_unit_test(test_hub),
        cmocka_unit_test(test_bound_of_probes),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
