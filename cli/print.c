/* Small things that several commands print. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/clock.h"
#include "pkgsync/str.h"
#include "pkgsync/util.h"
#include "plan.h"

void cli_print_json(const json_t *doc)
{
    PS_AUTO_FREE char *text = ps_json_pretty(doc);

    (void)fputs(text, stdout);
}

const char *cli_size(struct ps_arena *arena, uint64_t bytes)
{
    return ps_arena_size(arena, bytes);
}

const char *cli_ago(struct ps_arena *arena, uint64_t then_ms)
{
    static const struct {
        uint64_t s;
        const char *unit;
    } units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
    uint64_t now = ps_now_ms();
    uint64_t s = now > then_ms ? (now - then_ms) / 1000 : 0;

    for (size_t i = 0; i < 4; i++) {
        if (s >= units[i].s * 2 || i == 3)
            return ps_arena_format(arena, "%llu %s ago",
                                   (unsigned long long)(s / units[i].s),
                                   units[i].unit);
    }
    return "";
}

int cli_job_id(const char *text, int64_t *out, struct ps_error *err)
{
    uint64_t id = 0;

    if (ps_str_to_u64(ps_str_from(text), INT64_MAX, &id, err) < 0)
        return ps_fail(err, PS_EUSAGE,
                       "'%s' is not a job's number; `pkgsync jobs --all` "
                       "lists them",
                       text);
    *out = (int64_t)id;
    return PS_OK;
}

void cli_print_foreign(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];

        if (c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f))
            (void)putchar(c);
        else if (c != '\r')
            (void)printf("\\x%02x", c);
    }
}

/* Control characters: of C0, and of C1, which are two bytes of UTF-8. */
static size_t control_length(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
        return 2;
    return p[0] && (p[0] < 0x20 || p[0] == 0x7f) ? 1 : 0;
}

void cli_make_clean(char *text)
{
    while (*text) {
        size_t len = control_length(text);

        memset(text, '?', len);
        text += PS_MAX(len, (size_t)1);
    }
}

const char *cli_clean(struct cli *cli, const char *text)
{
    const char *p = text;
    char *copy = NULL;

    while (*p && control_length(p) == 0)
        p++;
    if (!*p)
        return text;
    copy = ps_arena_strdup(&cli->arena, text);
    cli_make_clean(copy);
    return copy;
}

void cli_print_problems(struct cli *cli, const struct ps_problem *problems,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct ps_problem *p = &problems[i];

        (void)fprintf(stderr, "pkgsync: warning: %s%s%s\n",
                      p->path ? cli_clean(cli, p->path) : "",
                      p->path ? ": " : "", cli_clean(cli, p->message));
    }
}
