/*
 * Errors.
 *
 * A function that can fail returns int: PS_OK, or a negative PS_E* code.  The
 * code is what the program branches on; the text in `struct ps_error` is what
 * a person reads.  The error is the last parameter and never NULL.
 *
 *   - whoever detects a failure calls ps_fail*();
 *   - a caller that knows something more (which job, which file) adds it with
 *     ps_context(); one that knows nothing more returns the code as it is;
 *   - on success the error is left untouched, so calls can be chained;
 *   - nobody logs a failure that it returns.
 *
 * Texts: lower case, no full stop, operation, object, cause; names and users'
 * strings in single quotes; and, where there is one, the next step.
 *
 * Nothing here allocates: reporting an error cannot fail.  Any thread.
 */
#ifndef PKGSYNC_ERROR_H
#define PKGSYNC_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

#define PS_MUST_USE __attribute__((warn_unused_result))
#define PS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define PS_ERROR_TEXT_MAX 1024

/*
 * The one list of failure kinds.  Exit statuses follow sysexits(3), but for 1
 * (the project's own build failed, environments differ) and 130 (interrupted);
 * "retry" says whether the queue may try again without a person.
 */
/* clang-format off */
#define PS_CODE_MAP(X)                                                       \
    /* name         value exit  http  retry  text */                         \
    X(INVALID,       -1,   65,  400,  false, "invalid input")                \
    X(NOTFOUND,      -2,   66,  404,  false, "not found")                    \
    X(EXISTS,        -3,   73,  409,  false, "already exists")               \
    X(DENIED,        -4,   77,  403,  false, "permission denied")            \
    X(TOOBIG,        -5,   65,  413,  false, "larger than the limit")        \
    X(INTEGRITY,     -6,   65,  422,  false, "digest or signature differs")  \
    X(BUSY,          -7,   75,  503,  true,  "temporarily unavailable")      \
    X(TIMEOUT,       -8,   75,  504,  true,  "timed out")                    \
    X(CANCELED,      -9,  130,  409,  false, "cancelled")                    \
    X(IO,           -10,   74,  500,  false, "input/output error")           \
    X(INTERNAL,     -11,   70,  500,  false, "internal error")               \
    X(USAGE,        -12,   64,  400,  false, "wrong usage")                  \
    X(BUILD,        -13,    1,  422,  false, "build failed")                 \
    X(LIMIT,        -14,    1,  422,  false, "build exceeded a limit")       \
    X(UNREACHABLE,  -15,   69,  502,  true,  "host unreachable")             \
    X(AUTH,         -16,   77,  401,  false, "credentials refused")          \
    X(NOSPACE,      -17,   74,  507,  true,  "no space left")                \
    X(CONFIG,       -18,   78,  500,  false, "configuration error")          \
    X(UNSUPPORTED,  -19,   69,  501,  false, "not available here")           \
    X(CLOCK,        -20,   75,  400,  false, "clocks differ")                \
    X(EXPIRED,      -21,   75,  403,  true,  "grant expired")                \
    X(LOST,         -22,   75,  409,  false, "lease lost")                   \
    X(DIFFERS,      -23,    1,  409,  false, "environments differ")
/* clang-format on */

enum ps_code {
    PS_OK = 0,
#define X(name, value, exit, http, retry, text) PS_E##name = (value),
    PS_CODE_MAP(X)
#undef X
};

struct ps_error {
    int code;                     /* PS_E*, or 0 while nothing has failed */
    int os_errno;                 /* the errno behind it, or 0 */
    char text[PS_ERROR_TEXT_MAX]; /* outermost context first, NUL-terminated */
};

#define PS_ERROR_INIT ((struct ps_error){ .code = PS_OK })

/* Record a failure.  Both return the code, for `return ps_fail(...)`. */
int ps_fail(struct ps_error *err, int code, const char *fmt, ...)
    PS_PRINTF(3, 4);

/* As ps_fail(), with the code that fits errnum and its description added. */
int ps_fail_errno(struct ps_error *err, int errnum, const char *fmt, ...)
    PS_PRINTF(3, 4);

/*
 * The common part, for bridges to other libraries' errors: `why`, unless
 * NULL, is appended as the cause.
 */
int ps_vfail(struct ps_error *err, int code, int os_errno, const char *why,
             const char *fmt, va_list ap) PS_PRINTF(5, 0);

/* Put "<fmt>: " in front of the recorded text.  Returns err->code. */
int ps_context(struct ps_error *err, const char *fmt, ...) PS_PRINTF(2, 3);

/* Append "; <fmt>" (a next step) to the recorded text.  Returns err->code. */
int ps_hint(struct ps_error *err, const char *fmt, ...) PS_PRINTF(2, 3);

int ps_code_from_errno(int errnum); /* PS_EIO when nothing fits better */
int ps_code_from_name(const char *name, int otherwise); /* of "INTEGRITY" */
const char *ps_code_name(int code);  /* "INTEGRITY"; never NULL */
const char *ps_code_text(int code);  /* "digest or signature differs" */
int ps_code_exit_status(int code);   /* for programs; 0 for PS_OK */
int ps_code_http_status(int code);   /* for the service; 200 for PS_OK */
bool ps_code_is_retryable(int code); /* for the queue */

#endif
