#include "aws_answer.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "pkgsync/json.h"
#include "pkgsync/mem.h"

int ps_aws_time_parse(const char *text, int64_t *unix_s, struct ps_error *err)
{
    struct tm tm = { .tm_year = 0 };
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    unsigned hours = 0;
    unsigned minutes = 0;
    int end = 0;
    int64_t offset_s = 0;

    if (rest && *rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (rest && (*rest == '+' || *rest == '-') && strlen(rest) == 6 &&
        // NOLINTNEXTLINE(cert-err34-c): two digits each, and %n tells
        sscanf(rest + 1, "%2u:%2u%n", &hours, &minutes, &end) == 2 &&
        end == 5) {
        offset_s = (int64_t)hours * 3600 + (int64_t)minutes * 60;
        if (*rest == '-')
            offset_s = -offset_s;
    } else if (!rest || strcmp(rest, "Z") != 0) {
        return ps_fail(err, PS_EINVALID,
                       "'%.40s' is not a time such as 2026-01-31T12:00:00Z",
                       text);
    }
    *unix_s = (int64_t)timegm(&tm) - offset_s;
    return PS_OK;
}

/* jansson does not wipe what it frees. */
static void wipe_member(json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (json_is_string(value))
        OPENSSL_cleanse((void *)json_string_value(value),
                        json_string_length(value));
}

/* The two kinds differ in the name of the token only. */
static int take_keys(const json_t *j, const char *token_key,
                     struct ps_aws_credentials *out, struct ps_error *err)
{
    const char *access_key = NULL;
    const char *secret_key = NULL;
    const char *expires = ps_json_string_or(j, "Expiration", NULL);
    int64_t expires_s = 0;

    if (ps_json_get_string(j, "AccessKeyId", &access_key, err) < 0 ||
        ps_json_get_string(j, "SecretAccessKey", &secret_key, err) < 0)
        return err->code;
    if (expires && ps_aws_time_parse(expires, &expires_s, err) < 0)
        return err->code;
    *out = (struct ps_aws_credentials){
        .access_key = ps_strdup(access_key),
        .secret_key = ps_strdup(secret_key),
        .session_token = ps_strdup(ps_json_string_or(j, token_key, NULL)),
        .expires_s = expires_s,
    };
    return PS_OK;
}

static int check_version(const json_t *j, struct ps_error *err)
{
    uint64_t version = 0;

    if (ps_json_get_u64(j, "Version", &version, err) < 0)
        return err->code;
    if (version != 1)
        return ps_fail(err, PS_EINVALID, "version %llu, not 1",
                       (unsigned long long)version);
    return PS_OK;
}

static int parse(struct ps_str json, bool is_process,
                 struct ps_aws_credentials *out, struct ps_error *err)
{
    const char *token_key = is_process ? "SessionToken" : "Token";
    struct ps_error failed = PS_ERROR_INIT;
    PS_AUTO_JSON json_t *j = NULL;
    int rc = PS_OK;

    /* The parser quotes what it could not read, which may be the secret. */
    if (ps_json_parse(json, "answer", &j, &failed) < 0)
        return ps_fail(err, PS_EAUTH, "the answer is not JSON");
    if (is_process)
        rc = check_version(j, &failed);
    if (rc == PS_OK)
        rc = take_keys(j, token_key, out, &failed);
    wipe_member(j, "SecretAccessKey");
    wipe_member(j, token_key);
    if (rc < 0)
        return ps_fail(err, PS_EAUTH, "%s", failed.text);
    return PS_OK;
}

int ps_aws_process_parse(struct ps_str json, struct ps_aws_credentials *out,
                         struct ps_error *err)
{
    return parse(json, true, out, err);
}

int ps_aws_role_parse(struct ps_str json, struct ps_aws_credentials *out,
                      struct ps_error *err)
{
    return parse(json, false, out, err);
}
