/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sys-common/dom0/manager.c, job.c, rules_edit.c and serve.c on the
 * remembering platform (tests/mock): order of a start, undoing of one that
 * fails at each step, deaths, refused shutdowns, firewall edits. This binary
 * is its own worker: started as sysqube-qdb it plays a VM that connects at
 * once and reports every rule list as applied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <limits.h>
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

/* ---- the worker's part ---- */

static void up_status(const char *path, const char *val)
{
    struct qdb_rec_up rec;

    if (qdb_rec_status(&rec, path, val, strlen(val)) ||
        send(PRIVSEP_CHILD_FD, &rec, sizeof(rec), 0) < 0)
        _exit(3);
}

/* The signal key of a source: report it handled. */
static void play_firewall(const struct qdb_rec_down *rec)
{
    char status[QDB_REC_PATH + 32], text[32];
    const char *ip = rec->path + strlen("/qubes-firewall/");

    snprintf(text, sizeof(text), "%.*s", (int)rec->len, rec->value);
    snprintf(status, sizeof(status), "/sysqube-status/firewall/%.45s", ip);
    up_status(status,
              strstr(ip, "10.137.0.66") ? "blocked 0: a test" : "applied 1");
    snprintf(status, sizeof(status), "/qubes-firewall-handled/%.45s", ip);
    up_status(status, text);
}

/* The signal key went: nothing is reported of that source any more. */
static void play_rm(const struct qdb_rec_down *rec)
{
    static const char *const trees[] = {"/sysqube-status/firewall/",
                                        "/qubes-firewall-handled/"};
    char path[QDB_REC_PATH + 32];
    struct qdb_rec_up up;

    if (strncmp(rec->path, "/qubes-firewall/", 16) ||
        strchr(rec->path + 16, '/'))
        return;
    for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
        snprintf(path, sizeof(path), "%s%.45s", trees[i], rec->path + 16);
        if (qdb_rec_status_rm(&up, path) ||
            send(PRIVSEP_CHILD_FD, &up, sizeof(up), 0) < 0)
            _exit(3);
    }
}

static void play_set(const struct qdb_rec_down *rec)
{
    char path[QDB_REC_PATH + 32];

    if (!strncmp(rec->path, "/qubes-firewall/", 16) &&
        !strchr(rec->path + 16, '/'))
        play_firewall(rec);
    if (!strncmp(rec->path, "/sysqube-vif/", 13)) {
        snprintf(path, sizeof(path), "/sysqube-status/vif/%s", rec->path + 13);
        up_status(path, "up 10.0.0.1");
    }
    if (!strcmp(rec->path, "/qubes-ip"))
        up_status("/sysqube-status/agent", "up 10.0.0.1");
    if (!strcmp(rec->path, "/sysqube-uplink/mode"))
        up_status("/sysqube-status/uplink", "up eth0 192.0.2.9/24 gw x dns y");
    if (!strcmp(rec->path, "/name") &&
        !strncmp((const char *)rec->value, "garbage", 7)) {
        char junk[sizeof(struct qdb_rec_up)] = "junk";

        (void)!send(PRIVSEP_CHILD_FD, junk, sizeof(junk), 0);
    }
}

static int worker_main(void)
{
    struct qdb_rec_down rec;
    bool deaf = false;

    while (recv(PRIVSEP_CHILD_FD, &rec, sizeof(rec), 0) ==
           (ssize_t)sizeof(rec)) {
        struct qdb_rec_up up;

        if (qdb_rec_down_check(&rec))
            _exit(4);
        if (rec.type == QDB_REC_SET) {
            deaf |= !strcmp(rec.path, "/name") &&
                    !strncmp((const char *)rec.value, "deaf", 4);
            play_set(&rec);
        }
        if (rec.type == QDB_REC_RM)
            play_rm(&rec);
        if (rec.type == QDB_REC_SYNCED && !deaf) {
            qdb_rec_connected(&up);
            (void)!send(PRIVSEP_CHILD_FD, &up, sizeof(up), 0);
        }
    }
    return 0;
}

/* ---- the daemon's part ---- */

struct env {
    char dir[64];
    struct serve s;
    struct control *ctl;
    struct loop_timer *limit;
    int client;
    char answer[65536];
};

