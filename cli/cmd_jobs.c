/* `pkgsync jobs`, `logs`, `cancel`, `retry`: look at and steer the queue. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/clock.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/pipeline.h"

#define FOLLOW_MS 300

static json_t *parse_or_null(const char *text)
{
    struct ps_error ignored = PS_ERROR_INIT;
    json_t *doc = NULL;

    if (!text || ps_json_parse(ps_str_from(text), "job", &doc, &ignored) < 0)
        return json_null();
    return doc;
}

static json_t *time_json(uint64_t ms)
{
    char text[PS_RFC3339_SIZE];

    if (ms == 0)
        return json_null();
    ps_rfc3339((int64_t)(ms / 1000), text);
    return json_string(text);
}

/* Where a job is, or where it failed: a heartbeat lags behind. */
static const char *job_phase(const struct ps_job *j, const json_t *error)
{
    return ps_json_string_or(error, "phase", j->phase);
}

static json_t *job_json(const struct ps_job *j)
{
    PS_AUTO_JSON json_t *error = parse_or_null(j->error);
    char key[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(&j->key, key);
    return json_pack(
        "{s:I, s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o}",
        "id", (json_int_t)j->id, "state", ps_job_state_name(j->state), "key",
        key, "spec", parse_or_null(j->spec), "phase", ps_json_string(j->phase),
        "worker", ps_json_string(j->worker), "attempt", (json_int_t)j->attempt,
        "waiters", (json_int_t)j->waiters, "created", time_json(j->created_ms),
        "started", time_json(j->started_ms), "finished",
        time_json(j->finished_ms), "filename",
        j->has_artifact ? ps_json_string(j->artifact.name) : json_null(),
        "error", json_incref(error));
}

/* The source of a job's spec; in the arena. */
static const char *job_source(struct cli *cli, const struct ps_job *j)
{
    PS_AUTO_JSON json_t *spec = parse_or_null(j->spec);
    const json_t *source = json_object_get(spec, "source");

    return ps_arena_strdup(&cli->arena,
                           ps_json_string_or(source, "given", "?"));
}

static void print_job(struct cli *cli, const struct ps_job *j)
{
    PS_AUTO_JSON json_t *error = parse_or_null(j->error);
    const char *message = ps_json_string_or(error, "message", NULL);

    (void)printf("%6lld  %-9s  %-12s  %-12s  %s\n", (long long)j->id,
                 ps_job_state_name(j->state),
                 job_phase(j, error) ? job_phase(j, error) : "",
                 cli_ago(&cli->arena, j->created_ms),
                 cli_clean(cli, job_source(cli, j)));
    if (message && j->state != PS_JOB_DONE)
        (void)printf("        %s\n", cli_clean(cli, message));
}

int cmd_jobs(struct cli *cli, struct ps_error *err)
{
    const struct ps_job_filter filter = { .live_only = !cli_flag(cli, "all") };
    PS_AUTO_JSON json_t *list = json_array();
    PS_AUTO_JSON json_t *doc = NULL;
    struct ps_job *jobs = NULL;
    size_t count = 0;
    int rc = cli_open_queue(cli, err);

    if (rc == PS_OK)
        rc =
            ps_queue_list(cli->queue, &cli->arena, &filter, &jobs, &count, err);
    if (rc < 0)
        return rc;
    if (!cli_flag(cli, "json")) {
        if (count == 0)
            (void)printf("no %sjobs\n", filter.live_only ? "live " : "");
        else
            (void)printf("%6s  %-9s  %-12s  %-12s  %s\n", "JOB", "STATE",
                         "PHASE", "CREATED", "SOURCE");
        for (size_t i = 0; i < count; i++)
            print_job(cli, &jobs[i]);
        return PS_OK;
    }
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, job_json(&jobs[i]));
    doc = json_pack("{s:i, s:O}", "schema", 1, "jobs", list);
    cli_print_json(doc);
    return PS_OK;
}

