/*
 * queue_bench [DIRECTORY]: how fast the queue is on this machine's disk.
 *
 * Prints jobs per second for enqueue, claim and complete (each a durable
 * transaction) with 1 and 16 client threads and with 8 processes, and the time
 * of one claim with 10 and with 100,000 jobs waiting; first what the disk
 * takes for one fdatasync, of which a job alone needs three.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/queue.h"

#define CYCLES 4000
#define CLAIMS 200
#define PROCESSES 8
#define PROCESS_CYCLES 300

static void must(int code, const struct ps_error *err)
{
    if (code == PS_OK)
        return;
    (void)fprintf(stderr, "queue_bench: %s\n", err->text);
    exit(1);
}

static double now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct ps_queue *open_at(const char *dir, const char *name)
{
    struct ps_error err = PS_ERROR_INIT;
    char *location = ps_format("sqlite:%s/%s.db", dir, name);
    struct ps_queue_options options = { .location = location,
                                        .worker = "bench" };
    struct ps_queue *q = NULL;

    must(ps_queue_open(&options, &q, &err), &err);
    free(location);
    return q;
}

static void enqueue(struct ps_queue *q, struct ps_arena *arena, int number)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_enqueued out;
    char request[32];

    (void)snprintf(request, sizeof(request), "r%d", number);
    {
        struct ps_enqueue what = {
            .key = ps_sha256_of(&number, sizeof(number)),
            .request = request,
            .spec = "{\"schema\":1,\"source\":\"git+https://example.invalid/"
                    "some/project\",\"python\":\"3.11\"}",
        };

        must(ps_queue_enqueue(q, arena, &what, &out, &err), &err);
    }
}

static void claim(struct ps_queue *q, struct ps_arena *arena,
                  struct ps_claim *out)
{
    struct ps_error err = PS_ERROR_INIT;

    must(ps_queue_claim(q, arena, NULL, 0, out, &err), &err);
}

static void complete(struct ps_queue *q, struct ps_arena *arena,
                     const struct ps_claim *c)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_artifact a = { .sha256 = c->key,
                             .size = 1,
                             .name = (char *)"x-1-py3-none-any.whl" };
    struct ps_artifact final;

    must(ps_queue_complete(q, arena, c->job, c->epoch, &a, &final, &err), &err);
}

struct client {
    struct ps_queue *q;
    atomic_int *next;
};

static void *work(void *user)
{
    struct client *c = user;

    for (;;) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        int number = atomic_fetch_add(c->next, 1);
        struct ps_claim got;

        if (number >= CYCLES)
            return NULL;
        enqueue(c->q, &arena, number);
        claim(c->q, &arena, &got);
        if (got.job)
            complete(c->q, &arena, &got);
    }
}

static void bench_cycle(const char *dir, int threads)
{
    pthread_t ids[16];
    struct client client;
    atomic_int next = 0;
    char name[32];
    double since = 0;

    (void)snprintf(name, sizeof(name), "cycle-%d", threads);
    client = (struct client){ .q = open_at(dir, name), .next = &next };
    since = now_s();
    for (int i = 0; i < threads; i++) {
        if (pthread_create(&ids[i], NULL, work, &client) != 0)
            exit(1);
    }
    for (int i = 0; i < threads; i++)
        (void)pthread_join(ids[i], NULL);
    (void)printf("%2d clients: %6.0f jobs/s\n", threads,
                 CYCLES / (now_s() - since));
    ps_queue_close(client.q);
}

/* One of the processes; the longest job that it saw, in seconds. */
static double work_alone(const char *dir, int from)
{
    struct ps_queue *q = open_at(dir, "processes");
    double longest = 0;

    for (int i = from; i < from + PROCESS_CYCLES; i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        double since = now_s();
        struct ps_claim got;

        enqueue(q, &arena, i);
        claim(q, &arena, &got);
        if (got.job)
            complete(q, &arena, &got);
        if (now_s() - since > longest)
            longest = now_s() - since;
    }
    ps_queue_close(q);
    return longest;
}

