/*
 * yaml_parse.c: from text to tree, by libyaml's events.
 *
 * Events are pulled one at a time and the depth is bounded, so that a hostile file costs no more
 * than its bytes; an alias is a copy and counts against the bound of nodes.
 */
#include "yaml_tree.h"

#include "fail.h"
#include <string.h>
#include <yaml.h>

#define MAX_ANCHORS 256

struct parser {
    struct umb_yaml_tree *tree;
    const char *source;
    yaml_parser_t yaml;
    yaml_event_t event;
    int depth;
    size_t n_anchors;
    struct {
        const char *name;
        const struct umb_yaml *node;
    } anchor[MAX_ANCHORS];
};

static enum umb_status refuse(struct parser *p, size_t line, const char *what)
{
    return umb__fail(p->tree->ctx, UMB_ERR_FORMAT, "%s:%zu: %s", p->source, line + 1, what);
}

static enum umb_status next(struct parser *p)
{
    yaml_event_delete(&p->event);
    if (yaml_parser_parse(&p->yaml, &p->event)) { return UMB_OK; }
    if (p->yaml.error == YAML_MEMORY_ERROR) {
        return umb__fail(p->tree->ctx, UMB_ERR_NO_MEMORY, "%s: out of memory", p->source);
    }
    return umb__fail(p->tree->ctx, UMB_ERR_FORMAT, "%s:%zu: not YAML: %s%s%s", p->source,
                     p->yaml.problem_mark.line + 1, p->yaml.problem ? p->yaml.problem : "damaged",
                     p->yaml.context ? " " : "", p->yaml.context ? p->yaml.context : "");
}

static enum umb_status no_memory(const struct parser *p)
{
    return p->tree->n_nodes > UMB_YAML_MAX_NODES ? UMB_ERR_FORMAT : UMB_ERR_NO_MEMORY;
}

/* Text without NUL bytes, in the arena. */
static enum umb_status keep_text(struct parser *p, const yaml_event_t *scalar,
                                 const char **ret_text)
{
    const char *text = (const char *)scalar->data.scalar.value;
    if (strlen(text) != scalar->data.scalar.length) {
        return refuse(p, scalar->start_mark.line, "a NUL byte in a text; expected none");
    }
    *ret_text = umb__arena_strdup(p->tree->arena, text);
    return *ret_text ? UMB_OK : UMB_ERR_NO_MEMORY;
}

static enum umb_status keep_anchor(struct parser *p, const yaml_char_t *name,
                                   const struct umb_yaml *node)
{
    if (!name) { return UMB_OK; }
    if (p->n_anchors == MAX_ANCHORS) {
        return refuse(p, (size_t)node->line - 1, "more than 256 anchors; expected fewer");
    }
    const char *own = umb__arena_strdup(p->tree->arena, (const char *)name);
    if (!own) { return UMB_ERR_NO_MEMORY; }
    p->anchor[p->n_anchors].name = own;
    p->anchor[p->n_anchors++].node = node;
    return UMB_OK;
}

/* The newest anchor of the alias's name. One that is still being built cannot be meant. */
static enum umb_status follow_alias(struct parser *p, struct umb_yaml **ret_node)
{
    const char *name = (const char *)p->event.data.alias.anchor;
    size_t line = p->event.start_mark.line, i = p->n_anchors;
    while (i > 0 && strcmp(p->anchor[i - 1].name, name) != 0) {
        i--;
    }
    if (i == 0) {
        return umb__fail(p->tree->ctx, UMB_ERR_FORMAT,
                         "%s:%zu: *%s: no such anchor; expected one that ends above", p->source,
                         line + 1, name);
    }
    if (p->depth + p->anchor[i - 1].node->height > UMB_YAML_MAX_DEPTH) {
        return refuse(p, line, "nested too deeply; expected at most 64 levels");
    }
    *ret_node = umb__yaml_copy(p->tree, p->anchor[i - 1].node);
    return *ret_node ? UMB_OK : no_memory(p);
}

static enum umb_status parse_value(struct parser *p, struct umb_yaml **ret_node);

static enum umb_status parse_list(struct parser *p, struct umb_yaml *list)
{
    for (;;) {
        enum umb_status st = next(p);
        if (st != UMB_OK || p->event.type == YAML_SEQUENCE_END_EVENT) { return st; }
        struct umb_yaml *item = NULL;
        st = parse_value(p, &item);
        if (st != UMB_OK) { return st; }
        if (!umb__yaml_append(p->tree, list, NULL, item)) { return UMB_ERR_NO_MEMORY; }
    }
}

static enum umb_status parse_key(struct parser *p, const struct umb_yaml *map, const char **ret_key)
{
    size_t line = p->event.start_mark.line;
    if (p->event.type != YAML_SCALAR_EVENT || p->event.data.scalar.length == 0) {
        return refuse(p, line, "a key that is no text; expected KEY: VALUE");
    }
    enum umb_status st = keep_text(p, &p->event, ret_key);
    const struct umb_yaml *twin = st == UMB_OK ? umb__yaml_get(map, *ret_key) : NULL;
    if (!twin) { return st; }
    return umb__fail(p->tree->ctx, UMB_ERR_FORMAT,
                     "%s:%zu: %s: the key is in line %d already; expected each key once", p->source,
                     line + 1, *ret_key, twin->line);
}

