/*
 * io_bench tree DIRECTORY CACHE    the digest of a tree, with a stat cache and
 *                                  without, and the bare stat of its files
 * io_bench hash FILE SCRATCH       hashing a file, and copying it at the same
 *                                  time, against OpenSSL alone
 *
 * Prints one JSON object: medians in milliseconds of CPU time of this process.
 */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/digest.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/tree.h"

#define ROUNDS 21
#define CHUNK ((size_t)256 * 1024)

struct job {
    const char *path;
    const char *scratch;
    void (*run)(const struct job *job);
};

static void must(int code, const struct ps_error *err)
{
    if (code < 0) {
        (void)fprintf(stderr, "io_bench: %s\n", err->text);
        exit(1);
    }
}

static double cpu_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_ms(const struct job *job)
{
    double times[ROUNDS];

    job->run(job);
    for (size_t i = 0; i < ROUNDS; i++) {
        double began = cpu_ms();

        job->run(job);
        times[i] = cpu_ms() - began;
    }
    qsort(times, ROUNDS, sizeof(times[0]), by_value);
    return times[ROUNDS / 2];
}

static void digest_tree(const struct job *job)
{
    const struct ps_tree_options options = { .cache_dir = job->scratch };
    struct ps_error err = PS_ERROR_INIT;
    struct ps_tree_info info;

    must(ps_tree_digest(job->path, &options, NULL, &info, &err), &err);
}

static int ignore_entry(const char *path, const struct stat *st, int kind,
                        struct FTW *ftw)
{
    (void)path;
    (void)st;
    (void)kind;
    (void)ftw;
    return 0;
}

static void stat_tree(const struct job *job)
{
    if (nftw(job->path, ignore_entry, 32, FTW_PHYS) != 0) {
        perror("io_bench: nftw");
        exit(1);
    }
}

/* The least there is: read and hash. */
static void hash_bare(const struct job *job)
{
    static unsigned char data[CHUNK];
    unsigned char out[EVP_MAX_MD_SIZE];
    PS_AUTO_FD int fd = open(job->path, O_RDONLY | O_CLOEXEC);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    ssize_t got = 0;
    int ok = fd >= 0 && md && EVP_DigestInit_ex(md, EVP_sha256(), NULL);

    while (ok && (got = read(fd, data, sizeof(data))) > 0)
        ok = EVP_DigestUpdate(md, data, (size_t)got);
    ok = ok && got == 0 && EVP_DigestFinal_ex(md, out, NULL);
    EVP_MD_CTX_free(md);
    if (!ok) {
        (void)fprintf(stderr, "io_bench: hash '%s'\n", job->path);
        exit(1);
    }
}

static void hash_file(const struct job *job)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_sha256 digest;

    must(ps_sha256_file(job->path, UINT64_MAX, &digest, NULL, &err), &err);
}

static void copy(const struct job *job, struct ps_sha256 *digest)
{
    PS_AUTO_FREE char *to = ps_format("%s/copy", job->scratch);
    PS_AUTO_FD int from_fd = open(job->path, O_RDONLY | O_CLOEXEC);
    PS_AUTO_FD int to_fd =
        open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct ps_error err = PS_ERROR_INIT;

    must(ps_copy_fd(from_fd, to_fd, UINT64_MAX, digest, NULL, &err), &err);
}

static void copy_only(const struct job *job)
{
    copy(job, NULL);
}

static void copy_and_hash(const struct job *job)
{
    struct ps_sha256 digest;

    copy(job, &digest);
}

int main(int argc, char **argv)
{
    const char *path = argc == 4 ? argv[2] : NULL;
    const char *scratch = argc == 4 ? argv[3] : NULL;

    if (path && strcmp(argv[1], "tree") == 0)
        (void)printf("{\"warm\": %.3f, \"cold\": %.3f, \"stat\": %.3f}\n",
                     median_ms(&(struct job){ path, scratch, digest_tree }),
                     median_ms(&(struct job){ path, NULL, digest_tree }),
                     median_ms(&(struct job){ path, NULL, stat_tree }));
    else if (path && strcmp(argv[1], "hash") == 0)
        (void)printf("{\"bare\": %.3f, \"hash\": %.3f, \"copy\": %.3f, "
                     "\"copy_and_hash\": %.3f}\n",
                     median_ms(&(struct job){ path, scratch, hash_bare }),
                     median_ms(&(struct job){ path, scratch, hash_file }),
                     median_ms(&(struct job){ path, scratch, copy_only }),
                     median_ms(&(struct job){ path, scratch, copy_and_hash }));
    else
        return 2;
    return 0;
}
