#include "report.h"

#include <stdio.h>
#include <string.h>

#include "pkgsync/util.h"

/* Text that may hold anything, for JSON. */
static json_t *text_json(const char *text)
{
    json_t *value = json_string(text);

    return value ? value : json_string("(text is not UTF-8)");
}

json_t *ps_report_result(const struct ps_run_result *r)
{
    return json_pack("{s:s, s:i, s:i, s:I, s:o}", "outcome",
                     ps_run_outcome_name(r->outcome), "exit_status",
                     r->exit_status, "term_signal", r->term_signal, "wall_ms",
                     (json_int_t)r->wall_ms, "detail", text_json(r->detail));
}

json_t *ps_report_error(const struct ps_error *err)
{
    return json_pack("{s:{s:i, s:i, s:o}}", "error", "code", err->code,
                     "os_errno", err->os_errno, "text", text_json(err->text));
}

static int parse_outcome(const char *name, enum ps_run_outcome *out,
                         struct ps_error *err)
{
    for (int i = PS_RUN_EXIT; i <= (int)PS_RUN_OUTPUT; i++) {
        if (strcmp(name, ps_run_outcome_name((enum ps_run_outcome)i)) == 0) {
            *out = (enum ps_run_outcome)i;
            return PS_OK;
        }
    }
    return ps_fail(err, PS_EIO, "sandbox helper: unknown outcome '%s'", name);
}

static int parse_error(json_t *error, struct ps_error *err)
{
    int code = 0;
    int os_errno = 0;
    const char *text = NULL;

    if (json_unpack(error, "{s:i, s:i, s:s}", "code", &code, "os_errno",
                    &os_errno, "text", &text) < 0 ||
        code >= 0)
        return ps_fail(err, PS_EIO, "sandbox helper: malformed error");
    ps_fail(err, code, "%s", text);
    err->os_errno = os_errno;
    return err->code;
}

static int parse_result(json_t *root, struct ps_run_result *result,
                        struct ps_error *err)
{
    struct ps_run_result r = { .detail = "" };
    const char *outcome = NULL;
    const char *detail = NULL;
    json_int_t wall_ms = 0;

    if (json_unpack(root, "{s:s, s:i, s:i, s:I, s:s}", "outcome", &outcome,
                    "exit_status", &r.exit_status, "term_signal",
                    &r.term_signal, "wall_ms", &wall_ms, "detail",
                    &detail) < 0 ||
        wall_ms < 0)
        return ps_fail(err, PS_EIO, "sandbox helper: malformed result");
    if (parse_outcome(outcome, &r.outcome, err) < 0)
        return err->code;
    r.wall_ms = (uint64_t)wall_ms;
    snprintf(r.detail, sizeof(r.detail), "%s", detail);
    *result = r;
    return PS_OK;
}

int ps_report_parse(struct ps_str text, struct ps_run_result *result,
                    struct ps_error *err)
{
    json_error_t why;
    json_t *root = json_loadb(text.data ? text.data : "", text.len,
                              JSON_REJECT_DUPLICATES, &why);
    json_t *error = json_object_get(root, "error");
    int rc;

    if (!root)
        return ps_fail(err, PS_EIO, "sandbox helper: unreadable result: %s",
                       why.text);
    rc = error ? parse_error(error, err) : parse_result(root, result, err);
    json_decref(root);
    return rc;
}
