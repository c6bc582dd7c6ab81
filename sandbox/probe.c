#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/json.h"
#include "pkgsync/process.h"
#include "pkgsync/util.h"
#include "plan.h"

#define SELF_TEST_MAX_BYTES (64u << 10)
#define SELF_TEST_LIMIT_MS 30000u

/* The names are static, as the header promises; so they are listed here too. */
static const char *const names[] = {
    "user-namespace",
    "mount-namespace",
    "pid-namespace",
    "network-namespace",
    "ipc-namespace",
    "uts-namespace",
    "cgroup-namespace",
    "root",
    "proc",
    "overlay",
    "host-user",
    "capabilities",
    "seccomp",
    "landlock",
    "keyring",
    "openat2",
    "memory-limit",
};

/* Without these there is no sandbox to weaken. */
static const char *const indispensable[] = {
    "user-namespace",
    "mount-namespace",
    "pid-namespace",
    "root",
    "capabilities",
    "openat2",
    NULL,
};

static const char *const states[] = {
    [PS_LAYER_PRESENT] = "present",
    [PS_LAYER_WEAK] = "weak",
    [PS_LAYER_ABSENT] = "absent",
};

const char *ps_layer_state_name(enum ps_layer_state state)
{
    return states[state];
}

static const char *static_name(const char *name)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], name) == 0)
            return names[i];
    }
    return NULL;
}

int ps_layers_check_names(const char *const *weaken, struct ps_error *err)
{
    for (size_t i = 0; weaken && weaken[i]; i++) {
        if (!static_name(weaken[i]))
            return ps_fail(err, PS_EUSAGE,
                           "no layer of isolation is called '%s'; `pkgsync "
                           "doctor` lists them",
                           weaken[i]);
    }
    return PS_OK;
}

static int parse_layer(const json_t *row, struct ps_layer *out,
                       struct ps_error *err)
{
    const char *name = NULL;
    const char *state = NULL;
    size_t i = 0;

    if (ps_json_get_string(row, "name", &name, err) < 0 ||
        ps_json_get_string(row, "state", &state, err) < 0)
        return err->code;
    out->name = static_name(name);
    while (i < PS_ARRAY_SIZE(states) && strcmp(states[i], state) != 0)
        i++;
    if (!out->name || i == PS_ARRAY_SIZE(states))
        return ps_fail(err, PS_EINVALID,
                       "unknown layer '%s' or state '%s'; "
                       "is the helper of another version",
                       name, state);
    out->state = (enum ps_layer_state)i;
    out->required = json_is_true(json_object_get(row, "required"));
    snprintf(out->detail, sizeof(out->detail), "%s",
             ps_json_string_or(row, "detail", ""));
    snprintf(out->remedy, sizeof(out->remedy), "%s",
             ps_json_string_or(row, "remedy", ""));
    return PS_OK;
}

int ps_layers_parse(struct ps_str text, struct ps_layer layers[PS_LAYERS_MAX],
                    size_t *count, struct ps_error *err)
{
    PS_AUTO_JSON json_t *rows = NULL;
    size_t n;

    if (ps_json_parse(text, "self-test of the sandbox", &rows, err) < 0)
        return err->code;
    n = json_array_size(rows);
    if (n == 0 || n > PS_LAYERS_MAX)
        return ps_fail(err, PS_EINVALID, "self-test of the sandbox: %zu layers",
                       n);
    for (size_t i = 0; i < n; i++) {
        if (parse_layer(json_array_get(rows, i), &layers[i], err) < 0)
            return ps_context(err, "self-test of the sandbox");
    }
    *count = n;
    return PS_OK;
}

int ps_sandbox_probe(const struct ps_sandbox_options *options,
                     struct ps_layer layers[PS_LAYERS_MAX], size_t *count,
                     struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf out = PS_BUF_INIT(SELF_TEST_MAX_BYTES);
    const char *const argv[] = { options->helper_path, "--self-test", NULL };
    const char *const env[] = { NULL };
    struct ps_process_spec spec = {
        .argv = argv,
        .env = env,
        .out = &out,
        .wall_limit_ms = SELF_TEST_LIMIT_MS,
    };
    struct ps_process_result result;

    if (ps_process_run(&spec, NULL, &result, err) < 0)
        return ps_context(err, "start the sandbox helper '%s'",
                          options->helper_path);
    if (result.term_signal != 0 || result.exit_status != 0)
        return ps_fail(err, PS_EIO,
                       "self-test of the sandbox helper '%s': "
                       "exit status %d, signal %d",
                       options->helper_path, result.exit_status,
                       result.term_signal);
    return ps_layers_parse(ps_buf_str(&out), layers, count, err);
}

int ps_layers_check(const struct ps_layer *layers, size_t count,
                    const char *const *weaken, struct ps_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct ps_layer *l = &layers[i];
        bool is_waived = ps_plan_list_has(weaken, l->name);

        if (!l->required || l->state != PS_LAYER_ABSENT)
            continue;
        if (ps_plan_list_has(indispensable, l->name))
            return ps_fail(err, PS_EUNSUPPORTED,
                           "sandbox layer '%s' is "
                           "missing: %s; %s",
                           l->name, l->detail, l->remedy);
        if (!is_waived)
            return ps_fail(err, PS_EUNSUPPORTED,
                           "sandbox layer '%s' is "
                           "missing: %s; %s%sor go on without it: --weaken %s",
                           l->name, l->detail, l->remedy,
                           l->remedy[0] ? ", " : "", l->name);
    }
    return PS_OK;
}

char *ps_layers_strength(const struct ps_layer *layers, size_t count)
{
    PS_AUTO_JSON json_t *root = json_object();
    json_t *rows = json_object();
    json_t *weakened = json_array();

    json_object_set_new(root, "layers", rows);
    json_object_set_new(root, "weakened", weakened);
    for (size_t i = 0; i < count; i++) {
        const struct ps_layer *l = &layers[i];
        const char *said = l->state == PS_LAYER_PRESENT && l->detail[0]
                               ? l->detail
                               : ps_layer_state_name(l->state);

        json_object_set_new(rows, l->name, ps_json_string(said));
        if (l->required && l->state == PS_LAYER_ABSENT)
            json_array_append_new(weakened, json_string(l->name));
    }
    return ps_json_canonical(root);
}
