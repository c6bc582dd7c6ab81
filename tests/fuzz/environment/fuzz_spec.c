/*
 * A spec that is accepted can be written again and then says the same, and
 * every file made of it holds one line a package.
 *
 * The digest would stop all but the corpus at the door, so each input is
 * tried as it is and with its right digest.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/mem.h"
#include "pkgsync/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lines(const char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < ' ' && *text != '\n') || *text == 0x7f)
            abort();
}

static void check_files(const struct ps_spec *spec)
{
    PS_AUTO_FREE char *requirements = ps_spec_requirements(spec, NULL);
    PS_AUTO_FREE char *yaml = ps_spec_conda_yaml(spec, "x");
    PS_AUTO_FREE char *lock = NULL;
    struct ps_error err = PS_ERROR_INIT;

    check_lines(requirements);
    check_lines(yaml);
    if (ps_spec_pylock(spec, NULL, &lock, &err) == PS_OK)
        check_lines(lock);
    else if (err.text[0] == '\0')
        abort();
}

static void check_again(const struct ps_spec *spec)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_JSON json_t *json = ps_spec_json(spec);
    PS_AUTO_FREE char *text = ps_json_canonical(json);
    PS_AUTO_FREE char *again = NULL;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_spec read;
    json_t *second = NULL;

    if (ps_spec_parse(&arena, ps_str_from(text), "again", &read, &err) < 0)
        abort();
    second = ps_spec_json(&read);
    again = ps_json_canonical(second);
    json_decref(second);
    if (strcmp(text, again) != 0)
        abort();
    check_files(&read);
}

static void try_text(struct ps_str text)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_spec spec;

    if (ps_spec_parse(&arena, text, "input", &spec, &err) == PS_OK)
        check_again(&spec);
    else if (err.text[0] == '\0')
        abort();
}

/* NULL: there is none. */
static char *with_digest(struct ps_str text)
{
    PS_AUTO_JSON json_t *json = NULL;
    PS_AUTO_FREE char *dump = NULL;
    json_t *whole = NULL;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_sha256 digest;
    char hex[PS_SHA256_HEX_SIZE];

    if (ps_json_parse(text, "input", &json, &err) < 0 || !json_is_object(json))
        return NULL;
    (void)json_object_del(json, "digest");
    dump = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    if (!dump)
        return NULL;
    digest = ps_sha256_of(dump, strlen(dump));
    ps_sha256_hex(&digest, hex);
    whole = json_object();
    (void)json_object_update(whole, json);
    (void)json_object_set_new(whole, "digest", json_string(hex));
    free(dump);
    dump = json_dumps(whole, JSON_COMPACT);
    json_decref(whole);
    return PS_TAKE(dump);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_str in = { .data = (const char *)data, .len = size };
    PS_AUTO_FREE char *right = with_digest(in);

    try_text(in);
    if (right)
        try_text(ps_str_from(right));
    return 0;
}
