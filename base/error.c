#include "pkgsync/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pkgsync/util.h"

static const struct code_row {
    int code;
    int exit_status;
    int http_status;
    bool retry;
    const char *name;
    const char *text;
} codes[] = {
#define X(name_, value_, exit_, http_, retry_, text_) \
    { (value_), (exit_), (http_), (retry_), #name_, text_ },
    PS_CODE_MAP(X)
#undef X
};

static const struct code_row *find_code(int code)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(codes); i++) {
        if (codes[i].code == code)
            return &codes[i];
    }
    return NULL;
}

/* snprintf() into the rest of a text; a text that is full stays as it is. */
static void text_append(char *text, const char *fmt, ...) PS_PRINTF(2, 3);

static void text_append(char *text, const char *fmt, ...)
{
    size_t len = strlen(text);
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text + len, PS_ERROR_TEXT_MAX - len, fmt, ap);
    va_end(ap);
}

int ps_vfail(struct ps_error *err, int code, int os_errno, const char *why,
             const char *fmt, va_list ap)
{
    char text[PS_ERROR_TEXT_MAX];

    /* Not into err->text: it may be one of the arguments. */
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    if (why)
        text_append(text, ": %s", why);
    err->code = code;
    err->os_errno = os_errno;
    memcpy(err->text, text, strlen(text) + 1);
    return code;
}

int ps_fail(struct ps_error *err, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)ps_vfail(err, code, 0, NULL, fmt, ap);
    va_end(ap);
    return code;
}

int ps_fail_errno(struct ps_error *err, int errnum, const char *fmt, ...)
{
    int code = ps_code_from_errno(errnum);
    char why[128];
    va_list ap;

    /* The GNU strerror_r(), which may or may not use the buffer. */
    va_start(ap, fmt);
    (void)ps_vfail(err, code, errnum, strerror_r(errnum, why, sizeof(why)), fmt,
                   ap);
    va_end(ap);
    return code;
}

int ps_context(struct ps_error *err, const char *fmt, ...)
{
    char text[PS_ERROR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    text_append(text, ": %s", err->text);
    memcpy(err->text, text, strlen(text) + 1);
    return err->code;
}

int ps_hint(struct ps_error *err, const char *fmt, ...)
{
    char hint[PS_ERROR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(hint, sizeof(hint), fmt, ap);
    va_end(ap);
    text_append(err->text, "; %s", hint);
    return err->code;
}

int ps_code_from_errno(int errnum)
{
    static const struct {
        int errnum;
        int code;
    } map[] = {
        { ENOENT, PS_ENOTFOUND },
        { ENOTDIR, PS_ENOTFOUND },
        { EEXIST, PS_EEXISTS },
        { ENOTEMPTY, PS_EEXISTS },
        { EACCES, PS_EDENIED },
        { EPERM, PS_EDENIED },
        { EROFS, PS_EDENIED },
        { EFBIG, PS_ETOOBIG },
        { EAGAIN, PS_EBUSY },
        { EBUSY, PS_EBUSY },
        { ENFILE, PS_EBUSY },
        { EMFILE, PS_EBUSY },
        { ETIMEDOUT, PS_ETIMEOUT },
        { ECANCELED, PS_ECANCELED },
        { ENOSPC, PS_ENOSPACE },
        { EDQUOT, PS_ENOSPACE },
        { EINVAL, PS_EINVALID },
        { ELOOP, PS_EINVALID },
        { ENAMETOOLONG, PS_EINVALID },
        { ENOSYS, PS_EUNSUPPORTED },
        { EOPNOTSUPP, PS_EUNSUPPORTED },
        { ECONNREFUSED, PS_EUNREACHABLE },
        { EHOSTUNREACH, PS_EUNREACHABLE },
        { ENETUNREACH, PS_EUNREACHABLE },
        { ECONNRESET, PS_EUNREACHABLE },
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(map); i++) {
        if (map[i].errnum == errnum)
            return map[i].code;
    }
    return PS_EIO;
}

int ps_code_from_name(const char *name, int otherwise)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(codes); i++) {
        if (strcmp(codes[i].name, name) == 0)
            return codes[i].code;
    }
    return otherwise;
}

const char *ps_code_name(int code)
{
    const struct code_row *row = find_code(code);

    if (code == PS_OK)
        return "OK";
    return row ? row->name : "UNKNOWN";
}

const char *ps_code_text(int code)
{
    const struct code_row *row = find_code(code);

    if (code == PS_OK)
        return "success";
    return row ? row->text : "unknown error";
}

int ps_code_exit_status(int code)
{
    const struct code_row *row = find_code(code);

    if (code == PS_OK)
        return 0;
    return row ? row->exit_status : 70;
}

int ps_code_http_status(int code)
{
    const struct code_row *row = find_code(code);

    if (code == PS_OK)
        return 200;
    return row ? row->http_status : 500;
}

bool ps_code_is_retryable(int code)
{
    const struct code_row *row = find_code(code);

    return row && row->retry;
}
