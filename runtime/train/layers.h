/*
 * layers.h: lists of layers in an experiment, walked into a net.
 *
 * A walk is one list being applied to one input: a trunk to its images, or a head to a trunk's
 * values. It knows the names given so far; a head's walk looks further in the trunk's. Within
 * `repeat`, a name means the newest layer of that name.
 */
#ifndef UMB_LAYERS_H
#define UMB_LAYERS_H

#include "experiment.h"

#define UMB_MAX_LAYERS 10000 /* of one list, repetitions counted */

struct umb_named_layer {
    const char *name;
    const struct umb_yaml *node; /* that gave it: again in a repetition, else an error */
    int value;
    const char *layer; /* the net's name for what made it, to share with; NULL: an image */
};

struct umb_walk {
    struct umb_experiment *exp;
    struct umb_net *net;
    const char *prefix; /* of layer names: "", or "digit." in a head */
    const char *again;  /* NULL: these layers are new; else they share those of the first walk of
                           this list, and are called NAME@again */
    int device;         /* that the layers are on */
    const char *init;   /* of the layer that is added; NULL: it says nothing */
    int at;           /* the value of the layer before; −1: none, the sample has several images */
    const char *made; /* the net's name for the newest layer */
    const struct umb_walk *behind; /* whose layers may be shared too; NULL: none */
    int n_layers;
    char suffix[64]; /* "_2" within the second round of a repeat */
    struct umb_named_layer *named;
    size_t n_named, named_capacity;
    struct umb_layer_count { /* of automatic names */
        const char *op;
        int n;
    } * count;
    size_t n_counts, count_capacity;
    /* Names that the walk does not know itself: false when there is none either. On success the
     * value, as the walk may use it. */
    UMB_MUST_USE enum umb_status (*outer)(void *user, const char *name, bool *ret_found,
                                          int *ret_value);
    size_t (*outer_names)(void *user, const char **names, size_t max);
    void *outer_user;
};

/* Walks the list from w->at, which is the last layer's value then. */
UMB_MUST_USE enum umb_status umb__walk_list(struct umb_walk *w, const struct umb_yaml *list);
void umb__walk_finish(struct umb_walk *w);
/* The value of a name given in this walk; −1: none. */
int umb__walk_find(const struct umb_walk *w, const char *name);
UMB_MUST_USE enum umb_status umb__walk_name(struct umb_walk *w, const char *name,
                                            const struct umb_yaml *node, int value);

#endif
