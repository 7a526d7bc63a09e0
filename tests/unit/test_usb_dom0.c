/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/dom0/usb_op.c, usb_serve.c, usb_world.c,
 * usb_report.c and usb_edit.c with the manager, on the remembering platform
 * (tests/mock): a request of the control socket to the keys of both sides, and
 * back. This binary is its own worker: started as sysqube-qdb it plays a USBVM
 * with a stick and a keyboard, or a user qube that does as its keys say. A
 * signal unplugs the stick (USR1) and plugs it in again (USR2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dom0/control.h"
#include "dom0/serve.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/privsep.h"
#include "qubesdb/qdb_record.h"
#include "tests/mock/platform_fake.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define GRANT "/sysqube-usb/grant/"
#define ATTACH "/sysqube-usb/attach/"

/* ---- the worker's part ---- */

static char vm[64]; /* its /name */
static volatile sig_atomic_t plugs;
static unsigned generation; /* of the device plugged in last */
static bool connected;
static struct {
    char id[QDB_REC_PATH];
    bool plugged, granted;
    unsigned gen;
} devs[4];

static void say(const struct qdb_rec_up *rec)
{
    if (send(PRIVSEP_CHILD_FD, rec, sizeof(*rec), 0) < 0)
        _exit(3);
}

static void up(const char *tree, const char *leaf, const char *val)
{
    struct qdb_rec_up rec;
    char path[2 * QDB_REC_PATH];
    int r;

    snprintf(path, sizeof(path), "%s%s", tree, leaf);
    r = val ? qdb_rec_status(&rec, path, val, strlen(val))
            : qdb_rec_status_rm(&rec, path);
    if (r)
        _exit(5);
    say(&rec);
}

/* Entry of a device, made when it is new. */
static size_t dev_of(const char *id)
{
    size_t i = 0;

    while (devs[i].id[0] && strcmp(devs[i].id, id))
        i++;
    if (i == ARRAY_LEN(devs))
        _exit(6);
    snprintf(devs[i].id, sizeof(devs[i].id), "%s", id);
    return i;
}

static void lend(const char *id)
{
    size_t i = dev_of(id);
    char text[128];

    if (!devs[i].plugged)
        return;
    snprintf(text, sizeof(text), "gen=%u speed=3 hash=" HASH, devs[i].gen);
    up("/sysqube-status/usb-dev/", id, text);
    up("/sysqube-status/usb-export/", id,
       devs[i].granted ? "attached" : "idle");
}

static void plug(const char *id, const char *desc, const char *codes,
                 const char *map)
{
    char tree[QDB_REC_PATH], num[8];

    devs[dev_of(id)].gen = ++generation;
    devs[dev_of(id)].plugged = true;
    snprintf(tree, sizeof(tree), "/qubes-usb-devices/%s/", id);
    up(tree, "desc", desc);
    up(tree, "usb-ver", "2");
    up(tree, "interfaces", codes);
    snprintf(num, sizeof(num), "%u", generation % 127);
    up(tree, "devnum", num);
    up("/sysqube-status/usb-num/", id, num);
    up("/sysqube-status/usb-if/", id, map);
    lend(id);
}

static void unplug(const char *id)
{
    char tree[QDB_REC_PATH];

    devs[dev_of(id)].plugged = false;
    snprintf(tree, sizeof(tree), "/qubes-usb-devices/%s/", id);
    up(tree, "desc", NULL);
    up(tree, "usb-ver", NULL);
    up(tree, "interfaces", NULL);
    up(tree, "devnum", NULL);
    up("/sysqube-status/usb-num/", id, NULL);
    up("/sysqube-status/usb-if/", id, NULL);
    up("/sysqube-status/usb-dev/", id, NULL);
    up("/sysqube-status/usb-export/", id, NULL);
}

static void play_plugs(void)
{
    static const char stick[] = "46f4:0001 QEMU QEMU\\x20USB\\x20STICK 1-00";

    if (plugs == SIGUSR1)
        unplug("2-1");
    if (plugs == SIGUSR2)
        plug("2-1", stick, ":080650:", "0:080650");
    plugs = 0;
}

static void play_boot(void)
{
    struct qdb_rec_up rec;

    qdb_rec_connected(&rec);
    say(&rec);
    connected = true;
    if (strcmp(vm, "usb") != 0)
        return;
    plugs = SIGUSR2;
    play_plugs();
    plug("2-2", "0627:0001 QEMU QEMU\\x20USB\\x20Keyboard 68284",
         ":030101:080650:", "0:030101 1:080650");
    plug("2-3", "nonsense", ":080650:", "0:080650");
    plug("2-4", "0000:0001 Bad Bad 0", ":080650:", "0:080650");
    up("/sysqube-status/usb-dev/", "2-4", NULL);
    up("/sysqube-status/usb-export/", "2-4", "failed it does not answer");
}

static void play_grant(const char *id, bool there)
{
    devs[dev_of(id)].granted = there;
    if (!connected)
        return;
    if (there)
        up("/sysqube-status/usb-export/", id, "waiting");
    if (there)
        up("/sysqube-status/usb-stat/", id,
           "in=10 out=2 flight=1 p50us=90 p99us=400 refused=2 bad-length:2");
    else
        up("/sysqube-status/usb-dev/", id, NULL);
    lend(id);
}

static void play_attach(const char *id, bool there)
{
    const char *said = !strcmp(vm, "novhci")
                           ? "failed no vhci_hcd in this kernel"
                       : !strcmp(vm, "slow") ? "connecting"
                                             : "attached vhci=4";

    up("/sysqube-status/usb-import/", id, there ? said : NULL);
}

static void play(const struct qdb_rec_down *rec)
{
    size_t g = strlen(GRANT), a = strlen(ATTACH);
    bool set = rec->type == QDB_REC_SET;

    if (set && !strcmp(rec->path, "/name"))
        snprintf(vm, sizeof(vm), "%.63s", (const char *)rec->value);
    if (!strncmp(rec->path, GRANT, g))
        play_grant(rec->path + g, set);
    if (!strncmp(rec->path, ATTACH, a))
        play_attach(rec->path + a, set);
}

static void on_plug(int signo)
{
    plugs = signo;
}

static int worker_main(void)
{
    struct pollfd p = {.fd = PRIVSEP_CHILD_FD, .events = POLLIN};
    struct sigaction sa = {.sa_handler = on_plug};
    struct qdb_rec_down rec;
    sigset_t block, open;

    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigaddset(&block, SIGUSR2);
    sigprocmask(SIG_BLOCK, &block, &open);
    sigaction(SIGUSR1, &sa, NULL);
    sigaction(SIGUSR2, &sa, NULL);
    for (;;) {
        int n = ppoll(&p, 1, NULL, &open); /* only here they arrive */

        play_plugs();
        if (n < 0)
            continue;
        if (recv(p.fd, &rec, sizeof(rec), 0) != (ssize_t)sizeof(rec))
            return 0;
        if (qdb_rec_down_check(&rec))
            _exit(4);
        if (rec.type == QDB_REC_SYNCED)
            play_boot();
        else
            play(&rec);
    }
}

/* ---- the daemon's part ---- */

struct env {
    char dir[64];
    struct serve s;
    struct control *ctl;
    struct loop_timer *limit;
    int client;
    char answer[65536];
    bool (*until)(void);
};

static struct env *env;

static void put_file(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", env->dir, name);
    assert_int_equal(io_write_file(path, text, strlen(text), 0644), 0);
}

static void put_qube(const char *name, const char *text)
{
    char file[64], whole[1024];

    snprintf(file, sizeof(file), "qubes/%s.conf", name);
    snprintf(whole, sizeof(whole), "[Qube]\nImage=i\n%s", text);
    put_file(file, whole);
}

static void on_changed(void *arg)
{
    struct serve *s = arg;

    jobs_step(s->jobs);
    if (env->until && env->until())
        loop_stop(s->loop, 0);
}

static void on_limit(void *arg)
{
    loop_stop(arg, 99);
}

static void on_answer(int fd, unsigned events, void *arg)
{
    size_t n = strlen(env->answer);
    ssize_t got =
        recv(fd, env->answer + n, sizeof(env->answer) - n - 1, MSG_DONTWAIT);

    (void)events;
    assert_true(got > 0);
    env->answer[n + (size_t)got] = 0;
    if (strstr(env->answer, "{\"ok\"") || strstr(env->answer, "{\"error\""))
        loop_stop(arg, 0);
}

static const char *ask(const char *request)
{
    struct loop_io *io;
    const char *final;

    env->answer[0] = 0;
    assert_int_equal(io_write_all(env->client, request, strlen(request), 100),
                     0);
    assert_int_equal(io_write_all(env->client, "\n", 1, 100), 0);
    assert_int_equal(loop_io_new(env->s.loop, env->client, LOOP_READ, on_answer,
                                 env->s.loop, &io),
                     0);
    loop_timer_start(env->limit, 30000);
    assert_int_equal(loop_run(env->s.loop), 0);
    loop_io_free(io);
    final = strstr(env->answer, "{\"ok\"");
    return final ? final : strstr(env->answer, "{\"error\"");
}

/* Run until something is so; the test fails when it never is. */
static void wait_for(bool (*what)(void))
{
    env->until = what;
    if (!what()) {
        loop_timer_start(env->limit, 30000);
        assert_int_equal(loop_run(env->s.loop), 0);
    }
    env->until = NULL;
}

static void write_config(void)
{
    char text[PATH_MAX + 512], self[PATH_MAX] = "";
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    assert_true(n > 0);
    snprintf(text, sizeof(text),
             "[Sysqube]\nPlatform=netns\nImages=%s/images\nRunDir=%s/run\n"
             "StateDir=%s/state\nSocket=%s/sock\nWorker=%s/worker\n",
             env->dir, env->dir, env->dir, env->dir, env->dir);
    put_file("sysqube.conf", text);
    snprintf(text, sizeof(text), "%s/worker", env->dir);
    assert_int_equal(symlink(self, text), 0);
    put_qube("usb", "Kind=usbvm\nQID=1\nRestart=no\n");
    put_qube("work", "Kind=qube\nQID=2\n");
    put_qube("other", "Kind=qube\nQID=3\n");
    put_qube("novhci", "Kind=qube\nQID=4\n");
}

static int set_up(void **state)
{
    static struct platform_ops patient;
    static const struct platform_ops *const bodies[] = {&patient, NULL};
    struct control_handler h;
    struct manager_error err = {0};
    struct problems p = {0};
    char path[256];

    (void)state;
    patient = platform_fake; /* how long a boot takes is not tested here */
    patient.boot_ms = patient.ready_ms = 30000;
    fake = (struct fake){0};
    env = calloc(1, sizeof(*env));
    snprintf(env->dir, sizeof(env->dir), "/tmp/sq-usb-XXXXXX");
    assert_non_null(mkdtemp(env->dir));
    snprintf(path, sizeof(path), "%s/qubes", env->dir);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/images/i/root", env->dir);
    assert_int_equal(io_mkdirs(path, 0755), 0);
    put_file("images/i/root/init", "");
    write_config();
    assert_int_equal(loop_new(&env->s.loop), 0);
    if (manager_new(env->s.loop, env->dir, bodies, &p, &err, &env->s.m))
        fail_msg("%s %s", err.message, p.n ? p.v[0].text : "");
    env->s.m->changed = on_changed;
    env->s.m->arg = &env->s;
    assert_int_equal(jobs_new(env->s.m, &env->s.jobs), 0);
    h = (struct control_handler){serve_line, serve_gone, &env->s};
    assert_int_equal(
        control_new(env->s.loop, env->s.m->cfg.d.socket, &h, &env->ctl), 0);
    env->client = io_unix_connect(env->s.m->cfg.d.socket);
    assert_true(env->client >= 0);
    return loop_timer_new(env->s.loop, on_limit, env->s.loop, &env->limit);
}

static int tear_down(void **state)
{
    static const char *const names[] = {"images/i/root/init",
                                        "images/i/root",
                                        "images/i",
                                        "images",
                                        "state/qids",
                                        "state",
                                        "run/empty",
                                        "run",
                                        "sock",
                                        "worker",
                                        "sysqube.conf",
                                        "qubes/usb.conf",
                                        "qubes/work.conf",
                                        "qubes/other.conf",
                                        "qubes/novhci.conf",
                                        "qubes/slow.conf",
                                        "qubes"};
    char path[256];

    (void)state;
    close(env->client);
    control_free(env->ctl);
    jobs_free(env->s.jobs);
    manager_free(env->s.m);
    loop_timer_free(env->limit);
    loop_free(env->s.loop);
    assert_int_equal(fake.alive, 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", env->dir, names[i]);
        (void)remove(path);
    }
    assert_int_equal(remove(env->dir), 0);
    free(env);
    return 0;
}

#define HAS(text, part)                                                        \
    do {                                                                       \
        if (!strstr(text, part))                                               \
            fail_msg("'%s' is not in: %s", part, text);                        \
    } while (0)

static const struct qube *qube(const char *name)
{
    return env->s.m->qubes[manager_find(env->s.m, name)];
}

/* How many keys below a tree a qube shall have. */
static unsigned keys(const char *name, const char *tree)
{
    const struct keyset *s = worker_desired(qube(name)->worker);
    unsigned n = 0;

    for (size_t i = 0; i < s->n; i++)
        n += !strncmp(s->v[i].path, tree, strlen(tree));
    return n;
}

static const struct usb_att *att(const char *port)
{
    struct usb_port p;

    assert_int_equal(usb_port_from_name(text_of(port), &p), 0);
    return usb_plan_of(env->s.m->usb, "usb", &p);
}

static bool stick_attached(void)
{
    const struct usb_att *a = att("2-1");

    return a && a->state == USB_ATT_ATTACHED;
}

static bool stick_free(void)
{
    return !att("2-1");
}

static bool all_known(void)
{
    return manager_status(env->s.m, (size_t)manager_find(env->s.m, "usb"),
                          "/sysqube-status/usb-export/2-4");
}

static void signal_usbvm(int signo)
{
    assert_int_equal(kill(worker_pid(qube("usb")->worker), signo), 0);
}

static void start_all(void)
{
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    wait_for(all_known);
}

#define Q(op, qube, device)                                                    \
    ask("{\"op\":\"usb-" op "\",\"qube\":\"" qube "\",\"device\":\"" device    \
        "\"}")

static void test_attach_and_detach(void **state)
{
    const char *a;

    (void)state;
    start_all();
    a = ask("{\"op\":\"usb-list\"}");
    HAS(a, "\"state\":\"free\",\"client\":null");
    a = Q("attach", "work", "usb:2-1");
    HAS(a, "{\"ok\"");
    HAS(a, "\"vhci\":4");
    assert_int_equal(keys("usb", GRANT), 1);
    assert_int_equal(keys("work", ATTACH), 1);
    HAS(keyset_get(worker_desired(qube("usb")->worker), GRANT "2-1"),
        "vport=2000 gen=1 hash=" HASH " interfaces=all mode=raw");
    a = ask("{\"op\":\"usb-list\"}");
    HAS(a, "\"state\":\"attached\",\"client\":\"work\"");
    HAS(a, "\"identity\":\"46f4:0001:1-00:u080650\"");
    a = ask("{\"op\":\"usb-stats\"}");
    HAS(a, "\"p99_us\":400");
    HAS(a, "\"bad-length\":2");
    HAS(Q("attach", "work", "usb:2-1"), "{\"ok\"");
    a = Q("attach", "other", "46f4:0001");
    HAS(a, "usb:2-1 is attached to work");
    HAS(a, "sysqube usb detach work usb:2-1");
    a = Q("detach", "other", "usb:2-1");
    HAS(a, "'usb:2-1' is attached to work");
    a = Q("detach", "work", "stick");
    HAS(a, "\"state\":\"detached\"");
    assert_int_equal(keys("usb", GRANT) + keys("work", ATTACH), 0);
    /* reset by then, so the next one may have it at once */
    HAS(Q("attach", "other", "usb stick"), "{\"ok\"");
    HAS(ask("{\"op\":\"usb-detach\",\"device\":\"usb:2-1\"}"),
        "\"qube\":\"other\"");
}

static void test_refusals(void **state)
{
    const char *a;

    (void)state;
    a = Q("attach", "work", "usb:2-1");
    HAS(a, "no USBVM is running");
    HAS(a, "sysqube up usb");
    HAS(ask("{\"op\":\"up\",\"names\":[\"usb\"]}"), "{\"ok\"");
    wait_for(all_known);
    HAS(Q("attach", "work", "usb:2-1"), "the qube is not running");
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    HAS(Q("attach", "work", "usb:9-9"), "there is no USB device 'usb:9-9'");
    HAS(Q("attach", "work", "qemu"), "'qemu' fits several: usb:2-1, usb:2-2");
    HAS(Q("attach", "usb", "usb:2-1"), "a qube of kind usbvm takes no");
    HAS(Q("attach", "work", "usb:2-3"), "in a malformed way");
    HAS(Q("attach", "work", "usb:2-4"),
        "usb cannot lend usb:2-4: it does not answer");
    HAS(Q("attach", "nobody", "usb:2-1"), "there is no qube of this name");
    a = ask("{\"op\":\"usb-attach\",\"qube\":\"work\",\"device\":\"usb:2-1\","
            "\"words\":[\"interfaces=3\"]}");
    HAS(a, "does not have all of the interfaces");
    a = ask("{\"op\":\"usb-attach\",\"qube\":\"work\",\"device\":\"usb:2-1\","
            "\"words\":[\"input=pointer\"]}");
    HAS(a, "no input interface");
    a = ask("{\"op\":\"usb-attach\",\"qube\":\"work\",\"device\":\"usb:2-1\","
            "\"words\":[\"interfaces=1,0\"]}");
    HAS(a, "'interfaces=1,0' is neither");
    HAS(ask("{\"op\":\"usb-attach\",\"qube\":\"work\"}"), "without a device");
    HAS(Q("detach", "work", "usb:2-1"), "is attached to no qube");
    assert_int_equal(keys("usb", GRANT) + keys("work", ATTACH), 0);
}

/* One side fails: the other is withdrawn, and the reason is told. */
static void test_no_vhci(void **state)
{
    const char *a;

    (void)state;
    start_all();
    a = Q("attach", "novhci", "usb:2-1");
    HAS(a, "{\"error\"");
    HAS(a, "novhci reports: no vhci_hcd in this kernel");
    HAS(a, "nothing is left attached");
    assert_int_equal(keys("usb", GRANT) + keys("novhci", ATTACH), 0);
    wait_for(stick_free);
    HAS(Q("attach", "work", "usb:2-1"), "{\"ok\"");
}

/* One side does not come: it is said which is waited for; taking the device
 * away meanwhile ends the wait. */
static int other; /* a second client */

static bool told(void)
{
    char got[512] = "";

    return recv(other, got, sizeof(got) - 1, MSG_PEEK | MSG_DONTWAIT) > 0 &&
           strstr(got, "waiting for slow and usb to connect");
}

static void test_slow(void **state)
{
    const char *line = "{\"op\":\"usb-attach\",\"qube\":\"slow\",\"device\":"
                       "\"usb:2-1\"}\n";
    char got[512] = "";

    (void)state;
    put_qube("slow", "Kind=qube\nQID=5\n");
    start_all();
    other = io_unix_connect(env->s.m->cfg.d.socket);
    assert_true(other >= 0);
    assert_int_equal(io_write_all(other, line, strlen(line), 100), 0);
    wait_for(told);
    HAS(ask("{\"op\":\"usb-detach\",\"device\":\"usb:2-1\"}"), "{\"ok\"");
    assert_true(recv(other, got, sizeof(got) - 1, 0) > 0);
    HAS(got, "usb:2-1 was not attached: it was detached");
    close(other);
}

static void test_parts(void **state)
{
    const char *a;

    (void)state;
    start_all();
    put_qube("work", "Kind=qube\nQID=2\n[USB]\nDeny=Keyboard\n");
    a = Q("attach", "work", "usb:2-2");
    HAS(a, "usb:2-2 is denied by ");
    HAS(a, "work.conf:6 for interface 030101 (Keyboard)");
    a = ask("{\"op\":\"usb-attach\",\"qube\":\"work\",\"device\":\"usb:2-2\","
            "\"words\":[\"interfaces=1\"]}");
    HAS(a, "{\"ok\"");
    HAS(keyset_get(worker_desired(qube("usb")->worker), GRANT "2-2"),
        "interfaces=1 mode=raw");
    a = ask("{\"op\":\"usb-info\",\"device\":\"usb:2-2\"}");
    HAS(a, "\"number\":1,\"code\":\"080650\",\"class\":\"Storage\"");
    HAS(a, "\"qube\":\"work\",\"mode\":null,\"line\":null,\"allowed\":false,"
           "\"denied_by\"");
    HAS(Q("detach", "work", "usb:2-2"), "{\"ok\"");
    a = ask("{\"op\":\"usb-attach\",\"qube\":\"other\",\"device\":\"usb:2-2\","
            "\"words\":[\"input=keyboard\"]}");
    HAS(a, "{\"ok\"");
    HAS(keyset_get(worker_desired(qube("usb")->worker), GRANT "2-2"),
        "mode=evdev events=keyboard");
}

/* Attached by itself, again after a replug, not after a new line denies. */
static void test_assigned(void **state)
{
    (void)state;
    put_qube("work",
             "Kind=qube\nQID=2\n[USB]\nAssign=auto usb:2-1 46f4:0001\n");
    start_all();
    wait_for(stick_attached);
    assert_string_equal(att("2-1")->qube, "work");
    signal_usbvm(SIGUSR1);
    wait_for(stick_free);
    assert_int_equal(keys("work", ATTACH), 0);
    signal_usbvm(SIGUSR2);
    wait_for(stick_attached);
    put_qube("work", "Kind=qube\nQID=2\n[USB]\nAssign=auto usb:2-1 "
                     "46f4:0001\nDeny=Storage\n");
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    wait_for(stick_free);
    assert_int_equal(keys("usb", GRANT) + keys("work", ATTACH), 0);
}

static void test_deaths(void **state)
{
    uint32_t old;

    (void)state;
    put_qube("work", "Kind=qube\nQID=2\n[USB]\nAssign=auto Storage\n");
    start_all();
    wait_for(stick_attached);
    /* the qube */
    HAS(ask("{\"op\":\"down\",\"names\":[\"work\"]}"), "{\"ok\"");
    wait_for(stick_free);
    assert_int_equal(keys("usb", GRANT), 0);
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    wait_for(stick_attached);
    /* the USBVM */
    old = qube("usb")->domid;
    fake_die(old, "crashed");
    wait_for(stick_free);
    assert_int_equal(keys("work", ATTACH), 0);
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    wait_for(stick_attached);
    assert_int_not_equal(att("2-1")->backend, old);
}

/* A worker that dies takes what it knew with it: nothing ends by that. */
static uint64_t serial_before;

static bool worker_back(void)
{
    return worker_connected(qube("usb")->worker) && all_known();
}

static bool worker_gone(void)
{
    return !worker_connected(qube("usb")->worker);
}

static void test_worker_dies(void **state)
{
    (void)state;
    start_all();
    HAS(Q("attach", "work", "usb:2-1"), "{\"ok\"");
    serial_before = att("2-1")->serial;
    signal_usbvm(SIGKILL);
    wait_for(worker_gone);
    assert_non_null(att("2-1"));
    wait_for(worker_back);
    assert_non_null(att("2-1"));
    assert_int_equal(att("2-1")->serial, serial_before);
    assert_int_equal(att("2-1")->state, USB_ATT_ATTACHED);
    assert_int_equal(keys("usb", GRANT), 1);
}

/* A device that is required is waited for, then the qube is started. */
static void test_required(void **state)
{
    const char *a;

    (void)state;
    put_qube("work", "Kind=qube\nQID=2\n[USB]\nAssign=required 46f4:0001\n");
    a = ask("{\"op\":\"up\",\"names\":[\"work\"]}");
    HAS(a, "\"step\":\"find its required USB devices\"");
    HAS(a, "no free USB device fits the line ");
    HAS(a, "work.conf:6");
    assert_int_equal(fake.alive, 0);
    a = ask("{\"op\":\"up\",\"names\":[\"work\",\"usb\"]}");
    HAS(a, "\"warnings\":[]");
    assert_true(stick_attached()); /* ready means that it has it */
    a = ask("{\"op\":\"status\"}");
    HAS(a, "\"waiting_for\":null");
    HAS(Q("detach", "work", "usb:2-1"), "{\"ok\"");
    a = ask("{\"op\":\"status\"}");
    HAS(a, "a USB device that it requires is not attached");
}

/* What two may have is asked, and answered by a command. */
static void test_questions(void **state)
{
    const char *a;

    (void)state;
    put_qube("work", "Kind=qube\nQID=2\n[USB]\nAssign=auto 46f4:0001\n");
    put_qube("other", "Kind=qube\nQID=3\n[USB]\nAssign=auto 46f4:0001\n");
    HAS(ask("{\"op\":\"up\",\"names\":[\"usb\",\"work\",\"other\"]}"),
        "{\"ok\"");
    wait_for(all_known);
    /* the first that is up may have it already: then only one is assigned */
    if (att("2-1"))
        HAS(ask("{\"op\":\"usb-detach\",\"device\":\"usb:2-1\"}"), "{\"ok\"");
    a = ask("{\"op\":\"usb-list\"}");
    HAS(a, "\"state\":\"question\"");
    a = ask("{\"op\":\"usb-info\",\"device\":\"usb:2-1\"}");
    HAS(a, "\"qube\":\"other\",\"mode\":\"auto\"");
    HAS(a, "\"qube\":\"work\",\"mode\":\"auto\"");
    HAS(Q("attach", "other", "usb:2-1"), "{\"ok\"");
    assert_string_equal(att("2-1")->qube, "other");
    HAS(Q("detach", "other", "usb:2-1"), "{\"ok\"");
    HAS(ask("{\"op\":\"usb-deny\",\"qube\":\"other\",\"words\":[\"Storage\"]}"),
        "{\"ok\"");
    /* it was detached by hand from one of them only, or from both */
    HAS(ask("{\"op\":\"usb-assign\",\"qube\":\"work\",\"words\":[\"auto\","
            "\"46f4:0001\"]}"),
        "{\"ok\"");
    wait_for(stick_attached);
    assert_string_equal(att("2-1")->qube, "work");
}

#define W(op, words)                                                           \
    ask("{\"op\":\"usb-" op "\",\"qube\":\"work\",\"words\":[" words "]}")

/* The commands write the file, and what they say is in force at return. */
static void test_policy_commands(void **state)
{
    const char *a;

    (void)state;
    start_all();
    a = W("assign", "\"auto\",\"usb:2-1\",\"46f4:0001\"");
    HAS(a, "\"added\":[\"Assign=auto usb:2-1 46f4:0001\"]");
    wait_for(stick_attached);
    a = W("deny", "\"u08****\"");
    HAS(a, "\"added\":[\"Deny=u08****\"]");
    HAS(a, "\"detached\":[\"usb:2-1\"]");
    assert_int_equal(keys("usb", GRANT) + keys("work", ATTACH), 0);
    HAS(Q("attach", "work", "usb:2-1"), "usb:2-1 is denied by");
    HAS(W("deny", "\"Storage\""), "\"added\":[],\"removed\":[]");
    a = ask("{\"op\":\"usb-policy\",\"qube\":\"work\"}");
    HAS(a, "\"text\":\"Deny=u08****\"");
    HAS(a, "\"text\":\"Assign=auto usb:2-1 46f4:0001\"");
    a = W("allow", "\"Storage\"");
    HAS(a, "\"added\":[],\"removed\":[\"Deny=u08****\"]");
    wait_for(stick_attached);
    a = W("assign", "\"manual\",\"46f4:0001\",\"usb:2-1\"");
    HAS(a, "\"removed\":[\"Assign=auto usb:2-1 46f4:0001\"]");
    assert_true(stick_attached()); /* it may stay, and not come again */
    signal_usbvm(SIGUSR1);
    wait_for(stick_free);
    HAS(W("unassign", "\"usb:2-1\",\"46f4:0001\""),
        "\"removed\":[\"Assign=manual 46f4:0001 usb:2-1\"]");
    HAS(W("unassign", "\"usb:2-1\""), "no Assign= line of 'usb:2-1'");
    HAS(W("allow", "\"Camera\""), "\"added\":[\"Allow=Camera\"]");
    HAS(W("deny", "\"Camera\""), "\"removed\":[\"Allow=Camera\"]");
    /* words that are wrong change nothing */
    HAS(W("deny", "\"nonsense\""), "'nonsense' is no port");
    HAS(W("deny", "\"u08****\\nAllow=*\""), "too long or not printable");
    HAS(W("assign", "\"always\",\"Storage\""), "is no mode");
    a = W("deny", "\"nowhere:2-1\"");
    HAS(a, "a port of nowhere, which is no qube");
    a = ask("{\"op\":\"usb-policy\",\"qube\":\"work\"}");
    HAS(a, "\"lines\":[{\"line\":7,\"text\":\"Deny=Camera\"}]");
    HAS(ask("{\"op\":\"usb-policy\",\"qube\":\"usb\"}"), "of kind usbvm");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_attach_and_detach),
        TEST(test_refusals),
        TEST(test_no_vhci),
        TEST(test_parts),
        TEST(test_slow),
        TEST(test_assigned),
        TEST(test_deaths),
        TEST(test_worker_dies),
        TEST(test_policy_commands),
        TEST(test_required),
        TEST(test_questions),
    };

    (void)argc;
    if (!strcmp(argv[0], "sysqube-qdb"))
        return worker_main();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