static enum umb_status parse_map(struct parser *p, struct umb_yaml *map)
{
    for (;;) {
        enum umb_status st = next(p);
        if (st != UMB_OK || p->event.type == YAML_MAPPING_END_EVENT) { return st; }
        if (map->n_items == UMB_YAML_MAX_KEYS) {
            return refuse(p, p->event.start_mark.line, "more than 4096 keys; expected fewer");
        }
        const char *key = NULL;
        struct umb_yaml *value = NULL;
        int line = (int)p->event.start_mark.line + 1;
        st = parse_key(p, map, &key);
        if (st == UMB_OK) { st = next(p); }
        if (st == UMB_OK) { st = parse_value(p, &value); }
        if (st != UMB_OK) { return st; }
        /* A block begins below its key: what is said of it is said of the key. */
        if (value->kind != UMB_YAML_SCALAR && !value->flow) { value->line = line; }
        if (!umb__yaml_append(p->tree, map, key, value)) { return UMB_ERR_NO_MEMORY; }
    }
}

static enum umb_status parse_scalar(struct parser *p, struct umb_yaml **ret_node)
{
    struct umb_yaml *node =
        umb__yaml_node(p->tree, UMB_YAML_SCALAR, p->source, (int)p->event.start_mark.line + 1);
    if (!node) { return no_memory(p); }
    node->quoted = p->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    enum umb_status st = keep_text(p, &p->event, &node->text);
    if (st == UMB_OK) { st = keep_anchor(p, p->event.data.scalar.anchor, node); }
    *ret_node = node;
    return st;
}

/* A list or map. Its anchor is kept behind its end: an alias inside itself has no meaning here. */
static enum umb_status parse_branch(struct parser *p, struct umb_yaml **ret_node)
{
    bool list = p->event.type == YAML_SEQUENCE_START_EVENT;
    size_t line = p->event.start_mark.line;
    if (++p->depth > UMB_YAML_MAX_DEPTH) {
        return refuse(p, line, "nested too deeply; expected at most 64 levels");
    }
    const yaml_char_t *anchor =
        list ? p->event.data.sequence_start.anchor : p->event.data.mapping_start.anchor;
    const char *name = anchor ? umb__arena_strdup(p->tree->arena, (const char *)anchor) : NULL;
    struct umb_yaml *node =
        umb__yaml_node(p->tree, list ? UMB_YAML_LIST : UMB_YAML_MAP, p->source, (int)line + 1);
    if (!node) { return no_memory(p); }
    if (anchor && !name) { return UMB_ERR_NO_MEMORY; }
    node->flow = list ? p->event.data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE
                      : p->event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
    enum umb_status st = list ? parse_list(p, node) : parse_map(p, node);
    if (st == UMB_OK) { st = keep_anchor(p, (const yaml_char_t *)name, node); }
    p->depth--;
    *ret_node = node;
    return st;
}

static bool has_tag(const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return e->data.scalar.tag != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return e->data.sequence_start.tag != NULL;
    case YAML_MAPPING_START_EVENT:
        return e->data.mapping_start.tag != NULL;
    default:
        return false;
    }
}

/* The value that the present event begins; ends on its last event. */
static enum umb_status parse_value(struct parser *p, struct umb_yaml **ret_node)
{
    if (has_tag(&p->event)) {
        return refuse(p, p->event.start_mark.line, "a tag (!…); expected plain values");
    }
    switch (p->event.type) {
    case YAML_ALIAS_EVENT:
        return follow_alias(p, ret_node);
    case YAML_SCALAR_EVENT:
        return parse_scalar(p, ret_node);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return parse_branch(p, ret_node);
    default:
        return refuse(p, p->event.start_mark.line, "nothing here; expected a value");
    }
}

/* Stream start, document start, one value, document end, stream end. */
static enum umb_status parse_document(struct parser *p)
{
    enum umb_status st = next(p);
    if (st == UMB_OK) { st = next(p); }
    if (st != UMB_OK) { return st; }
    if (p->event.type != YAML_DOCUMENT_START_EVENT) {
        return refuse(p, 0, "holds nothing; expected an experiment");
    }
    st = next(p);
    if (st == UMB_OK) { st = parse_value(p, &p->tree->root); }
    if (st == UMB_OK) { st = next(p); }
    if (st == UMB_OK) { st = next(p); }
    if (st == UMB_OK && p->event.type != YAML_STREAM_END_EVENT) {
        st = refuse(p, p->event.start_mark.line, "a second document; expected one");
    }
    return st;
}

enum umb_status umb__yaml_parse(struct umb_context *ctx, const char *source, const char *text,
                                size_t size, struct umb_yaml_tree **ret_tree)
{
    struct umb_yaml_tree *tree = umb__calloc(ctx, 1, sizeof *tree);
    struct parser *p = tree ? umb__calloc(ctx, 1, sizeof *p) : NULL;
    enum umb_status st = p ? UMB_OK : UMB_ERR_NO_MEMORY;
    if (st == UMB_OK) {
        tree->ctx = ctx;
        p->tree = tree;
        st = umb__arena_create(ctx, &tree->arena);
    }
    if (st == UMB_OK) {
        p->source = umb__arena_strdup(tree->arena, source);
        st = p->source ? UMB_OK : UMB_ERR_NO_MEMORY;
    }
    if (st == UMB_OK && !yaml_parser_initialize(&p->yaml)) {
        st = umb__fail(ctx, UMB_ERR_NO_MEMORY, "%s: out of memory", source);
    } else if (st == UMB_OK) {
        yaml_parser_set_input_string(&p->yaml, (const unsigned char *)text, size);
        yaml_parser_set_encoding(&p->yaml, YAML_UTF8_ENCODING);
        st = parse_document(p);
        yaml_event_delete(&p->event);
        yaml_parser_delete(&p->yaml);
    }
    umb__free(p);
    if (st != UMB_OK) {
        umb__yaml_destroy(tree);
        return st;
    }
    *ret_tree = tree;
    return UMB_OK;
}