static struct env *env;

static void put_file(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", env->dir, name);
    assert_int_equal(io_write_file(path, text, strlen(text), 0644), 0);
}

static char *get_file(const char *name)
{
    char path[256], *data = NULL;

    snprintf(path, sizeof(path), "%s/%s", env->dir, name);
    assert_int_equal(io_read_file(path, 65536, &data, NULL), 0);
    return data;
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
}

static void on_limit(void *arg)
{
    loop_stop(arg, 99);
}

/* Answers arrive on our end of the control socket: stop when one is final. */
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

/* Send a request and run the loop until its answer.
 * @return the final line, borrowed */
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
    loop_timer_start(env->limit, 20000);
    assert_int_equal(loop_run(env->s.loop), 0);
    loop_io_free(io);
    final = strstr(env->answer, "{\"ok\"");
    return final ? final : strstr(env->answer, "{\"error\"");
}

static void run_ms(uint32_t ms)
{
    loop_timer_start(env->limit, ms);
    assert_int_equal(loop_run(env->s.loop), 99);
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
    put_qube("net", "Kind=netvm\nQID=1\n");
    put_qube("fw", "Kind=firewallvm\nNetVM=net\nQID=2\n");
    put_qube("work", "Kind=qube\nNetVM=fw\nQID=3\n");
    put_qube("other", "Kind=qube\nNetVM=fw\nQID=4\n");
}

static int set_up(void **state)
{
    static const struct platform_ops *const bodies[] = {&platform_fake, NULL};
    struct control_handler h;
    struct manager_error err = {0};
    struct problems p = {0};
    char path[256];

    (void)state;
    fake = (struct fake){0};
    env = calloc(1, sizeof(*env));
    snprintf(env->dir, sizeof(env->dir), "/tmp/sq-test-XXXXXX");
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

/* Files first, then the folders, deepest first. */
static void remove_files(void)
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
                                        "qubes/net.conf",
                                        "qubes/fw.conf",
                                        "qubes/work.conf",
                                        "qubes/other.conf",
                                        "qubes/fw2.conf",
                                        "qubes/garbage.conf",
                                        "qubes/deaf.conf",
                                        "qubes"};
    char path[256];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", env->dir, names[i]);
        (void)remove(path);
    }
    assert_int_equal(remove(env->dir), 0);
}

static int tear_down(void **state)
{
    (void)state;
    close(env->client);
    control_free(env->ctl);
    jobs_free(env->s.jobs);
    manager_free(env->s.m);
    loop_timer_free(env->limit);
    loop_free(env->s.loop);
    assert_int_equal(fake.alive, 0);
    remove_files();
    free(env);
    return 0;
}

#define HAS(text, part)                                                        \
    do {                                                                       \
        if (!strstr(text, part))                                               \
            fail_msg("'%s' is not in: %s", part, text);                        \
    } while (0)

static void test_order(void **state)
{
    const char *a;

    (void)state;
    a = ask("{\"op\":\"up\"}");
    HAS(a, "\"warnings\":[]");
    HAS(a, "\"done\":[");
    HAS(env->answer, "net: starting (netvm, image i)");
    HAS(env->answer, "work: ready");
    assert_string_equal(fake.log,
                        "create net\nunpause net\n"
                        "create fw\nattach fw to net\nunpause fw\n"
                        "create other\nattach other to fw\nunpause other\n"
                        "create work\nattach work to fw\nunpause work\n");
    assert_int_equal(fake.vifs, 3);
    fake.n = 0;
    a = ask("{\"op\":\"up\"}");
    HAS(a, "{\"ok\"");
    assert_int_equal(fake.n, 0); /* nothing to do */

    a = ask("{\"op\":\"down\"}");
    HAS(a, "{\"ok\"");
    assert_int_equal(fake.alive, 0);
    assert_int_equal(fake.vifs, 0);
    HAS(fake.log, "shutdown other\n");
    assert_true(strstr(fake.log, "shutdown work") <
                strstr(fake.log, "shutdown fw"));
    assert_true(strstr(fake.log, "shutdown fw") <
                strstr(fake.log, "shutdown net"));
}