/* Print what is there; a terminal is shielded from control sequences. */
static int print_file(int fd, struct ps_error *err)
{
    char chunk[8192];

    for (;;) {
        ssize_t got = read(fd, chunk, sizeof(chunk));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ps_fail_errno(err, errno, "read the log");
        if (got == 0)
            break;
        cli_print_foreign(chunk, (size_t)got);
    }
    (void)fflush(stdout);
    return PS_OK;
}

static bool is_live(enum ps_job_state s)
{
    return s == PS_JOB_READY || s == PS_JOB_RUNNING || s == PS_JOB_DELAYED;
}

static int follow(struct cli *cli, int64_t id, int fd, struct ps_error *err)
{
    struct pollfd cancelled = { .fd = cli->cancel.fd, .events = POLLIN };
    struct ps_job job;
    int rc = print_file(fd, err);

    while (rc == PS_OK) {
        rc = ps_queue_get(cli->queue, &cli->arena, id, &job, err);
        if (rc == PS_OK)
            rc = print_file(fd, err);
        if (rc < 0 || !is_live(job.state))
            break;
        (void)poll(&cancelled, 1, FOLLOW_MS);
        rc = ps_cancel_check(&cli->cancel, err);
    }
    return rc;
}

/* The one job that the command line names. */
static int the_job(struct cli *cli, struct ps_job *out, struct ps_error *err)
{
    int64_t id = 0;
    int rc = PS_OK;

    if (cli->arg_count != 1)
        return ps_fail(err, PS_EUSAGE,
                       "name one job; `pkgsync jobs --all` lists them");
    rc = cli_job_id(cli->args[0], &id, err);
    if (rc == PS_OK)
        rc = cli_open_queue(cli, err);
    return rc < 0 ? rc : ps_queue_get(cli->queue, &cli->arena, id, out, err);
}

int cmd_logs(struct cli *cli, struct ps_error *err)
{
    PS_AUTO_FREE char *path = NULL;
    PS_AUTO_FD int fd = -1;
    struct ps_job job = { .id = 0 };
    int rc = PS_OK;

    rc = the_job(cli, &job, err);
    if (rc < 0)
        return rc;
    path = ps_pipeline_log_path(&cli->dirs, job.id);
    rc = ps_open_regular_at(AT_FDCWD, path, &fd, NULL, err);
    if (rc == PS_ENOTFOUND)
        return ps_fail(err, PS_ENOTFOUND,
                       "job %lld (%s) has no log here: it has not run on this "
                       "machine, or the log was pruned",
                       (long long)job.id, ps_job_state_name(job.state));
    if (rc < 0)
        return rc;
    return cli_flag(cli, "follow") ? follow(cli, job.id, fd, err)
                                   : print_file(fd, err);
}

int cmd_cancel(struct cli *cli, struct ps_error *err)
{
    PS_AUTO_JSON json_t *list = json_array();
    PS_AUTO_JSON json_t *doc = NULL;
    int rc = cli_open_queue(cli, err);

    if (rc == PS_OK && cli->arg_count == 0)
        return ps_fail(err, PS_EUSAGE, "name a job; `pkgsync jobs` lists them");
    for (size_t i = 0; i < cli->arg_count && rc == PS_OK; i++) {
        int64_t id = 0;

        rc = cli_job_id(cli->args[i], &id, err);
        if (rc == PS_OK)
            rc = ps_queue_cancel_job(cli->queue, id, err);
        if (rc < 0)
            break;
        json_array_append_new(list, json_integer((json_int_t)id));
        if (!cli_flag(cli, "json"))
            (void)printf("job %lld is being cancelled\n", (long long)id);
    }
    doc = json_pack("{s:i, s:O}", "schema", 1, "cancelled", list);
    if (rc == PS_OK && cli_flag(cli, "json"))
        cli_print_json(doc);
    return rc;
}

