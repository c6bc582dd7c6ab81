/* Stand-ins for libcurl; see delayed.h. */
#define CURL_DISABLE_TYPECHECK /* of callers' arguments: these are passed on \
                                */
#include <curl/curl.h>
#include <stdarg.h>

#include "delayed.h"

#define LIBRARY "libcurl.so.4"

/* These macros only force three arguments, which callers have by now. */
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

/* Newer versions promise not to change the handle. */
#define URL_HANDLE                                                             \
    __typeof__(_Generic(                                                       \
        &curl_url_get, CURLUcode(*)(CURLU *, CURLUPart, char **, unsigned int) \
        : (CURLU *)0, default                                                  \
        : (const CURLU *)0))

#define CURL_CALL(type, name, params, args) \
    PS_DELAYED(LIBRARY, type, name, params, args)

/* A void call may be returned from a void function: GNU C, and both mean it. */
/* Headers of other versions name their parameters in other ways. */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
/* clang-format off */
CURL_CALL(CURLcode, curl_global_init, (long flags), (flags))
CURL_CALL(time_t, curl_getdate, (const char *p, const time_t *unused),
          (p, unused))
CURL_CALL(void, curl_free, (void *p), (p))

CURL_CALL(CURL *, curl_easy_init, (void), ())
CURL_CALL(void, curl_easy_cleanup, (CURL *e), (e))
CURL_CALL(CURLcode, curl_easy_perform, (CURL *e), (e))
CURL_CALL(CURLcode, curl_easy_pause, (CURL *e, int mask), (e, mask))
CURL_CALL(const char *, curl_easy_strerror, (CURLcode code), (code))

CURL_CALL(struct curl_slist *, curl_slist_append,
          (struct curl_slist *list, const char *text), (list, text))
CURL_CALL(void, curl_slist_free_all, (struct curl_slist *list), (list))

CURL_CALL(CURLM *, curl_multi_init, (void), ())
CURL_CALL(CURLMcode, curl_multi_cleanup, (CURLM *m), (m))
CURL_CALL(CURLMcode, curl_multi_add_handle, (CURLM *m, CURL *e), (m, e))
CURL_CALL(CURLMcode, curl_multi_remove_handle, (CURLM *m, CURL *e), (m, e))
CURL_CALL(CURLMcode, curl_multi_assign,
          (CURLM *m, curl_socket_t fd, void *user), (m, fd, user))
CURL_CALL(CURLMsg *, curl_multi_info_read, (CURLM *m, int *left), (m, left))
CURL_CALL(CURLMcode, curl_multi_perform, (CURLM *m, int *running),
          (m, running))
CURL_CALL(CURLMcode, curl_multi_poll,
          (CURLM *m, struct curl_waitfd *fds, unsigned int count, int ms,
           int *ready),
          (m, fds, count, ms, ready))
CURL_CALL(CURLMcode, curl_multi_socket_action,
          (CURLM *m, curl_socket_t fd, int events, int *running),
          (m, fd, events, running))
CURL_CALL(const char *, curl_multi_strerror, (CURLMcode code), (code))

CURL_CALL(CURLU *, curl_url, (void), ())
CURL_CALL(void, curl_url_cleanup, (CURLU *u), (u))
CURL_CALL(CURLUcode, curl_url_get,
          (URL_HANDLE u, CURLUPart what, char **part, unsigned int flags),
          (u, what, part, flags))
CURL_CALL(CURLUcode, curl_url_set,
          (CURLU *u, CURLUPart what, const char *part, unsigned int flags),
          (u, what, part, flags))
CURL_CALL(const char *, curl_url_strerror, (CURLUcode code), (code))
/* clang-format on */

/*
 * The one argument behind an option is a long, a curl_off_t or a pointer.  All
 * have the size of a pointer and travel in the same place wherever pkgsync is
 * built for, so one type carries them all.
 */
_Static_assert(sizeof(long) == sizeof(void *) &&
                   sizeof(curl_off_t) == sizeof(void *),
               "options of libcurl do not all have the size of a pointer");

/* NOLINTBEGIN(bugprone-macro-parentheses): types are no expressions */
#define PASS_ON(type, name, handle_type, option_type)                   \
    type name(handle_type *h, option_type option, ...)                  \
    {                                                                   \
        static __typeof__(name) *real;                                  \
        __typeof__(name) *f = __atomic_load_n(&real, __ATOMIC_ACQUIRE); \
        va_list ap;                                                     \
        void *value = NULL;                                             \
                                                                        \
        if (!f) {                                                       \
            f = (__typeof__(name) *)ps_delayed_find(LIBRARY, #name);    \
            __atomic_store_n(&real, f, __ATOMIC_RELEASE);               \
        }                                                               \
        va_start(ap, option);                                           \
        value = va_arg(ap, void *);                                     \
        va_end(ap);                                                     \
        return f(h, option, value);                                     \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

PASS_ON(CURLcode, curl_easy_setopt, CURL, CURLoption)
PASS_ON(CURLcode, curl_easy_getinfo, CURL, CURLINFO)
PASS_ON(CURLMcode, curl_multi_setopt, CURLM, CURLMoption)
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
