/* Reading and writing version specifiers (PEP 440). */
#include <stdlib.h>
#include <string.h>

#include "pkgsync/buf.h"
#include "pkgsync/util.h"
#include "version_private.h"

/* Sets come from one line of metadata; no real one comes near. */
#define SET_MAX ((size_t)PS_MIB(1))

/* In the order in which they are tried: longest first. */
static const struct {
    const char *text;
    enum ps_specifier_op op;
} operators[] = {
    { "===", PS_OP_ARBITRARY }, { "~=", PS_OP_COMPATIBLE }, { "==", PS_OP_EQ },
    { "!=", PS_OP_NE },         { "<=", PS_OP_LE },         { ">=", PS_OP_GE },
    { "<", PS_OP_LT },          { ">", PS_OP_GT },
};

const char *ps_specifier_op_text(enum ps_specifier_op op)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(operators); i++)
        if (operators[i].op == op)
            return operators[i].text;
    return "";
}

static bool take_operator(struct ps_str *rest, enum ps_specifier_op *out)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(operators); i++) {
        if (!ps_str_starts(*rest, operators[i].text))
            continue;
        *out = operators[i].op;
        *rest = ps_str_skip(*rest, strlen(operators[i].text));
        return true;
    }
    return false;
}

/* What === compares is anything but what ends it in a requirement. */
static int check_arbitrary(struct ps_str text, struct ps_error *err)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == ';' || text.data[i] == ')' ||
            ps_version_blank(ps_str_skip(text, i)) > 0)
            return ps_fail(err, PS_EINVALID,
                           "=== takes a version without blanks, ';' and ')'");
    return PS_OK;
}

/* 1.2 and 1!2, but nothing that could follow. */
static bool is_release_only(const struct ps_version *v)
{
    return v->pre_kind.len == 0 && !v->has_post && !v->has_dev &&
           v->local_count == 0;
}

static int check_operator(const struct ps_specifier *s, struct ps_error *err)
{
    bool equality = s->op == PS_OP_EQ || s->op == PS_OP_NE;

    if (s->wildcard && !equality)
        return ps_fail(err, PS_EINVALID, "'.*' goes with == and != only");
    if (s->wildcard && !is_release_only(&s->v))
        return ps_fail(err, PS_EINVALID, "'.*' follows release numbers only");
    if (s->v.local_count > 0 && !equality)
        return ps_fail(err, PS_EINVALID,
                       "a local label goes with ==, != and === only");
    if (s->op == PS_OP_COMPATIBLE && s->v.release_count < 2)
        return ps_fail(err, PS_EINVALID,
                       "~= takes two release numbers or more");
    return PS_OK;
}

/* `item` lies in the arena and has no blanks around it. */
static int parse_one(struct ps_arena *arena, struct ps_str item,
                     struct ps_specifier *out, struct ps_error *err)
{
    struct ps_specifier s = { .text = item };

    if (!take_operator(&s.text, &s.op))
        return ps_fail(err, PS_EINVALID,
                       "it begins with none of ~= == != <= >= < > ===");
    s.text = ps_version_trim(s.text);
    if (s.op == PS_OP_ARBITRARY) {
        *out = s;
        return check_arbitrary(s.text, err);
    }
    if (ps_str_ends(s.text, ".*")) {
        s.wildcard = true;
        s.text = ps_str_first(s.text, s.text.len - 2);
    }
    /* Trimming would let the blank of "==1.0 .*" pass. */
    if (ps_version_trim(s.text).len != s.text.len)
        return ps_fail(err, PS_EINVALID, "there is a blank before '.*'");
    if (ps_version_parse(arena, s.text, &s.v, err) < 0 ||
        check_operator(&s, err) < 0)
        return err->code;
    *out = s;
    return PS_OK;
}

int ps_specifiers_parse(struct ps_arena *arena, struct ps_str text,
                        struct ps_specifiers *out, struct ps_error *err)
{
    struct ps_str rest = { .len = text.len };
    struct ps_specifier *items = NULL;
    size_t count = 0;
    size_t most = 1;
    bool more = true;

    if (text.len > SET_MAX)
        return ps_fail(err, PS_EINVALID,
                       "version specifiers of more than %zu characters",
                       SET_MAX);
    rest.data = ps_arena_dup(arena, text);
    for (size_t i = 0; i < text.len; i++)
        most += text.data[i] == ',';
    items = ps_arena_alloc(arena, most, sizeof(*items));

    while (more) {
        struct ps_str item;

        more = ps_str_cut(&rest, ',', &item);
        item = ps_version_trim(item);
        if (item.len == 0)
            continue;
        if (parse_one(arena, item, &items[count], err) < 0)
            return ps_context(err, "version specifier '%.*s'",
                              PS_STR_FMT(item));
        count++;
    }
    *out = (struct ps_specifiers){ .items = items, .count = count };
    return PS_OK;
}

struct written {
    struct ps_str text;  /* as written, without blanks */
    struct ps_str equal; /* the same for specifiers that are equal */
};

static struct ps_str join(struct ps_arena *arena, const char *op,
                          struct ps_str version, const char *end)
{
    PS_AUTO_BUF struct ps_buf buf = PS_BUF_INIT(4 * SET_MAX);

    ps_buf_adds(&buf, op);
    ps_buf_add(&buf, version.data, version.len);
    ps_buf_adds(&buf, end);
    return (struct ps_str){ .data = ps_arena_dup(arena, ps_buf_str(&buf)),
                            .len = buf.len };
}

static struct written write_one(struct ps_arena *arena,
                                const struct ps_specifier *s)
{
    const char *op = ps_specifier_op_text(s->op);
    struct written w;

    w.text = join(arena, op, s->text, s->wildcard ? ".*" : "");
    w.equal = w.text;
    if (s->op != PS_OP_ARBITRARY && !s->wildcard) {
        const char *version =
            ps_version_canonical(arena, s->text, s->op != PS_OP_COMPATIBLE);

        w.equal = join(arena, op, ps_str_from(version), "");
    }
    return w;
}

static int compare_texts(struct ps_str a, struct ps_str b)
{
    int order = memcmp(a.data, b.data, PS_MIN(a.len, b.len));

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_text(const void *a, const void *b)
{
    const struct written *x = a;
    const struct written *y = b;

    return compare_texts(x->text, y->text);
}

static int by_equality(const void *a, const void *b)
{
    const struct written *x = a;
    const struct written *y = b;
    int order = compare_texts(x->equal, y->equal);

    return order ? order : compare_texts(x->text, y->text);
}

char *ps_specifiers_string(struct ps_arena *arena,
                           const struct ps_specifiers *set)
{
    PS_AUTO_BUF struct ps_buf buf = PS_BUF_INIT(4 * SET_MAX);
    struct written *all = ps_arena_alloc(arena, set->count + 1, sizeof(*all));
    size_t count = 0;

    for (size_t i = 0; i < set->count; i++)
        all[i] = write_one(arena, &set->items[i]);

    /* Of those that are equal the first by its text stays. */
    qsort(all, set->count, sizeof(*all), by_equality);
    for (size_t i = 0; i < set->count; i++)
        if (count == 0 || !ps_str_equal(all[i].equal, all[count - 1].equal))
            all[count++] = all[i];
    qsort(all, count, sizeof(*all), by_text);

    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            ps_buf_addc(&buf, ',');
        ps_buf_add(&buf, all[i].text.data, all[i].text.len);
    }
    return ps_arena_dup(arena, ps_buf_str(&buf));
}
