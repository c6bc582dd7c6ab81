/*
 * pkgsync-sandbox: read a plan, do it, report.
 *
 * Started by ps_sandbox (runner.c) and usable by hand: see --help.  Holds no
 * secret, has one thread, and ends with the process that started it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "copy.h"
#include "job.h"
#include "pkgsync/buf.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/util.h"
#include "report.h"
#include "selftest.h"
#include "sys.h"

static const char usage[] =
    "usage: pkgsync-sandbox [--plan-fd N] [--result-fd N] [--out-fd N]\n"
    "       pkgsync-sandbox --print-plan [--plan-fd N]\n"
    "       pkgsync-sandbox --self-test\n"
    "\n"
    "Run one command in isolation.  The plan is a JSON object, read from\n"
    "descriptor --plan-fd (default 0); the result, a JSON object too, goes\n"
    "to --result-fd (default 2); what the command leaves in its output\n"
    "directory goes to the directory open as --out-fd.  The command's output\n"
    "goes to descriptor 1.  See pkgsync-sandbox(8).\n";

struct arguments {
    uint64_t plan_fd;
    uint64_t result_fd;
    uint64_t out_fd;
    uint64_t parent;
    bool has_out;
    bool print_plan;
    bool self_test;
    bool help;
    bool version;
};

static int read_plan_text(int fd, struct ps_buf *text, struct ps_error *err)
{
    char block[16384];

    for (;;) {
        ssize_t got = read(fd, block, sizeof(block));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ps_fail_errno(err, errno, "read the plan");
        if (got == 0)
            return ps_buf_check(text, "sandbox plan", err);
        ps_buf_add(text, block, (size_t)got);
        if (text->overflow)
            return ps_buf_check(text, "sandbox plan", err);
    }
}

static int read_plan(int fd, struct ps_arena *a, struct ps_plan *plan,
                     struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(PS_PLAN_MAX_BYTES);

    if (read_plan_text(fd, &text, err) < 0 ||
        ps_plan_parse(a, ps_buf_str(&text), plan, err) < 0)
        return err->code;
    ps_plan_defaults(plan);
    return ps_plan_check(plan, err);
}

static int put_json(int fd, json_t *value, size_t flags)
{
    int rc = json_dumpfd(value, fd, flags);

    json_decref(value);
    return rc < 0 || write(fd, "\n", 1) != 1 ? 74 : 0;
}

static int print_error(const struct ps_error *err)
{
    fprintf(stderr, "pkgsync-sandbox: %s\n", err->text);
    return ps_code_exit_status(err->code);
}

static int print_plan(const struct arguments *args)
{
    PS_AUTO_ARENA struct ps_arena a = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_plan plan;
    json_t *json = NULL;

    if (read_plan((int)args->plan_fd, &a, &plan, &err) < 0 ||
        ps_plan_to_json(&plan, &json, &err) < 0)
        return print_error(&err);
    return put_json(STDOUT_FILENO, json, JSON_INDENT(2));
}

/* The output directory, after exit status 0. */
static int collect(const struct ps_job *job, struct ps_run_result *r,
                   struct ps_error *err)
{
    struct ps_copy_options options = {
        .owner = (uid_t)-1,
        .max_bytes = job->plan->spec.out_max_bytes,
        .max_files = job->plan->spec.out_max_files,
    };
    struct ps_copy_problem problem = { .detail = "" };

    if (job->out_fd < 0 || job->out_dir < 0)
        return PS_OK;
    if (ps_copy_tree(job->out_fd, job->out_dir, &options, &problem, err) < 0)
        return ps_context(err, "read the output directory back");
    if (problem.detail[0]) {
        r->outcome = PS_RUN_OUTPUT;
        snprintf(r->detail, sizeof(r->detail), "%s", problem.detail);
    }
    return PS_OK;
}

static void judge_disk(const struct ps_job *job, const char *full,
                       struct ps_run_result *r)
{
    const char *out = job->plan->spec.out_path;
    bool is_out = out && strcmp(full, out) == 0;

    r->outcome = is_out ? PS_RUN_OUTPUT : PS_RUN_DISK;
    snprintf(r->detail, sizeof(r->detail), "'%.200s' is full", full);
}

