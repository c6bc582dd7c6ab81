/* The end of a log, and what it says of the cause. */
#include <stdlib.h>
#include <string.h>

#include "build_private.h"
#include "pkgsync/util.h"

void ps_tail_sink(const char *data, size_t len, void *user)
{
    struct ps_tail *t = user;

    if (t->next)
        t->next(data, len, t->next_user);
    if (len >= PS_TAIL_MAX) {
        memcpy(t->data, data + len - PS_TAIL_MAX, PS_TAIL_MAX);
        t->len = PS_TAIL_MAX;
        return;
    }
    if (t->len + len > PS_TAIL_MAX) {
        size_t drop = t->len + len - PS_TAIL_MAX;

        memmove(t->data, t->data + drop, t->len - drop);
        t->len -= drop;
    }
    memcpy(t->data + t->len, data, len);
    t->len += len;
}

/* Printable, whatever the project wrote: control bytes become '?'. */
static char *clean_line(struct ps_arena *arena, struct ps_str line)
{
    char *text = ps_arena_dup(arena, ps_str_first(line, 400));

    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = *p == '\t' ? ' ' : '?';
    }
    return text;
}

/* Lines of pip that announce or decorate and never say why. */
static bool is_noise(struct ps_str line)
{
    static const char *const starts[] = {
        "note:",
        "hint:",
        "[notice]",
        "[end of output]",
        "error: subprocess-",
        "ERROR: Failed building wheel",
        "ERROR: Failed to build",
        "Failed to build",
        "╰",
        "│",
        "╭",
        "─",
        "error: metadata-",
        "error: legacy-",
        "× ",
        "See above for output",
        "WARNING: You are using pip",
        "This error originates from",
        "Encountered error while",
        "exit code:",
        "full command:",
        "cwd:",
        "Preparing metadata (",
        "Building wheel for ",
        "Getting requirements to build wheel",
        "Running command ",
        "+--",
        "+-+",
    };

    if (line.len == 0)
        return true;
    for (size_t i = 0; i < PS_ARRAY_SIZE(starts); i++) {
        if (ps_str_starts(line, starts[i]))
            return true;
    }
    return false;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/*
 * Lines that say why, wherever they stand: `pkg.SomeError: ...` of Python,
 * `error: ...` of setuptools, cargo and pip, `file:3: error: ...` of
 * compilers and meson.
 */
static bool is_reason(struct ps_str line)
{
    static const char *const ends[] = { "Error", "Exception", "error", "ERROR",
                                        "Exit",  "Interrupt", "fatal" };
    static const char *const inside[] = { ": error: ", ": ERROR: ",
                                          ": fatal error: " };
    size_t len = 0;
    struct ps_str word;

    for (size_t i = 0; i < PS_ARRAY_SIZE(inside); i++) {
        if (memmem(line.data, line.len, inside[i], strlen(inside[i])))
            return true;
    }
    while (len < line.len && is_name_char(line.data[len]))
        len++;
    if (len < line.len && line.data[len] != ':' && line.data[len] != '[')
        return ps_str_starts(line, "CMake Error");
    word = ps_str_first(line, len);
    for (size_t i = 0; i < PS_ARRAY_SIZE(ends); i++) {
        if (ps_str_ends(word, ends[i]))
            return true;
    }
    return false;
}

/* Farther up, an error may be one that the build got over. */
#define REASON_LINES 60

const char *ps_tail_last_line(struct ps_arena *arena, const struct ps_tail *t)
{
    struct ps_str last = { .len = 0 };
    unsigned seen = 0;
    struct ps_str rest = { .data = t->data, .len = t->len };
    struct ps_str all = ps_str_trim(rest);

    rest = all;
    while (rest.len > 0 && seen < REASON_LINES) {
        struct ps_str before;
        struct ps_str line;

        if (ps_str_cut_last(&rest, '\n', &before)) {
            line = rest;
            rest = before;
        } else {
            line = before;
            rest.len = 0;
        }
        line = ps_str_trim(line);
        /* The margin that Python draws beside a group of exceptions. */
        if (ps_str_starts(line, "|"))
            line = ps_str_trim(ps_str_skip(line, 1));
        if (is_noise(line))
            continue;
        if (is_reason(line))
            return clean_line(arena, line);
        if (seen++ == 0)
            last = line;
    }
    return clean_line(arena, seen > 0 ? last : all);
}

/*
 * Known causes.  `says` is looked for in the log's end; the word behind it, up
 * to a quote or a blank, fills the %s of the text.
 */
static const struct known_cause {
    const char *says;
    const char *text;
} known_causes[] = {
    { "No module named '",
      "the build needs the module '%s', which its pyproject.toml does not "
      "require; add it there, or try --build-requires %s" },
    { "No module named ",
      "the build needs the module '%s', which its pyproject.toml does not "
      "require; add it there, or try --build-requires %s" },
    { "Temporary failure in name resolution",
      "the build wants the network, which it does not get; if you trust it, "
      "allow it with --network" },
    { "Could not resolve host",
      "the build wants the network, which it does not get; if you trust it, "
      "allow it with --network" },
    { "Could not resolve hostname",
      "the build wants the network, which it does not get; if you trust it, "
      "allow it with --network" },
    { "dns error",
      "the build wants the network, which it does not get; if you trust it, "
      "allow it with --network" },
    { "Network is unreachable",
      "the build wants the network, which it does not get; if you trust it, "
      "allow it with --network" },
    { "failed to download from `",
      "the build wants to download '%s'; if you trust it, allow the network "
      "with --network" },
    { "fatal error: ",
      "the header '%s' is missing; install the Debian package that has it" },
    { "error: command '",
      "the command '%s' failed or is missing; install the compiler it needs "
      "(apt-get install build-essential python3-dev)" },
    { "error: linker `",
      "the linker '%s' is missing; install it (apt-get install gcc)" },
    { "failed: [Errno 2] No such file or directory: '/tmp/pip-wheel-",
      "the back-end did not write the wheel that it named" },
    { "No space left on device",
      "the build filled its disk; give it more with --disk-mb" },
    { "Unable to detect version",
      "the version comes from the git history, which is not there; build from "
      "the repository, or set SETUPTOOLS_SCM_PRETEND_VERSION" },
    { "setuptools-scm was unable to detect version",
      "the version comes from the git history, which is not there; build from "
      "the repository, or set SETUPTOOLS_SCM_PRETEND_VERSION" },
};

static const char *fill_cause(struct ps_arena *arena,
                              const struct known_cause *cause,
                              struct ps_str after)
{
    static const char stop[] = "'`\"\n\r ;:,";
    struct ps_str word = after;
    const char *hole = strstr(cause->text, "%s");
    char *text = NULL;

    for (word.len = 0; word.len < after.len && word.len < 120; word.len++) {
        if (strchr(stop, after.data[word.len]))
            break;
    }
    if (!hole)
        return cause->text;
    text = clean_line(arena, word);
    /* A module inside a package: what is installed is the package. */
    if (ps_str_starts(ps_str_from(cause->says), "No module"))
        text[strcspn(text, ".")] = '\0';
    /* Both holes, where there are two, take the same word. */
    return ps_arena_format(arena, "%.*s%s%.*s%s%s", (int)(hole - cause->text),
                           cause->text, text, (int)strcspn(hole + 2, "%"),
                           hole + 2, strstr(hole + 2, "%s") ? text : "",
                           strstr(hole + 2, "%s") ? strstr(hole + 2, "%s") + 2
                                                  : "");
}

/* "m.c:3:5: error: ...": what the compiler said first; NULL. */
static const char *compiler_error(struct ps_arena *arena,
                                  const struct ps_tail *t)
{
    static const char *const says[] = { ": error: ", ": fatal error: " };
    struct ps_str rest = { .data = t->data, .len = t->len };
    bool more = true;

    while (more) {
        struct ps_str line;

        more = ps_str_cut(&rest, '\n', &line);
        line = ps_str_trim(line);
        for (size_t i = 0; i < PS_ARRAY_SIZE(says); i++) {
            /* Of a source file: the name before the colon has an ending. */
            if (memmem(line.data, line.len, says[i], strlen(says[i])) &&
                memchr(line.data, '.', line.len) && line.data[0] != '[')
                return ps_arena_format(arena, "the compiler says: %s",
                                       clean_line(arena, line));
        }
    }
    return NULL;
}

const char *ps_build_cause(struct ps_arena *arena, const struct ps_tail *t,
                           bool has_network)
{
    const char *compiler = NULL;

    for (size_t i = 0; i < PS_ARRAY_SIZE(known_causes); i++) {
        const struct known_cause *cause = &known_causes[i];
        size_t len = strlen(cause->says);
        const char *at = memmem(t->data, t->len, cause->says, len);

        if (at && has_network && strstr(cause->text, "--network"))
            continue;
        /* What the compiler said is more than that it failed. */
        if (at && strncmp(cause->says, "error: command", 14) == 0)
            compiler = compiler_error(arena, t);
        if (compiler)
            return compiler;
        if (at) {
            struct ps_str after = {
                .data = at + len,
                .len = t->len - (size_t)(at - t->data) - len,
            };

            return fill_cause(arena, cause, after);
        }
    }
    return compiler_error(arena, t);
}
