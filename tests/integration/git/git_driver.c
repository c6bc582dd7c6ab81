/*
 * Resolve a git URL and check it out; what happened as lines on standard
 * output, for the Python tests:
 *
 *   git_driver [option...] URL [DEST]
 *
 *   --mirrors DIR        required
 *   --offline            never fetch
 *   --stall-ms N         stall limit
 *   --cancel-after-ms N  fire the cancel token from another thread
 *
 * "ok <commit> <digest> <time>", or "error <CODE> <text>" and exit status 1.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pkgsync/git.h"

struct plan {
    struct ps_git_options options;
    struct ps_cancel cancel;
    uint64_t cancel_after_ms;
    const char *url;
    const char *dest;
    uint64_t objects; /* the last progress */
};

static void on_progress(uint64_t objects, uint64_t total, uint64_t bytes,
                        void *user)
{
    struct plan *p = user;

    (void)total;
    (void)bytes;
    p->objects = objects;
}

static void *fire_later(void *user)
{
    struct plan *p = user;
    struct timespec wait = {
        .tv_sec = (time_t)(p->cancel_after_ms / 1000),
        .tv_nsec = (long)(p->cancel_after_ms % 1000) * 1000000L,
    };

    (void)nanosleep(&wait, NULL);
    ps_cancel_fire(&p->cancel, PS_ECANCELED);
    return NULL;
}

static int number(const char *text, uint64_t *out)
{
    struct ps_error err = PS_ERROR_INIT;

    return ps_str_to_u64(ps_str_from(text ? text : ""), UINT32_MAX, out, &err);
}

static int parse(struct plan *p, char **argv)
{
    int i = 1;

    for (; argv[i] && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--offline") == 0) {
            p->options.offline = true;
        } else if (strcmp(argv[i], "--mirrors") == 0) {
            p->options.mirror_root = argv[++i];
        } else if (strcmp(argv[i], "--stall-ms") == 0) {
            if (number(argv[++i], &p->options.stall_limit_ms) < 0)
                return -1;
        } else if (strcmp(argv[i], "--cancel-after-ms") == 0) {
            if (number(argv[++i], &p->cancel_after_ms) < 0)
                return -1;
        } else {
            return -1;
        }
    }
    p->url = argv[i];
    p->dest = argv[i] ? argv[i + 1] : NULL;
    return p->url && p->options.mirror_root ? 0 : -1;
}

static int run(struct plan *p, struct ps_arena *arena, struct ps_error *err)
{
    struct ps_git_url url = { 0 };
    struct ps_git_commit commit = { 0 };
    char hex[PS_SHA256_HEX_SIZE];

    if (ps_git_url_parse(arena, ps_str_from(p->url), &url, err) < 0 ||
        ps_git_resolve(arena, &url, &p->options, &p->cancel, &commit, err) < 0)
        return err->code;
    if (p->dest && ps_git_checkout(&url, &commit, &p->options, &p->cancel,
                                   p->dest, err) < 0)
        return err->code;
    ps_sha256_hex(&commit.digest, hex);
    printf("ok %s %s %lld\n", commit.id, hex, (long long)commit.time_s);
    printf("display %s\nmirror %s\nobjects %llu\n", url.display, commit.mirror,
           (unsigned long long)p->objects);
    return PS_OK;
}

int main(int argc, char **argv)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct plan p = { .options = { .progress = on_progress } };
    pthread_t thread = 0;
    int rc = 0;

    p.options.user = &p;
    if (argc < 2 || parse(&p, argv) < 0) {
        (void)fputs("usage: git_driver --mirrors DIR [option...] URL [DEST]\n",
                    stderr);
        return 2;
    }
    rc = ps_cancel_init(&p.cancel, &err);
    if (rc == PS_OK && p.cancel_after_ms > 0 &&
        pthread_create(&thread, NULL, fire_later, &p) != 0)
        return 2;
    if (rc == PS_OK)
        rc = run(&p, &arena, &err);
    if (rc < 0)
        printf("error %s %s\n", ps_code_name(rc), err.text);
    if (p.cancel_after_ms > 0)
        (void)pthread_join(thread, NULL);
    ps_cancel_release(&p.cancel);
    return rc < 0 ? 1 : 0;
}