static int judge(struct ps_job *job, const struct ps_job_end *end,
                 struct ps_run_result *r, struct ps_error *err)
{
    r->wall_ms = end->wall_ms;
    if (end->timed_out) {
        r->outcome = PS_RUN_TIMEOUT;
        return PS_OK;
    }
    if (end->was_killed) {
        r->outcome = PS_RUN_SIGNAL;
        r->term_signal = SIGKILL;
        snprintf(r->detail, sizeof(r->detail), "ended on request");
        return PS_OK;
    }
    if (WIFSIGNALED(end->wait_status)) {
        r->outcome = PS_RUN_SIGNAL;
        r->term_signal = WTERMSIG(end->wait_status);
    } else {
        r->outcome = PS_RUN_EXIT;
        r->exit_status = WEXITSTATUS(end->wait_status);
    }
    if (r->outcome == PS_RUN_EXIT && r->exit_status == 0)
        return collect(job, r, err);
    if (end->full_disk)
        judge_disk(job, end->full_disk, r);
    else if (r->term_signal == SIGXFSZ) {
        r->outcome = PS_RUN_DISK;
        snprintf(r->detail, sizeof(r->detail), "a file grew over the limit");
    }
    return PS_OK;
}

static int run_job(struct ps_job *job, struct ps_run_result *r,
                   struct ps_error *err)
{
    struct ps_job_end end = { .full_disk = NULL };

    if (ps_job_prepare(job, err) < 0 || ps_job_start(job, err) < 0 ||
        ps_job_wait(job, &end, err) < 0)
        return err->code;
    return judge(job, &end, r, err);
}

static int run(const struct arguments *args)
{
    PS_AUTO_ARENA struct ps_arena a = PS_ARENA_INIT;
    static struct ps_job job;
    struct ps_run_result result = { .detail = "" };
    struct ps_error err = PS_ERROR_INIT;
    struct ps_plan plan;
    int rc;

    if (read_plan((int)args->plan_fd, &a, &plan, &err) < 0)
        return put_json((int)args->result_fd, ps_report_error(&err), 0);
    ps_job_init(&job, &plan, args->has_out ? (int)args->out_fd : -1);
    rc = run_job(&job, &result, &err);
    ps_job_release(&job);
    return put_json((int)args->result_fd,
                    rc < 0 ? ps_report_error(&err) : ps_report_result(&result),
                    0);
}

/*
 * Signals are taken from a descriptor while a job runs.  The parent is
 * checked because it may have ended before the death signal was asked for.
 */
static int settle(const struct arguments *args)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_SETMASK, &set, NULL) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -1;
    if (args->parent != 0 && (uint64_t)getppid() != args->parent)
        return -1;
    return 0;
}

struct option_row {
    const char *name;
    size_t number; /* offset of a uint64_t, or 0 */
    size_t flag;   /* offset of a bool */
};

#define AT(member) offsetof(struct arguments, member)
#define NO_NUMBER SIZE_MAX

static const struct option_row options[] = {
    { "--plan-fd", AT(plan_fd), 0 },
    { "--result-fd", AT(result_fd), 0 },
    { "--out-fd", AT(out_fd), AT(has_out) },
    { "--parent", AT(parent), 0 },
    { "--print-plan", NO_NUMBER, AT(print_plan) },
    { "--self-test", NO_NUMBER, AT(self_test) },
    { "--help", NO_NUMBER, AT(help) },
    { "--version", NO_NUMBER, AT(version) },
};

static int parse_arguments(char **argv, struct arguments *args,
                           struct ps_error *err)
{
    for (; *argv; argv++) {
        const struct option_row *o = options;
        const struct option_row *end = options + PS_ARRAY_SIZE(options);

        while (o < end && strcmp(o->name, *argv) != 0)
            o++;
        if (o == end)
            return ps_fail(err, PS_EUSAGE, "unknown argument '%s'; see --help",
                           *argv);
        if (o->flag)
            *(bool *)((char *)args + o->flag) = true;
        if (o->number == NO_NUMBER)
            continue;
        if (!argv[1])
            return ps_fail(err, PS_EUSAGE, "'%s' needs a number", *argv);
        argv++;
        if (ps_str_to_u64(ps_str_from(*argv), INT32_MAX,
                          (uint64_t *)(void *)((char *)args + o->number),
                          err) < 0)
            return ps_context(err, "'%s'", o->name);
    }
    return PS_OK;
}

int main(int argc, char **argv)
{
    struct arguments args = { .result_fd = STDERR_FILENO };
    struct ps_error err = PS_ERROR_INIT;

    if (argc == 3 && strcmp(argv[1], "--init") == 0)
        return ps_init_main(argv[2]);
    if (argc < 1 || parse_arguments(argv + 1, &args, &err) < 0)
        return print_error(&err);
    if (args.help)
        return fputs(usage, stdout) < 0 ? 74 : 0;
    if (args.version)
        return printf("pkgsync-sandbox %s\n", PKGSYNC_VERSION) < 0 ? 74 : 0;
    if (args.print_plan)
        return print_plan(&args);
    if (settle(&args) < 0)
        return 70;
    if (args.self_test)
        return ps_selftest_main();
    return run(&args);
}
