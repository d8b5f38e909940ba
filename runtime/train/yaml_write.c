/*
 * yaml_write.c: a tree as YAML text, by libyaml's emitter.
 */
#include "yaml_tree.h"

#include "fail.h"
#include "text.h"
#include <string.h>
#include <yaml.h>

#define LINE_WIDTH 120

static int receive(void *user, unsigned char *data, size_t size)
{
    struct umb_text *out = user;
    umb__text_add_bytes(out, (const char *)data, size);
    return !out->failed;
}

static bool emit_text(yaml_emitter_t *emitter, const char *text, bool quoted)
{
    yaml_event_t e;
    return yaml_scalar_event_initialize(
               &e, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), !quoted, 1,
               quoted ? YAML_SINGLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE) &&
           yaml_emitter_emit(emitter, &e);
}

static bool emit(yaml_emitter_t *emitter, const struct umb_yaml *node)
{
    yaml_event_t e;
    if (node->kind == UMB_YAML_SCALAR) { return emit_text(emitter, node->text, node->quoted); }
    bool map = node->kind == UMB_YAML_MAP;
    int made = map ? yaml_mapping_start_event_initialize(&e, NULL, NULL, 1,
                                                         node->flow ? YAML_FLOW_MAPPING_STYLE
                                                                    : YAML_BLOCK_MAPPING_STYLE)
                   : yaml_sequence_start_event_initialize(&e, NULL, NULL, 1,
                                                          node->flow ? YAML_FLOW_SEQUENCE_STYLE
                                                                     : YAML_BLOCK_SEQUENCE_STYLE);
    if (!made || !yaml_emitter_emit(emitter, &e)) { return false; }
    for (size_t i = 0; i < node->n_items; i++) {
        if (map && !emit_text(emitter, node->item[i]->key, false)) { return false; }
        if (!emit(emitter, node->item[i])) { return false; }
    }
    made = map ? yaml_mapping_end_event_initialize(&e) : yaml_sequence_end_event_initialize(&e);
    return made && yaml_emitter_emit(emitter, &e);
}

static bool emit_document(yaml_emitter_t *emitter, const struct umb_yaml *root)
{
    yaml_event_t e;
    return yaml_stream_start_event_initialize(&e, YAML_UTF8_ENCODING) &&
           yaml_emitter_emit(emitter, &e) &&
           yaml_document_start_event_initialize(&e, NULL, NULL, NULL, 1) &&
           yaml_emitter_emit(emitter, &e) && emit(emitter, root) &&
           yaml_document_end_event_initialize(&e, 1) && yaml_emitter_emit(emitter, &e) &&
           yaml_stream_end_event_initialize(&e) && yaml_emitter_emit(emitter, &e);
}

enum umb_status umb__yaml_write(const struct umb_yaml_tree *tree, char **ret_text)
{
    struct umb_text out = {0};
    yaml_emitter_t emitter;
    bool fine = yaml_emitter_initialize(&emitter);
    if (fine) {
        yaml_emitter_set_output(&emitter, receive, &out);
        yaml_emitter_set_unicode(&emitter, 1);
        yaml_emitter_set_width(&emitter, LINE_WIDTH);
        fine = emit_document(&emitter, tree->root);
        yaml_emitter_delete(&emitter);
    }
    if (fine && !out.failed) {
        *ret_text = out.data;
        return UMB_OK;
    }
    umb__text_finish(&out);
    return umb__fail(tree->ctx, UMB_ERR_NO_MEMORY, "out of memory: writing an experiment");
}
