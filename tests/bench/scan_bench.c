/*
 * scan_bench PYTHON CACHE    a scan of the environment of PYTHON, against the
 *                            bare cost of opening and reading the same files
 *
 * Prints one JSON object: medians in milliseconds, wall and CPU time.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/python.h"
#include "pkgsync/scan.h"
#include "pkgsync/site.h"
#include "pkgsync/util.h"

#define ROUNDS 41

struct outcome {
    size_t distributions;
    size_t problems;
};

static void must(int code, const struct ps_error *err)
{
    if (code < 0) {
        (void)fprintf(stderr, "scan_bench: %s\n", err->text);
        exit(1);
    }
}

static double now_ms(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static void scan(const struct ps_site *site, struct outcome *out)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_environment e;

    must(ps_environment_scan(&arena, site, NULL, &e, &err), &err);
    *out = (struct outcome){ .distributions = e.count,
                             .problems = e.problem_count };
}

/* Open it, read what a scan would, close it. */
static void read_one(int dir, const char *entry, const char *file)
{
    char path[600];
    char head[8192];
    int fd = -1;

    (void)snprintf(path, sizeof(path), "%s/%s", entry, file);
    fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!read(fd, head, sizeof(head));
    (void)close(fd);
}

static void open_all(const struct ps_site *site, struct outcome *out)
{
    static const char *const files[] = { "METADATA", "INSTALLER", "REQUESTED",
                                         "direct_url.json", "RECORD" };

    *out = (struct outcome){ .distributions = 0 };
    for (const char *const *d = site->dirs; *d; d++) {
        PS_AUTO_DIR DIR *dir = opendir(*d);
        struct dirent *e = NULL;

        while (dir && (e = readdir(dir)) != NULL) {
            if (!ps_str_ends(ps_str_from(e->d_name), ".dist-info"))
                continue;
            for (size_t i = 0; i < PS_ARRAY_SIZE(files); i++)
                read_one(dirfd(dir), e->d_name, files[i]);
            out->distributions++;
        }
    }
}

/* One of the two things measured; rounds of both alternate. */
struct work {
    void (*run)(const struct ps_site *site, struct outcome *out);
    struct outcome outcome;
    double wall[ROUNDS];
    double cpu[ROUNDS];
};

static void run_round(struct work *w, const struct ps_site *site, size_t round)
{
    double began = now_ms(CLOCK_MONOTONIC);
    double used = now_ms(CLOCK_PROCESS_CPUTIME_ID);

    w->run(site, &w->outcome);
    w->wall[round] = now_ms(CLOCK_MONOTONIC) - began;
    w->cpu[round] = now_ms(CLOCK_PROCESS_CPUTIME_ID) - used;
}

static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof(*values), by_value);
    return values[ROUNDS / 2];
}

int main(int argc, char **argv)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_python python;
    struct ps_site site;
    struct work scans = { .run = scan };
    struct work bare = { .run = open_all };

    if (argc != 3) {
        (void)fputs("usage: scan_bench PYTHON CACHE\n", stderr);
        return 2;
    }
    must(ps_python_probe(&arena, argv[1], argv[2], NULL, &python, &err), &err);
    must(ps_site_of(&arena, &python, NULL, &site, &err), &err);
    open_all(&site, &bare.outcome); /* into the page cache */
    for (size_t i = 0; i < ROUNDS; i++) {
        run_round(&scans, &site, i);
        run_round(&bare, &site, i);
    }
    (void)printf("{\"distributions\": %zu, \"problems\": %zu, "
                 "\"scan\": %.4f, \"scan_cpu\": %.4f, "
                 "\"bare\": %.4f, \"bare_cpu\": %.4f}\n",
                 scans.outcome.distributions, scans.outcome.problems,
                 median(scans.wall), median(scans.cpu), median(bare.wall),
                 median(bare.cpu));
    return 0;
}
