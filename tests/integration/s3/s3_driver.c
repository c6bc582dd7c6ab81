/*
 * A store on the command line, for tests: one JSON line on standard output.
 *
 *   s3_driver put KEY FILE [SHA256] | put-bytes KEY TEXT
 *             | stat KEY | get KEY FILE [MAX] | presign KEY SECONDS
 *
 * The store is in the environment: STORE, ENDPOINT, PROFILE, VIRTUAL_HOST;
 * and so is the uploader: TRIES, DELAY_MS, STALL_MS.  CANCEL_AFTER: bytes of
 * progress after which the transfer is cancelled; so does SIGTERM.  REPEAT:
 * how often, for putting to KEY-0, KEY-1...; THREADS: from so many threads.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/buf.h"
#include "pkgsync/clock.h"
#include "pkgsync/fd.h"
#include "pkgsync/json.h"
#include "pkgsync/mem.h"
#include "pkgsync/store.h"
#include "pkgsync/util.h"

struct run {
    struct ps_uploader *uploader;
    struct ps_store *store;
    struct ps_cancel cancel;
    uint64_t cancel_after;
    uint64_t cancelled_ms; /* when */
    unsigned progress_calls;
    uint64_t progress_last;
    json_t *out; /* under lock while threads work */
    pthread_mutex_t lock;
};

static const char *setting(const char *name)
{
    const char *value = getenv(name);

    return value && value[0] ? value : NULL;
}

static uint64_t number(const char *name)
{
    struct ps_error err = PS_ERROR_INIT;
    uint64_t value = 0;

    if (setting(name) &&
        ps_str_to_u64(ps_str_from(setting(name)), UINT64_MAX, &value, &err) < 0)
        exit(64);
    return value;
}

static void on_progress(uint64_t done, uint64_t total, void *user)
{
    struct run *r = user;

    (void)total;
    pthread_mutex_lock(&r->lock);
    r->progress_calls++;
    r->progress_last = done;
    if (r->cancel_after && done >= r->cancel_after && !r->cancelled_ms) {
        r->cancelled_ms = ps_boot_ms();
        ps_cancel_fire(&r->cancel, PS_ECANCELED);
    }
    pthread_mutex_unlock(&r->lock);
}

static struct ps_cancel *signal_cancel;

static void on_signal(int number_of_signal)
{
    (void)number_of_signal;
    // NOLINTNEXTLINE(bugprone-signal-handler): cancel.h allows it
    ps_cancel_fire(signal_cancel, PS_ECANCELED);
}

static int open_run(struct run *r, struct ps_error *err)
{
    struct ps_uploader_options up = {
        .stall_limit_ms = number("STALL_MS"),
        .max_tries = (unsigned)number("TRIES"),
        .base_delay_ms = number("DELAY_MS"),
    };
    struct ps_store_options so = {
        .location = setting("STORE"),
        .endpoint_url = setting("ENDPOINT"),
        .profile = setting("PROFILE"),
        .virtual_host = setting("VIRTUAL_HOST") != NULL,
    };

    r->cancel_after = number("CANCEL_AFTER");
    if (ps_cancel_init(&r->cancel, err) < 0 ||
        ps_uploader_new(&up, &r->uploader, err) < 0)
        return err->code;
    signal_cancel = &r->cancel;
    (void)signal(SIGTERM, on_signal);
    so.uploader = r->uploader;
    return ps_store_open(&so, &r->store, err);
}

static int put_once(struct run *r, const char *key, const char *file,
                    const char *sha256, struct ps_error *err)
{
    PS_AUTO_FD int fd = -1;
    struct stat st;
    struct ps_object o = { .key = key,
                           .content_type = "application/octet-stream" };
    bool existed = false;

    if (ps_open_regular_at(AT_FDCWD, file, &fd, &st, err) < 0)
        return err->code;
    o.fd = fd;
    o.size = (uint64_t)st.st_size;
    if (sha256) {
        if (ps_sha256_parse(ps_str_from(sha256), &o.sha256, err) < 0)
            return err->code;
    } else if (ps_sha256_fd(fd, UINT64_MAX, &o.sha256, NULL, err) < 0) {
        return err->code;
    }
    if (ps_store_put(r->store, &o, on_progress, r, &r->cancel, &existed, err) <
        0)
        return err->code;
    pthread_mutex_lock(&r->lock);
    json_object_set_new(r->out, "existed", json_boolean(existed));
    pthread_mutex_unlock(&r->lock);
    return PS_OK;
}

struct worker {
    struct run *run;
    pthread_t thread;
    char **argv;
    uint64_t first;
    uint64_t step;
    uint64_t end;
    struct ps_error err;
};

static void *work(void *user)
{
    struct worker *w = user;

    for (uint64_t i = w->first; i < w->end && !w->err.code; i += w->step) {
        PS_AUTO_FREE char *key = ps_format("%s-%" PRIu64, w->argv[0], i);

        (void)put_once(w->run, key, w->argv[1], NULL, &w->err);
    }
    return NULL;
}

static int run_put(struct run *r, char **argv, struct ps_error *err)
{
    uint64_t repeat = number("REPEAT");
    uint64_t count = number("THREADS") ? number("THREADS") : 1;
    struct worker *workers = NULL;

    if (!repeat)
        return put_once(r, argv[0], argv[1], argv[2], err);
    workers = ps_calloc(count, sizeof(*workers));
    for (uint64_t i = 0; i < count; i++) {
        workers[i] = (struct worker){
            .run = r, .argv = argv, .first = i, .step = count, .end = repeat
        };
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            abort();
    }
    for (uint64_t i = 0; i < count; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        if (workers[i].err.code && !err->code)
            *err = workers[i].err;
    }
    free(workers);
    return err->code;
}

