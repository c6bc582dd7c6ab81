#include "credentials.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aws_answer.h"
#include "aws_ini.h"
#include "aws_metadata.h"
#include "pkgsync/buf.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/process.h"
#include "pkgsync/util.h"

#define FILE_MAX PS_MIB(1)
#define PROCESS_OUTPUT_MAX PS_KIB(256)

struct aws_file {
    struct ps_aws_ini ini;
    struct ps_buf text;
    char *path; /* owned */
    bool exists;
};

struct aws_files {
    const char *profile; /* borrowed */
    bool is_asked_for;   /* named by the person, not by default */
    struct aws_file credentials;
    struct aws_file config;
};

static const char *env_text(const char *name)
{
    const char *value = getenv(name);

    return value && value[0] ? value : NULL;
}

static void wipe(struct ps_buf *b)
{
    if (b->data)
        OPENSSL_cleanse(b->data, b->cap);
    ps_buf_release(b);
}

static char *wipeable(struct ps_str s)
{
    return s.len ? ps_str_dup(s) : NULL;
}

/* ---- the files ---- */

static char *home(void)
{
    const char *dir = env_text("HOME");
    const struct passwd *pw = dir ? NULL : getpwuid(getuid());

    if (!dir && pw)
        dir = pw->pw_dir;
    return ps_strdup(dir ? dir : "/");
}

static char *file_path(const char *variable, const char *name)
{
    const char *given = env_text(variable);
    PS_AUTO_FREE char *dir = home();

    if (!given)
        return ps_format("%s/.aws/%s", dir, name);
    if (given[0] == '~' && given[1] == '/')
        return ps_format("%s%s", dir, given + 1);
    return ps_strdup(given);
}

/* A link in its place is fine: people keep these files elsewhere. */
static int file_load(struct aws_file *f, struct ps_error *err)
{
    struct ps_error failed = PS_ERROR_INIT;
    PS_AUTO_FREE char *real = NULL;
    int rc = ps_real_path(f->path, &real, &failed);

    if (rc == PS_ENOTFOUND)
        return PS_OK;
    f->text = PS_BUF_INIT(FILE_MAX);
    if (rc == PS_OK)
        rc = ps_read_file_at(AT_FDCWD, real, &f->text, &failed);
    if (rc < 0) {
        *err = failed;
        return ps_context(err, "S3 settings in '%s'", f->path);
    }
    f->exists = true;
    f->ini.text = ps_buf_str(&f->text);
    return PS_OK;
}

static void files_release(struct aws_files *f)
{
    wipe(&f->credentials.text);
    wipe(&f->config.text);
    free(f->credentials.path);
    free(f->config.path);
}

static int files_load(struct aws_files *f, const char *profile,
                      struct ps_error *err)
{
    const char *named = profile ? profile : env_text("AWS_PROFILE");

    if (!named)
        named = env_text("AWS_DEFAULT_PROFILE");
    f->profile = named ? named : "default";
    f->is_asked_for = named != NULL;
    f->credentials.ini.kind = PS_AWS_CREDENTIALS_FILE;
    f->credentials.path =
        file_path("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    f->config.ini.kind = PS_AWS_CONFIG_FILE;
    f->config.path = file_path("AWS_CONFIG_FILE", "config");
    if (file_load(&f->credentials, err) < 0)
        return err->code;
    return file_load(&f->config, err);
}

int ps_aws_setting(const char *profile, const char *key, char **value,
                   struct ps_error *err)
{
    PS_CLEANUP(files_release) struct aws_files f = { .profile = NULL };
    struct ps_str found = { .data = NULL };

    if (files_load(&f, profile, err) < 0)
        return err->code;
    *value = NULL;
    if (ps_aws_ini_get(&f.config.ini, f.profile, key, &found) ||
        ps_aws_ini_get(&f.credentials.ini, f.profile, key, &found))
        *value = ps_str_dup(found);
    return PS_OK;
}

/* ---- the sources ---- */

/* *found: the keys are there. */
static int from_environment(struct ps_aws_credentials *out, bool *found,
                            struct ps_error *err)
{
    const char *access_key = env_text("AWS_ACCESS_KEY_ID");
    const char *secret_key = env_text("AWS_SECRET_ACCESS_KEY");
    const char *expires = env_text("AWS_CREDENTIAL_EXPIRATION");
    int64_t expires_s = 0;

    if (!access_key && !secret_key)
        return PS_OK;
    if (!access_key || !secret_key)
        return ps_fail(
            err, PS_EAUTH, "S3 credentials: %s is set, but %s is not",
            access_key ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
            access_key ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    if (expires && ps_aws_time_parse(expires, &expires_s, err) < 0)
        return ps_context(err, "AWS_CREDENTIAL_EXPIRATION");
    *out = (struct ps_aws_credentials){
        .access_key = ps_strdup(access_key),
        .secret_key = ps_strdup(secret_key),
        .session_token = ps_strdup(env_text("AWS_SESSION_TOKEN")),
        .expires_s = expires_s,
        .origin = ps_strdup("environment"),
    };
    *found = true;
    return PS_OK;
}

static bool from_file(const struct aws_files *f, const struct aws_file *file,
                      struct ps_aws_credentials *out)
{
    struct ps_str access_key = { .data = NULL };
    struct ps_str secret_key = { .data = NULL };
    struct ps_str token = { .data = NULL };

