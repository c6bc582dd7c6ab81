/*
 * marker    = atom (("and" | "or") atom)*
 * atom      = "(" marker ")" | operand operator operand
 * operand   = variable | quoted string
 *
 * The tree keeps what was written: an expression of one atom is that atom,
 * anything longer is a list, and `and` binding closer is left to whoever
 * evaluates.
 */
#include <string.h>

#include "requirement_private.h"

#include "pkgsync/mem.h"
#include "pkgsync/name.h"
#include "pkgsync/util.h"

static const char *const op_texts[] = {
    [PS_MARKER_LT] = "<",          [PS_MARKER_LE] = "<=",
    [PS_MARKER_EQ] = "==",         [PS_MARKER_NE] = "!=",
    [PS_MARKER_GE] = ">=",         [PS_MARKER_GT] = ">",
    [PS_MARKER_COMPATIBLE] = "~=", [PS_MARKER_ARBITRARY] = "===",
    [PS_MARKER_IN] = "in",         [PS_MARKER_NOT_IN] = "not in",
};

const char *ps_marker_op_text(enum ps_marker_op op)
{
    return op_texts[op];
}

/* Old spellings stand for the names of today. */
static const struct {
    const char *written;
    const char *name;
} variables[] = {
    { "python_version", "python_version" },
    { "python_full_version", "python_full_version" },
    { "os_name", "os_name" },
    { "os.name", "os_name" },
    { "sys_platform", "sys_platform" },
    { "sys.platform", "sys_platform" },
    { "platform_release", "platform_release" },
    { "platform_system", "platform_system" },
    { "platform_version", "platform_version" },
    { "platform.version", "platform_version" },
    { "platform_machine", "platform_machine" },
    { "platform.machine", "platform_machine" },
    { "platform_python_implementation", "platform_python_implementation" },
    { "platform.python_implementation", "platform_python_implementation" },
    { "python_implementation", "platform_python_implementation" },
    { "implementation_name", "implementation_name" },
    { "implementation_version", "implementation_version" },
    { "extra", "extra" },
    { "extras", "extras" },
    { "dependency_groups", "dependency_groups" },
};

static bool scan_variable(struct ps_cursor *s, struct ps_marker_operand *out)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(variables); i++) {
        if (ps_cursor_word(s, variables[i].written)) {
            *out = (struct ps_marker_operand){
                .is_variable = true,
                .value = ps_str_from(variables[i].name),
            };
            return true;
        }
    }
    return false;
}

static int scan_operand(struct ps_arena *arena, struct ps_cursor *s,
                        struct ps_marker_operand *out)
{
    size_t begin = s->pos;
    struct ps_str rest = ps_str_skip(s->text, begin + 1);
    struct ps_str inside = { 0 };
    char quote = '"';

    if (scan_variable(s, out))
        return PS_OK;
    if (ps_cursor_char(s, '\''))
        quote = '\'';
    else if (!ps_cursor_char(s, '"'))
        return ps_cursor_fail(s, begin,
                              "expected a marker variable or a quoted string");
    if (!ps_str_cut(&rest, quote, &inside))
        return ps_cursor_fail(
            s, begin, "expected a %c that ends the string begun here", quote);
    s->pos = begin + inside.len + 2;
    *out = (struct ps_marker_operand){ .is_variable = false };
    return ps_marker_unquote(arena, s, begin + 1, inside, &out->value);
}

static int scan_op(struct ps_cursor *s, enum ps_marker_op *out)
{
    /* Longer ones first. */
    static const enum ps_marker_op order[] = {
        PS_MARKER_ARBITRARY, PS_MARKER_EQ, PS_MARKER_COMPATIBLE, PS_MARKER_NE,
        PS_MARKER_LE,        PS_MARKER_GE, PS_MARKER_LT,         PS_MARKER_GT,
    };
    size_t blank = 0;

    if (ps_cursor_word(s, "in")) {
        *out = PS_MARKER_IN;
        return PS_OK;
    }
    if (ps_cursor_word(s, "not")) {
        blank = s->pos;
        ps_cursor_blanks(s);
        if (s->pos == blank || !ps_cursor_word(s, "in"))
            return ps_cursor_fail(s, s->pos, "expected 'in' after 'not'");
        *out = PS_MARKER_NOT_IN;
        return PS_OK;
    }
    for (size_t i = 0; i < PS_ARRAY_SIZE(order); i++) {
        if (ps_cursor_text(s, op_texts[order[i]])) {
            *out = order[i];
            return PS_OK;
        }
    }
    return ps_cursor_fail(
        s, s->pos,
        "expected an operator: <=, <, !=, ==, >=, >, ~=, ===, "
        "in, not in");
}

static bool is_set(struct ps_str name)
{
    return ps_str_is(name, "extras") || ps_str_is(name, "dependency_groups");
}