static int run_stat(struct run *r, const char *key, struct ps_error *err)
{
    struct ps_object_info info = { .exists = false };
    char hex[PS_SHA256_HEX_SIZE] = "";

    if (ps_store_stat(r->store, key, &r->cancel, &info, err) < 0)
        return err->code;
    if (info.has_sha256)
        ps_sha256_hex(&info.sha256, hex);
    json_object_set_new(r->out, "exists", json_boolean(info.exists));
    json_object_set_new(r->out, "size", json_integer((json_int_t)info.size));
    json_object_set_new(r->out, "sha256", json_string(hex));
    return PS_OK;
}

static int run_get(struct run *r, char **argv, struct ps_error *err)
{
    PS_AUTO_FD int fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    uint64_t max = UINT64_MAX / 2;
    uint64_t size = 0;

    if (fd < 0)
        return ps_fail(err, PS_EIO, "cannot open '%s'", argv[1]);
    if (argv[2] &&
        ps_str_to_u64(ps_str_from(argv[2]), UINT64_MAX, &max, err) < 0)
        return err->code;
    if (ps_store_get(r->store, argv[0], fd, max, &r->cancel, &size, err) < 0)
        return err->code;
    json_object_set_new(r->out, "size", json_integer((json_int_t)size));
    return PS_OK;
}

static int run_presign(struct run *r, char **argv, struct ps_error *err)
{
    PS_AUTO_FREE char *url = NULL;
    uint64_t seconds = 0;
    uint64_t until_ms = 0;

    if (ps_str_to_u64(ps_str_from(argv[1]), UINT64_MAX, &seconds, err) < 0 ||
        ps_store_presign_get(r->store, argv[0], seconds, &r->cancel, &url,
                             &until_ms, err) < 0)
        return err->code;
    json_object_set_new(r->out, "presigned", json_string(url));
    json_object_set_new(r->out, "until_ms", json_integer((json_int_t)until_ms));
    return PS_OK;
}

static int run_verb(struct run *r, int argc, char **argv, struct ps_error *err)
{
    const char *verb = argc > 1 ? argv[1] : "";
    bool existed = false;

    if (strcmp(verb, "put") == 0 && argc >= 4)
        return run_put(r, argv + 2, err);
    if (strcmp(verb, "stat") == 0 && argc == 3)
        return run_stat(r, argv[2], err);
    if (strcmp(verb, "get") == 0 && argc >= 4)
        return run_get(r, argv + 2, err);
    if (strcmp(verb, "presign") == 0 && argc == 4)
        return run_presign(r, argv + 2, err);
    if (strcmp(verb, "put-bytes") == 0 && argc == 4) {
        if (ps_store_put_bytes(r->store, argv[2], "text/plain", argv[3],
                               strlen(argv[3]), &r->cancel, &existed, err) < 0)
            return err->code;
        json_object_set_new(r->out, "existed", json_boolean(existed));
        return PS_OK;
    }
    return ps_fail(err, PS_EUSAGE, "wrong usage");
}

/* Of this program alone: what getrusage() says begins with the parent's. */
static json_int_t peak_memory_kib(void)
{
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(PS_KIB(64));
    PS_AUTO_FD int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    const char *line = NULL;

    if (fd < 0 || ps_read_all(fd, &text, &err) < 0)
        return -1;
    line = strstr(ps_buf_z(&text), "VmHWM:");
    return line ? strtoll(line + strlen("VmHWM:"), NULL, 10) : -1;
}

static void report(struct run *r, const struct ps_error *err)
{
    uint64_t end_ms = ps_boot_ms();
    char *text = NULL;

    if (r->store) {
        PS_AUTO_FREE char *url = ps_store_object_url(r->store, "k");

        json_object_set_new(r->out, "location",
                            json_string(ps_store_location(r->store)));
        json_object_set_new(r->out, "url", json_string(url));
    }
    json_object_set_new(r->out, "code", json_string(ps_code_name(err->code)));
    json_object_set_new(r->out, "text", ps_json_string(err->text));
    json_object_set_new(r->out, "rss_kib", json_integer(peak_memory_kib()));
    json_object_set_new(r->out, "progress_calls",
                        json_integer(r->progress_calls));
    json_object_set_new(r->out, "progress_last",
                        json_integer((json_int_t)r->progress_last));
    if (r->cancelled_ms)
        json_object_set_new(
            r->out, "cancel_ms",
            json_integer((json_int_t)(end_ms - r->cancelled_ms)));
    text = json_dumps(r->out, JSON_COMPACT);
    puts(text);
    free(text);
}

int main(int argc, char **argv)
{
    struct ps_error err = PS_ERROR_INIT;
    struct run r = { .out = json_object(), .lock = PTHREAD_MUTEX_INITIALIZER };
    int rc = setting("STORE") ? open_run(&r, &err)
                              : ps_fail(&err, PS_EUSAGE, "STORE is not set");

    if (rc == PS_OK)
        rc = run_verb(&r, argc, argv, &err);
    report(&r, &err);
    ps_store_close(r.store);
    ps_uploader_free(r.uploader);
    ps_cancel_release(&r.cancel);
    json_decref(r.out);
    return ps_code_exit_status(rc);
}