    if (!ps_aws_ini_get(&file->ini, f->profile, "aws_access_key_id",
                        &access_key) ||
        !ps_aws_ini_get(&file->ini, f->profile, "aws_secret_access_key",
                        &secret_key))
        return false;
    (void)ps_aws_ini_get(&file->ini, f->profile, "aws_session_token", &token);
    *out = (struct ps_aws_credentials){
        .access_key = wipeable(access_key),
        .secret_key = wipeable(secret_key),
        .session_token = wipeable(token),
        .origin = ps_format("profile '%s' in '%s'", f->profile, file->path),
    };
    return true;
}

/* As the other clients do, a shell splits the line: it is the person's own. */
static int from_process(const struct aws_files *f, struct ps_str command,
                        const struct ps_cancel *cancel,
                        struct ps_aws_credentials *out, struct ps_error *err)
{
    PS_CLEANUP(wipe) struct ps_buf answer = PS_BUF_INIT(PROCESS_OUTPUT_MAX);
    PS_AUTO_FREE char *line = ps_str_dup(command);
    const char *argv[] = { "/bin/sh", "-c", line, NULL };
    int rc = ps_process_output(argv, NULL, cancel, &answer, err);

    if (rc == PS_OK)
        rc = ps_aws_process_parse(ps_buf_str(&answer), out, err);
    else if (!ps_cancel_is_fired(cancel))
        err->code = rc = PS_EAUTH;
    if (rc < 0)
        return ps_context(err, "credential_process of profile '%s'",
                          f->profile);
    out->origin = ps_format("credential_process of profile '%s'", f->profile);
    return PS_OK;
}

/* ---- none ---- */

static bool has_setting(const struct aws_files *f, const char *key)
{
    struct ps_str unused;

    return ps_aws_ini_get(&f->config.ini, f->profile, key, &unused) ||
           ps_aws_ini_get(&f->credentials.ini, f->profile, key, &unused);
}

static const char *state_of(const struct aws_files *f,
                            const struct aws_file *file)
{
    if (!file->exists)
        return "no such file";
    if (!ps_aws_ini_has_profile(&file->ini, f->profile))
        return "no such profile there";
    return "no keys there";
}

static int fail_none(const struct aws_files *f, struct ps_error *err)
{
    static const char *const others[] = { "role_arn", "sso_session",
                                          "sso_start_url",
                                          "web_identity_token_file" };

    for (size_t i = 0; i < PS_ARRAY_SIZE(others); i++) {
        if (has_setting(f, others[i]))
            return ps_fail(err, PS_EAUTH,
                           "S3 credentials: profile '%s' uses %s, which needs "
                           "the aws program: add 'credential_process = aws "
                           "configure export-credentials --profile %s "
                           "--format process' to a profile of another name",
                           f->profile, others[i], f->profile);
    }
    return ps_fail(
        err, PS_EAUTH,
        "no S3 credentials: AWS_ACCESS_KEY_ID is %s; profile '%s' "
        "in '%s': %s; in '%s': %s; no role of a container or an instance; "
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile",
        env_text("AWS_ACCESS_KEY_ID") ? "passed over for a profile" : "not set",
        f->profile, f->credentials.path, state_of(f, &f->credentials),
        f->config.path, state_of(f, &f->config));
}

int ps_aws_credentials_find(const char *profile, const struct ps_cancel *cancel,
                            struct ps_aws_credentials *out,
                            struct ps_error *err)
{
    PS_CLEANUP(files_release) struct aws_files f = { .profile = NULL };
    struct ps_str command = { .data = NULL };
    bool found = false;

    if (!profile && from_environment(out, &found, err) < 0)
        return err->code;
    if (found)
        return PS_OK;
    if (files_load(&f, profile, err) < 0)
        return err->code;
    if (from_file(&f, &f.credentials, out))
        return PS_OK;
    if (ps_aws_ini_get(&f.credentials.ini, f.profile, "credential_process",
                       &command) ||
        ps_aws_ini_get(&f.config.ini, f.profile, "credential_process",
                       &command))
        return from_process(&f, command, cancel, out, err);
    if (from_file(&f, &f.config, out))
        return PS_OK;
    /* A profile that was named is meant, not the machine's role. */
    if (!profile && ps_aws_container_find(cancel, out, &found, err) < 0)
        return err->code;
    if (!profile && !found &&
        ps_aws_instance_find(cancel, out, &found, err) < 0)
        return err->code;
    return found ? PS_OK : fail_none(&f, err);
}