/* Each failing step: named, undone, and others go on. */
/* The firewall still tells of a list for a moment after dom0 took it away;
 * a qube that is started meanwhile is plugged in later, by itself. */
static void wait_unlisted(const char *source)
{
    int fw = manager_find(env->s.m, "fw");
    char path[QDB_REC_PATH];

    snprintf(path, sizeof(path), "/sysqube-status/firewall/%s", source);
    for (unsigned i = 0; i < 200; i++) {
        if (!manager_status(env->s.m, (size_t)fw, path))
            return;
        run_ms(50);
    }
    fail_msg("%s is still told after 10 s", source);
}

static void test_undo(void **state)
{
    static const struct {
        enum fake_call call;
        const char *step, *message;
    } rows[] = {
        {FAKE_CREATE, "create the domain", "no room for work"},
        {FAKE_ATTACH, "attach the network interface", "no backend"},
        {FAKE_UNPAUSE, "let the domain run", "it will not run"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *a;
        int w;

        fake.fail = rows[i].call;
        fake.fail_at = "work";
        a = ask("{\"op\":\"up\"}");
        HAS(a, "{\"error\"");
        HAS(a, "\"qube\":\"work\"");
        HAS(a, rows[i].step);
        HAS(a, rows[i].message);
        HAS(a, "\"failed\":[\"work\"]");
        w = manager_find(env->s.m, "work");
        assert_int_equal(env->s.m->qubes[w]->state, QUBE_FAILED);
        assert_null(env->s.m->qubes[w]->worker);
        assert_int_equal(fake.alive, 3);
        assert_int_equal(fake.vifs, 2);
        /* and its rules are not in force */
        a = ask("{\"op\":\"keys\",\"qube\":\"fw\"}");
        assert_null(strstr(a, "/qubes-firewall/10.137.0.3"));
        HAS(a, "/qubes-firewall/10.137.0.4");
        wait_unlisted("10.137.0.3");
    }
    fake.fail = FAKE_NONE;
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    assert_int_equal(fake.alive, 4);
}

static void test_failing_netvm(void **state)
{
    const char *a;

    (void)state;
    fake.fail = FAKE_UNPAUSE;
    fake.fail_at = "fw";
    a = ask("{\"op\":\"up\"}");
    HAS(a, "\"qube\":\"fw\"");
    HAS(a, "let the domain run");
    HAS(env->answer, "its netvm fw does not run");
    assert_int_equal(fake.alive, 1);
    assert_null(strstr(fake.log, "create work"));
}

static void test_missing_worker(void **state)
{
    const char *a;
    char path[256];

    (void)state;
    snprintf(path, sizeof(path), "%s/worker", env->dir);
    assert_int_equal(unlink(path), 0);
    a = ask("{\"op\":\"up\",\"names\":[\"net\"]}");
    HAS(a, "start the QubesDB worker");
    HAS(fake.log, "destroy net");
    assert_int_equal(fake.alive, 0);
}

/* A VM that never connects: the start fails after its time and is undone. */
static void test_deaf(void **state)
{
    const char *a;

    (void)state;
    put_qube("deaf", "Kind=usbvm\n");
    a = ask("{\"op\":\"up\",\"names\":[\"deaf\"]}");
    HAS(a, "\"step\":\"boot\"");
    HAS(a, "did not connect to its QubesDB");
    assert_int_equal(fake.alive, 0);
}

/* A worker that sends what is no record is replaced, others go on. */
static void test_garbage(void **state)
{
    const char *a;

    (void)state;
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    put_qube("garbage", "Kind=usbvm\n");
    a = ask("{\"op\":\"up\",\"names\":[\"garbage\"]}");
    HAS(a, "malformed record");
    a = ask("{\"op\":\"up\",\"names\":[\"work\"]}");
    HAS(a, "{\"ok\"");
    assert_int_equal(fake.alive, 4);
}

/* A reload frees the configuration that a worker was started under: it must
 * hold on to nothing of it (with the address sanitizer this is seen). */
static void test_worker_after_reload(void **state)
{
    const struct manager *m = env->s.m;
    pid_t pid;
    int work;

    (void)state;
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    HAS(ask("{\"op\":\"firewall-list\",\"qube\":\"work\"}"), "{\"ok\"");
    work = manager_find(m, "work");
    pid = worker_pid(m->qubes[work]->worker);
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    for (unsigned i = 0; i < 200; i++) {
        run_ms(50);
        if (worker_pid(m->qubes[work]->worker) != pid &&
            worker_connected(m->qubes[work]->worker))
            return;
    }
    fail_msg("the worker was not replaced within 10 s");
}

static void test_death(void **state)
{
    const struct manager *m = env->s.m;
    const char *a;
    int fw, work;

    (void)state;
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    fw = manager_find(m, "fw");
    work = manager_find(m, "work");
    fake_die(m->qubes[fw]->domid, "crashed");
    run_ms(50);
    a = ask("{\"op\":\"status\"}");
    HAS(a, "\"died\":\"crashed\"");
    assert_int_equal(m->qubes[fw]->state, QUBE_OFF);
    assert_int_equal(m->qubes[work]->state, QUBE_RUNNING);
    assert_false(m->qubes[work]->vif);
    assert_int_equal(fake.vifs, 0);
    fake.n = 0;
    HAS(ask("{\"op\":\"up\",\"names\":[\"fw\"]}"), "{\"ok\"");
    run_ms(50);
    HAS(fake.log, "attach work to fw");
    HAS(fake.log, "attach other to fw");
    assert_int_equal(fake.vifs, 3);
}

static void wait_running(int index)
{
    for (unsigned i = 0; i < 200; i++) {
        if (env->s.m->qubes[index]->state == QUBE_RUNNING)
            return;
        run_ms(50);
    }
    fail_msg("not running after 10 s");
}

static void wait_plugged(int index)
{
    for (unsigned i = 0; i < 200 && !env->s.m->qubes[index]->vif; i++)
        run_ms(50);
    assert_true(env->s.m->qubes[index]->vif);
}

/* A system qube that dies comes back and gets its clients; a plain one does
 * not, nor does one that is taken down meanwhile. */
static void test_restart(void **state)
{
    const struct manager *m = env->s.m;
    int fw, work;

    (void)state;
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    fw = manager_find(m, "fw");
    work = manager_find(m, "work");
    fake_die(m->qubes[fw]->domid, "crashed");
    fake_die(m->qubes[work]->domid, "powered off");
    run_ms(50);
    HAS(ask("{\"op\":\"status\"}"), "\"restarting\":true");
    wait_running(fw);
    run_ms(50);
    assert_int_equal(m->qubes[work]->state, QUBE_OFF);
    assert_int_equal(fake.vifs, 2); /* fw to net, other to fw */
    /* again after a short life: the wait doubles */
    fake_die(m->qubes[fw]->domid, "crashed");
    assert_in_range(m->qubes[fw]->restart_at_ms - m->qubes[fw]->since_ms,
                    MANAGER_RESTART_MS + 1, MANAGER_RESTART_MS * 2);
    HAS(ask("{\"op\":\"down\"}"), "{\"ok\"");
    run_ms(2200);
    assert_int_equal(fake.alive, 0);
}

/* A start in a row of restarts that fails is tried again, later. */
static void test_restart_fails(void **state)
{
    const struct manager *m = env->s.m;
    int net;

    (void)state;
    HAS(ask("{\"op\":\"up\",\"names\":[\"net\"]}"), "{\"ok\"");
    net = manager_find(m, "net");
    fake.fail = FAKE_CREATE;
    fake.fail_at = "net";
    fake_die(m->qubes[net]->domid, "crashed");
    for (unsigned i = 0; i < 200 && m->qubes[net]->state != QUBE_FAILED; i++)
        run_ms(50);
    assert_int_equal(m->qubes[net]->state, QUBE_FAILED);
    assert_true(m->qubes[net]->restart_at_ms != 0);
    fake.fail = FAKE_NONE;
    wait_running(net);
}

static void test_down_refused_and_forced(void **state)
{
    const char *a;

    (void)state;
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    a = ask("{\"op\":\"down\",\"names\":[\"fw\"]}");
    HAS(a, "uses it as netvm");
    assert_int_equal(fake.alive, 4);
    a = ask("{\"op\":\"down\",\"names\":[\"fw\"],\"force\":true}");
    HAS(a, "{\"ok\"");
    assert_int_equal(fake.alive, 3);
    assert_int_equal(fake.vifs, 0);
}

static void test_firewall(void **state)
{
    const char *a;
    char *text;

    (void)state;
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    a = ask("{\"op\":\"firewall-list\",\"qube\":\"work\"}");
    HAS(a, "\"implicit\":true");
    a = ask("{\"op\":\"firewall-add\",\"qube\":\"work\",\"rule\":[\"drop\"]}");
    HAS(a, "\"hidden_by\":0");
    HAS(a, "\"applied\":{\"10.137.0.3\":\"applied 1\"}");
    a = ask("{\"op\":\"firewall-add\",\"qube\":\"work\",\"number\":0,"
            "\"rule\":[\"accept\",\"proto=tcp\",\"dstports=80\"]}");
    HAS(a, "applied 1");
    assert_null(strstr(a, "hidden_by"));
    text = get_file("qubes/work.conf");
    HAS(text, "[Firewall]\nRule=action=accept proto=tcp dstports=80-80\n"
              "Rule=action=accept\nRule=action=drop\n");
    free(text);
    a = ask("{\"op\":\"keys\",\"qube\":\"fw\"}");
    HAS(a, "\"/qubes-firewall/10.137.0.3/0002\":\"action=drop\"");
    a = ask("{\"op\":\"firewall-del\",\"qube\":\"work\",\"number\":3}");
    HAS(a, "no such rule");
    a = ask("{\"op\":\"firewall-del\",\"qube\":\"work\",\"rule\":"
            "[\"action=drop\"]}");
    HAS(a, "applied 1");
    a = ask("{\"op\":\"firewall-reset\",\"qube\":\"work\"}");
    HAS(a, "applied 1");
    a = ask("{\"op\":\"firewall-reset\",\"qube\":\"work\"}");
    HAS(a, "nothing changed");
    a = ask("{\"op\":\"firewall-add\",\"qube\":\"work\",\"rule\":[\"x\"]}");
    HAS(a, "read the rule");
    a = ask("{\"op\":\"firewall-add\",\"qube\":\"net\",\"rule\":[\"drop\"]}");
    HAS(a, "no firewall would enforce");
    a = ask("{\"op\":\"firewall-add\",\"qube\":\"nosuch\",\"rule\":"
            "[\"drop\"]}");
    HAS(a, "no qube of this name");
}

/* A rule that ends is taken from the firewall's keys at its second, though
 * nobody asks for anything. */
static void test_firewall_expiry(void **state)
{
    const struct keyset *fw;

    (void)state;
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    HAS(ask("{\"op\":\"firewall-add\",\"qube\":\"work\",\"number\":0,"
            "\"rule\":[\"accept\",\"expire=+2\"]}"),
        "applied 1");
    fw = worker_desired(env->s.m->qubes[manager_find(env->s.m, "fw")]->worker);
    assert_true(env->s.m->next_expiry_s > 0);
    for (unsigned i = 0; i < 200; i++) {
        if (!keyset_get(fw, "/qubes-firewall/10.137.0.3/0000"))
            break;
        run_ms(50);
    }
    assert_null(keyset_get(fw, "/qubes-firewall/10.137.0.3/0000"));
    assert_non_null(keyset_get(fw, "/qubes-firewall/10.137.0.3/0001"));
    assert_true(env->s.m->next_expiry_s == 0);
}

/* The VM says that a list is blocked: the command fails and says so. */
static void test_firewall_blocked(void **state)
{
    const char *a;

    (void)state;
    put_qube("work", "Kind=qube\nNetVM=fw\nQID=3\nAddress=10.137.0.66\n");
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    a = ask("{\"op\":\"firewall-add\",\"qube\":\"work\",\"rule\":[\"drop\"]}");
    HAS(a, "{\"error\"");
    HAS(a, "blocked 0: a test");
}

/* Lines of the file, and what every VM on the way is told. */
static void test_paths(void **state)
{
    const char *a;
    char *text;

    (void)state;
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    HAS(ask("{\"op\":\"forward-add\",\"qube\":\"work\",\"words\":"
            "[\"tcp\",\"8080\",\"80\"]}"),
        "the netvms are told");
    HAS(ask("{\"op\":\"reach-add\",\"qube\":\"work\",\"words\":"
            "[\"other\",\"udp\",\"1-9\"]}"),
        "the netvms are told");
    text = get_file("qubes/work.conf");
    HAS(text, "[Firewall]\nRule=action=accept\nForward=tcp 8080 80\n"
              "Reach=other udp 1-9\n");
    free(text);
    HAS(ask("{\"op\":\"keys\",\"qube\":\"net\"}"),
        "\"/sysqube-forward/0000\":\"tcp 8080 10.137.0.3 80\"");
    a = ask("{\"op\":\"keys\",\"qube\":\"fw\"}");
    HAS(a, "\"/sysqube-firewall/inbound/0000\":\"tcp 10.137.0.3 80\"");
    HAS(a, "\"/sysqube-firewall/edge/0000\":\"10.137.0.3 10.137.0.4 udp 1-9\"");
    a = ask("{\"op\":\"forward-list\"}");
    HAS(a, "\"qube\":\"work\",\"proto\":\"tcp\",\"uplink_port\":8080,"
           "\"port\":80,\"from\":null,\"netvm\":\"net\","
           "\"state\":\"waiting\"");
    HAS(ask("{\"op\":\"reach-list\"}"),
        "\"to\":\"other\",\"what\":\"udp 1-9\",\"firewall\":\"fw\","
        "\"state\":\"on\"");
    HAS(ask("{\"op\":\"forward-add\",\"qube\":\"other\",\"words\":"
            "[\"tcp\",\"8080\",\"80\"]}"),
        "this port of net leads to ");
    HAS(ask("{\"op\":\"forward-add\",\"qube\":\"other\",\"words\":"
            "[\"tcp\",\"1\",\"80\\nRule=accept\"]}"),
        "these are no words");
    HAS(ask("{\"op\":\"forward-del\",\"qube\":\"work\",\"words\":"
            "[\"tcp\",\"808\"]}"),
        "no such line");
    HAS(ask("{\"op\":\"forward-del\",\"qube\":\"work\",\"words\":"
            "[\"tcp\",\"8080\"]}"),
        "{\"ok\"");
    HAS(ask("{\"op\":\"reach-del\",\"qube\":\"work\",\"words\":[\"other\"]}"),
        "{\"ok\"");
    text = get_file("qubes/work.conf");
    HAS(text, "[Firewall]\nRule=action=accept\n");
    assert_null(strstr(text, "Forward"));
    assert_null(strstr(text, "Reach"));
    free(text);
    text = get_file("qubes/other.conf");
    assert_null(strstr(text, "[Firewall]"));
    free(text);
}

static void test_firewall_stored_only(void **state)
{
    (void)state;
    HAS(ask("{\"op\":\"firewall-add\",\"qube\":\"work\",\"rule\":[\"drop\"]}"),
        "in force when the qube starts");
}

/* Of a running qube that gets another netvm: unplugged, its list written
 * there and reported, plugged in there; nothing is left in the old one. */
static void test_netvm(void **state)
{
    const struct manager *m = env->s.m;
    const char *a;
    char *text;

    (void)state;
    put_qube("fw2", "Kind=firewallvm\nNetVM=net\nQID=5\nAutostart=no\n");
    HAS(ask("{\"op\":\"netvm\",\"qube\":\"work\",\"netvm\":\"fw2\"}"),
        "in force when the qube starts");
    text = get_file("qubes/work.conf");
    HAS(text, "\nNetVM=fw2\n");
    free(text);
    HAS(ask("{\"op\":\"netvm\",\"qube\":\"work\",\"netvm\":\"fw\"}"),
        "{\"ok\"");
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    fake.n = 0;
    a = ask("{\"op\":\"netvm\",\"qube\":\"work\",\"netvm\":\"fw2\"}");
    HAS(a, "{\"ok\"");
    wait_plugged(manager_find(m, "work"));
    assert_string_equal(fake.log, "detach work from fw\n"
                                  "create fw2\nattach fw2 to net\n"
                                  "unpause fw2\nattach work to fw2\n");
    a = ask("{\"op\":\"keys\",\"qube\":\"fw2\"}");
    HAS(a, "\"/sysqube-status/firewall/10.137.0.3\":\"applied 1\"");
    a = ask("{\"op\":\"keys\",\"qube\":\"fw\"}");
    assert_null(strstr(a, "firewall/10.137.0.3"));
    HAS(a, "firewall/10.137.0.4");
    HAS(ask("{\"op\":\"netvm\",\"qube\":\"work\",\"netvm\":\"nosuch\"}"),
        "there is no such qube");
    HAS(ask("{\"op\":\"netvm\",\"qube\":\"work\",\"netvm\":\"none\"}"),
        "{\"ok\"");
    assert_int_equal(m->qubes[manager_find(m, "work")]->state, QUBE_RUNNING);
    assert_int_equal(fake.vifs, 3);
    HAS(ask("{\"op\":\"netvm\",\"qube\":\"work\"}"), "without a netvm");
}

/* A qube of which the netvm still reports an older list is not plugged in
 * before the one written last is reported. */
static void test_netvm_older_list(void **state)
{
    struct manager *m = env->s.m;
    const struct worker *w;
    int fw, work;

    (void)state;
    HAS(ask("{\"op\":\"up\"}"), "{\"ok\"");
    fw = manager_find(m, "fw");
    work = manager_find(m, "work");
    fake_die(m->qubes[work]->domid, "powered off");
    assert_int_equal(manager_start(m, (size_t)work), 0);
    assert_false(m->qubes[work]->vif);
    assert_non_null(
        manager_status(m, (size_t)fw, "/sysqube-status/firewall/10.137.0.3"));
    wait_running(work);
    wait_plugged(work);
    w = m->qubes[fw]->worker;
    assert_true(
        worker_handled(w, "10.137.0.3", worker_pushed(w, "10.137.0.3")));
    assert_false(
        worker_handled(w, "10.137.0.3", worker_pushed(w, "10.137.0.3") + 1));
    assert_int_equal(fake.vifs, 3);
}

static void test_bad_config(void **state)
{
    const char *a;

    (void)state;
    HAS(ask("{\"op\":\"up\",\"names\":[\"net\"]}"), "{\"ok\"");
    put_qube("work", "Kind=qube\nNetVM=nowhere\nColour=red\n");
    a = ask("{\"op\":\"up\"}");
    HAS(a, "2 errors in the configuration");
    HAS(a, "unknown key Colour");
    HAS(a, "\"line\":4");
    put_qube("work", "Kind=qube\nNetVM=fw\nQID=3\n");
    put_qube("net", "Kind=netvm\nQID=9\n");
    a = ask("{\"op\":\"up\"}");
    HAS(a, "changed while the qube runs");
    assert_int_equal(fake.alive, 1);
}

static void test_bad_requests(void **state)
{
    (void)state;
    HAS(ask("{\"op\":\"nosuch\"}"), "unknown operation");
    HAS(ask("hello"), "not a JSON object");
    HAS(ask("{\"op\":\"up\",\"names\":[\"nosuch\"]}"), "no qube of this name");
    HAS(ask("{\"op\":\"console\",\"qube\":\"net\"}"), "it is not running");
    HAS(ask("{\"op\":\"up\",\"names\":[\"net\"]}"), "{\"ok\"");
    HAS(ask("{\"op\":\"quit\"}"), "it is still running");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order),
        TEST(test_undo),
        TEST(test_failing_netvm),
        TEST(test_missing_worker),
        TEST(test_deaf),
        TEST(test_garbage),
        TEST(test_worker_after_reload),
        TEST(test_death),
        TEST(test_restart),
        TEST(test_restart_fails),
        TEST(test_down_refused_and_forced),
        TEST(test_firewall),
        TEST(test_firewall_expiry),
        TEST(test_firewall_blocked),
        TEST(test_paths),
        TEST(test_firewall_stored_only),
        TEST(test_netvm),
        TEST(test_netvm_older_list),
        TEST(test_bad_config),
        TEST(test_bad_requests),
    };

    (void)argc;
    if (!strcmp(argv[0], "sysqube-qdb"))
        return worker_main();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