/* A flag of this run wins over what the job was made with. */
static int set_text(struct cli *cli, const json_t *from, const char *key,
                    const char *setting, struct ps_error *err)
{
    const char *value = ps_json_string_or(from, key, NULL);

    if (ps_config_origin(cli->config, setting) == PS_ORIGIN_FLAG)
        return PS_OK;
    return value ? ps_config_set_flag(cli->config, setting, value, err) : PS_OK;
}

static int set_list(struct cli *cli, const json_t *from, const char *key,
                    const char *setting, struct ps_error *err)
{
    const json_t *list = json_object_get(from, key);

    if (ps_config_origin(cli->config, setting) == PS_ORIGIN_FLAG)
        return PS_OK;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *value = json_string_value(json_array_get(list, i));
        int rc = value ? ps_config_set_flag(cli->config, setting, value, err)
                       : PS_OK;

        if (rc < 0)
            return rc;
    }
    return PS_OK;
}

static int restore_index(struct cli *cli, const json_t *index,
                         struct ps_error *err)
{
    int rc = set_text(cli, index, "index_url", "index-url", err);

    if (rc == PS_OK)
        rc = set_list(cli, index, "extra_index_urls", "extra-index-url", err);
    if (rc == PS_OK)
        rc = set_list(cli, index, "find_links", "find-links", err);
    if (rc == PS_OK && json_is_true(json_object_get(index, "no_index")))
        rc = ps_config_set_flag(cli->config, "no-index", "true", err);
    return rc;
}

/* The settings that the job was made with: they are part of its key. */
static int restore_settings(struct cli *cli, json_t *spec, struct ps_error *err)
{
    json_t *settings = json_object_get(spec, "config_settings");
    const char *key = NULL;
    json_t *value = NULL;
    int rc = set_text(cli, spec, "python", "python", err);

    if (rc == PS_OK)
        rc = set_list(cli, spec, "build_requires", "build-requires", err);
    if (rc == PS_OK)
        rc = set_list(cli, spec, "env", "env", err);
    if (rc == PS_OK)
        rc = set_list(cli, spec, "include", "include", err);
    if (rc == PS_OK)
        rc = set_list(cli, spec, "exclude", "exclude", err);
    if (rc == PS_OK)
        rc = restore_index(cli, json_object_get(spec, "index"), err);
    if (rc == PS_OK && json_is_true(json_object_get(spec, "network")))
        rc = ps_config_set_flag(cli->config, "network", "true", err);
    json_object_foreach(settings, key, value)
    {
        PS_AUTO_FREE char *pair =
            ps_format("%s=%s", key, json_string_value(value));

        if (rc == PS_OK)
            rc = ps_config_set_flag(cli->config, "config-settings", pair, err);
    }
    return rc;
}

/* A source that has changed since has another key, so another job did it:
 * this one would wait for ever. */
static void drop_superseded(struct cli *cli, int64_t id)
{
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_job job = { .id = 0 };

    if (ps_cancel_is_fired(&cli->cancel) ||
        ps_queue_get(cli->queue, &cli->arena, id, &job, &ignored) < 0)
        return;
    if (job.state == PS_JOB_READY && job.attempt == 0)
        (void)!ps_queue_cancel_job(cli->queue, id, &ignored);
}

int cmd_retry(struct cli *cli, struct ps_error *err)
{
    PS_AUTO_JSON json_t *spec = NULL;
    struct ps_job job = { .spec = "" };
    const char *source = NULL;
    int rc = PS_OK;

    rc = the_job(cli, &job, err);
    if (rc == PS_OK)
        rc = ps_json_parse(ps_str_from(job.spec), "the job's spec", &spec, err);
    if (rc == PS_OK)
        rc = restore_settings(cli, spec, err);
    if (rc == PS_OK)
        rc = ps_queue_retry(cli->queue, job.id, err);
    if (rc < 0)
        return rc;
    source = job_source(cli, &job);
    rc = cli_build(cli, &source, 1, ps_json_string_or(spec, "cwd", "/"), err);
    drop_superseded(cli, job.id);
    return rc;
}
