/*
 * One HTTP request and its answer, driven by the engine (engine.h).
 *
 * Set up by the thread that wants it; from the submit until the engine says
 * done it belongs to the engine's thread, except for the atomics.
 */
#ifndef PKGSYNC_UPLOADER_EXCHANGE_H
#define PKGSYNC_UPLOADER_EXCHANGE_H

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pkgsync/buf.h"
#include "pkgsync/digest.h"
#include "pkgsync/error.h"
#include "pkgsync/uploader.h"
#include "retry.h"

/* The header lines of an answer that matter here; "" when absent. */
struct ps_answer {
    int status;     /* 0: none came */
    int64_t date_s; /* the server's clock; 0: not told */
    uint64_t content_length;
    char checksum[48]; /* x-amz-checksum-sha256 */
    char region[48];   /* x-amz-bucket-region */
    char location[256];
};

struct ps_exchange {
    /* The request; constant while it runs. */
    enum ps_method method;
    const struct ps_grant *grant; /* borrowed */
    const char *ca_file;          /* borrowed; NULL: the system's */
    int fd;                       /* borrowed; get: -1 hashes only */
    uint64_t size;                /* put: exact; get: at most */
    uint64_t stall_limit_ms;
    bool is_fresh;  /* over a connection of its own */
    char *redirect; /* borrowed; NULL */
    size_t redirect_size;

    /* The outcome; valid when done. */
    CURLcode curl_code;
    struct ps_answer answer;
    struct ps_buf error_body;
    struct ps_error failure; /* ours: the file, a limit, a digest, a cancel */
    struct ps_sha256 content_sha256; /* of the bytes sent or received */
    uint64_t bytes;                  /* get: received */
    char curl_text[CURL_ERROR_SIZE];

    /* Any thread. */
    _Atomic uint64_t moved; /* bytes on the wire, for progress */
    atomic_bool want_cancel;
    int done_fd; /* eventfd: readable when done; borrowed */

    /* The engine's own. */
    CURL *easy;
    struct curl_slist *headers;
    struct ps_sha256_ctx hash;
    bool has_expected;
    char expected[48];  /* x-amz-checksum-sha256 of the grant */
    uint64_t offset;    /* put: next byte to read */
    uint64_t active_ms; /* when a byte last moved */
    uint64_t last_moved;
    struct ps_exchange *next;
};

/* Make the easy handle; on failure x->failure is set. */
int ps_exchange_start(struct ps_exchange *x);

/* Note the outcome and release what start made.  The handle is no longer in
 * the multi handle. */
void ps_exchange_finish(struct ps_exchange *x, CURLcode code);

/* "http://host:port/path" of a URL, without its query: fit for messages. */
char *ps_url_for_people(const char *url);

#endif