/* Each with its own connection: does one of them starve? */
static void bench_processes(const char *dir)
{
    struct ps_error err = PS_ERROR_INIT;
    double since = now_s();
    double longest = 0;
    int fds[2];

    must(ps_pipe(fds, &err), &err);
    for (int i = 0; i < PROCESSES; i++) {
        (void)fflush(NULL);
        if (fork() == 0) {
            double own = work_alone(dir, i * PROCESS_CYCLES);

            _exit(write(fds[1], &own, sizeof(own)) == sizeof(own) ? 0 : 1);
        }
    }
    (void)close(fds[1]);
    for (;;) {
        double one = 0;

        if (read(fds[0], &one, sizeof(one)) != sizeof(one))
            break;
        longest = one > longest ? one : longest;
    }
    while (wait(NULL) > 0)
        ;
    (void)close(fds[0]);
    (void)printf("%2d processes: %6.0f jobs/s, longest job %.0f ms\n",
                 PROCESSES, PROCESSES * PROCESS_CYCLES / (now_s() - since),
                 longest * 1e3);
}

static void *fill(void *user)
{
    struct client *c = user;

    for (;;) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        int left = atomic_fetch_sub(c->next, 1);

        if (left <= 0)
            return NULL;
        enqueue(c->q, &arena, left);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Each claim is given back, so that the number that waits stays the same. */
static void bench_claim(const char *dir, int waiting)
{
    pthread_t ids[16];
    struct client client;
    atomic_int left = waiting;
    double took[CLAIMS];
    char name[32];

    (void)snprintf(name, sizeof(name), "claim-%d", waiting);
    client = (struct client){ .q = open_at(dir, name), .next = &left };
    for (int i = 0; i < 16; i++) {
        if (pthread_create(&ids[i], NULL, fill, &client) != 0)
            exit(1);
    }
    for (int i = 0; i < 16; i++)
        (void)pthread_join(ids[i], NULL);
    for (int i = 0; i < CLAIMS; i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        struct ps_error err = PS_ERROR_INIT;
        double since = now_s();
        struct ps_claim c;

        claim(client.q, &arena, &c);
        took[i] = now_s() - since;
        must(ps_queue_release(client.q, c.job, c.epoch, &err), &err);
    }
    qsort(took, CLAIMS, sizeof(took[0]), compare);
    (void)printf("%6d waiting: claim %.3f ms median, %.3f ms p95\n", waiting,
                 took[CLAIMS / 2] * 1e3, took[CLAIMS * 95 / 100] * 1e3);
    ps_queue_close(client.q);
}

static void bench_disk(const char *dir)
{
    char *path = ps_format("%s/disk", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char page[4096] = "";
    double took[CLAIMS];

    if (fd < 0)
        exit(1);
    for (int i = 0; i < CLAIMS; i++) {
        double since = 0;

        if (write(fd, page, sizeof(page)) != sizeof(page))
            exit(1);
        since = now_s();
        if (fdatasync(fd) < 0)
            exit(1);
        took[i] = now_s() - since;
    }
    (void)close(fd);
    free(path);
    qsort(took, CLAIMS, sizeof(took[0]), compare);
    (void)printf("fdatasync: %.3f ms median, %.3f ms p95\n",
                 took[CLAIMS / 2] * 1e3, took[CLAIMS * 95 / 100] * 1e3);
}

int main(int argc, char **argv)
{
    struct ps_error err = PS_ERROR_INIT;
    char *dir = NULL;

    must(ps_make_temp_dir(argc > 1 ? argv[1] : ".", "queue-bench-", &dir, &err),
         &err);
    bench_disk(dir);
    bench_cycle(dir, 1);
    bench_cycle(dir, 16);
    bench_processes(dir);
    bench_claim(dir, 10);
    bench_claim(dir, 100000);
    must(ps_remove_tree_at(-100 /* AT_FDCWD */, dir, &err), &err);
    free(dir);
    return 0;
}