/* Names that are compared by PEP 685 are kept in their normal form. */
static void normalize_names(struct ps_arena *arena, struct ps_marker *m)
{
    struct ps_marker_operand *literal = NULL;

    if (m->left.is_variable && !m->right.is_variable &&
        ps_str_is(m->left.value, "extra"))
        literal = &m->right;
    else if (m->right.is_variable && !m->left.is_variable &&
             (ps_str_is(m->right.value, "extra") || is_set(m->right.value)))
        literal = &m->left;
    if (literal)
        literal->value = ps_str_from(ps_normalize_name(arena, literal->value));
}

static int scan_comparison(struct ps_arena *arena, struct ps_cursor *s,
                           const struct ps_marker **out)
{
    struct ps_marker *m = ps_arena_alloc(arena, 1, sizeof(*m));

    if (scan_operand(arena, s, &m->left) < 0)
        return s->err->code;
    ps_cursor_blanks(s);
    if (scan_op(s, &m->op) < 0)
        return s->err->code;
    ps_cursor_blanks(s);
    if (scan_operand(arena, s, &m->right) < 0)
        return s->err->code;
    normalize_names(arena, m);
    *out = m;
    return PS_OK;
}

static int scan_expression(struct ps_arena *arena, struct ps_cursor *s,
                           unsigned depth, const struct ps_marker **out);

static int scan_atom(struct ps_arena *arena, struct ps_cursor *s,
                     unsigned depth, const struct ps_marker **out)
{
    size_t open = 0;

    ps_cursor_blanks(s);
    open = s->pos;
    if (!ps_cursor_char(s, '(')) {
        if (scan_comparison(arena, s, out) < 0)
            return s->err->code;
        ps_cursor_blanks(s);
        return PS_OK;
    }
    if (depth == PS_MARKER_DEPTH_MAX)
        return ps_cursor_fail(s, open,
                              "expected no more than %d parentheses within "
                              "each other",
                              PS_MARKER_DEPTH_MAX);
    if (scan_expression(arena, s, depth + 1, out) < 0)
        return s->err->code;
    if (!ps_cursor_char(s, ')'))
        return ps_cursor_fail(s, s->pos,
                              "expected 'and', 'or' or ')' for the '(' of "
                              "column %zu",
                              ps_cursor_column(s, open));
    ps_cursor_blanks(s);
    return PS_OK;
}

/* A list that grows; only what is there in the end goes into the arena. */
struct nodes {
    struct ps_marker_node *items; /* owned */
    size_t count;
    size_t room;
};

static void cleanup_nodes(const struct nodes *n)
{
    free(n->items);
}

static void add_node(struct nodes *n, const struct ps_marker *m, bool is_or)
{
    if (n->count == n->room) {
        n->room = PS_MAX(n->room * 2, 4);
        n->items = ps_realloc(n->items, n->room, sizeof(*n->items));
    }
    n->items[n->count++] = (struct ps_marker_node){ m, is_or };
}

static int scan_expression(struct ps_arena *arena, struct ps_cursor *s,
                           unsigned depth, const struct ps_marker **out)
{
    PS_CLEANUP(cleanup_nodes) struct nodes list = { 0 };
    const struct ps_marker *atom = NULL;
    struct ps_marker_node *nodes = NULL;
    struct ps_marker *m = NULL;
    bool is_or = false;

    do {
        if (scan_atom(arena, s, depth, &atom) < 0)
            return s->err->code;
        add_node(&list, atom, is_or);
        is_or = ps_cursor_word(s, "or");
    } while (is_or || ps_cursor_word(s, "and"));

    if (list.count == 1) {
        *out = atom;
        return PS_OK;
    }
    nodes = ps_arena_alloc(arena, list.count, sizeof(*nodes));
    memcpy(nodes, list.items, list.count * sizeof(*nodes));
    m = ps_arena_alloc(arena, 1, sizeof(*m));
    m->nodes = nodes;
    m->count = list.count;
    *out = m;
    return PS_OK;
}

int ps_marker_scan(struct ps_arena *arena, struct ps_cursor *s,
                   const struct ps_marker **out)
{
    return scan_expression(arena, s, 0, out);
}

int ps_marker_parse(struct ps_arena *arena, struct ps_str text,
                    const struct ps_marker **out, struct ps_error *err)
{
    const struct ps_marker *m = NULL;
    struct ps_cursor s = { 0 };
    int rc = ps_cursor_init(&s, "marker", text, err);

    if (rc < 0)
        return rc;
    rc = ps_marker_scan(arena, &s, &m);
    if (rc < 0)
        return rc;
    if (!ps_cursor_at_end(&s))
        return ps_cursor_fail(&s, s.pos, "expected 'and', 'or' or the end");
    *out = m;
    return PS_OK;
}
