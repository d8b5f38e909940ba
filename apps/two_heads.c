/*
 * two_heads.c: the library without the command: a net with one trunk and two heads is built,
 * trained on generated pictures and asked about one of them.
 *
 *   picture ─ conv ─ pool ─ conv ─ flatten ─┬─ dense 4   which shape is it?
 *                                           └─ dense 2   where is its centre?
 */
#include <stdio.h>
#include <stdlib.h>
#include <umbel/umbel.h>

enum { BATCH = 32, SIDE = 32, EPOCHS = 10, PIXELS = SIDE * SIDE * 3 };

struct batch {
    uint8_t images[BATCH * PIXELS];
    int32_t shape[BATCH];
    float position[BATCH][2];
};

/* Adds one layer behind *value. */
static enum umb_status add(struct umb_net *net, const char *op, const char *attrs, int *value)
{
    struct umb_layer_desc desc = {.op = op, .attrs = attrs, .in = value, .n_in = 1};
    return umb_net_layer(net, &desc, value);
}

static enum umb_status add_head(struct umb_net *net, const char *task, const char *attrs,
                                const char *loss, double weight, int trunk)
{
    int value = trunk;
    enum umb_status st = add(net, "dense", "units=64 activation=relu", &value);
    if (st == UMB_OK) { st = add(net, "dense", attrs, &value); }
    struct umb_task_desc desc = {.name = task, .output = value, .loss = loss, .weight = weight};
    return st == UMB_OK ? umb_net_task(net, &desc) : st;
}

static enum umb_status build_net(struct umb_net *net)
{
    static const char *const trunk[][2] = {
        {"conv", "filters=16 size=3 padding=same activation=relu"},
        {"max_pool", "size=2"},
        {"conv", "filters=32 size=3 padding=same stride=2 activation=relu"},
        {"flatten", NULL}};
    const double mean = 0.5, std = 0.25;
    struct umb_stream_desc pictures = {.name = "pictures",
                                       .height = SIDE,
                                       .width = SIDE,
                                       .channels = 3,
                                       .mean = &mean,
                                       .std = &std,
                                       .n_norm = 1};
    int value = 0;
    enum umb_status st = umb_net_stream(net, &pictures, &value);
    for (size_t i = 0; st == UMB_OK && i < sizeof trunk / sizeof *trunk; i++) {
        st = add(net, trunk[i][0], trunk[i][1], &value);
    }
    if (st == UMB_OK) { st = add_head(net, "shape", "units=4", "cross_entropy", 1, value); }
    if (st == UMB_OK) { st = add_head(net, "position", "units=2", "mse", 10, value); }
    return st;
}

/* Samples first … first+BATCH−1 of a split; the targets that are not used stay NULL. */
static enum umb_status read_batch(struct umb_dataset *data, enum umb_split split, int64_t first,
                                  struct batch *b, int64_t *ret_n)
{
    void *targets[8] = {NULL};
    int shape = umb_dataset_find_target(data, "shape"),
        position = umb_dataset_find_target(data, "position");
    int64_t left = umb_dataset_count(data, split) - first;
    *ret_n = left < BATCH ? left : BATCH;
    for (int64_t i = 0; i < *ret_n; i++) {
        targets[shape] = &b->shape[i];
        targets[position] = b->position[i];
        enum umb_status st =
            umb_dataset_read(data, split, first + i, b->images + i * PIXELS, targets);
        if (st != UMB_OK) { return st; }
    }
    return UMB_OK;
}

/* Trains on a split, or only measures it. */
static enum umb_status walk(struct umb_trainer *tr, struct umb_dataset *data, enum umb_split split,
                            struct batch *b, struct umb_task_result *ret_results)
{
    struct umb_labels labels[] = {{.labels = b->shape}, {.labels = b->position}};
    struct umb_batch batch = {.images = b->images};
    for (int64_t first = 0; first < umb_dataset_count(data, split); first += BATCH) {
        enum umb_status st = read_batch(data, split, first, b, &batch.n);
        if (st == UMB_OK) {
            st = split == UMB_SPLIT_TRAIN ? umb_trainer_step(tr, &batch, labels, 0.002, NULL)
                                          : umb_trainer_evaluate(tr, &batch, labels);
        }
        if (st != UMB_OK) { return st; }
    }
    return umb_trainer_results(tr, ret_results);
}

static enum umb_status train(struct umb_trainer *tr, struct umb_dataset *data, struct batch *b)
{
    struct umb_task_result r[2];
    enum umb_status st = UMB_OK;
    for (int epoch = 1; epoch <= EPOCHS; epoch++) {
        st = walk(tr, data, UMB_SPLIT_TRAIN, b, r);
        if (st == UMB_OK) { st = walk(tr, data, UMB_SPLIT_TEST, b, r); }
        if (st != UMB_OK) { break; }
        printf("epoch %2d: shape %s %.3f, position %s %.4f\n", epoch, r[0].metric[0].name,
               r[0].metric[0].value, r[1].metric[0].name, r[1].metric[0].value);
    }
    return st;
}

static enum umb_status ask(struct umb_trainer *tr, struct umb_dataset *data, struct batch *b)
{
    float shape[4], position[2], *outputs[] = {shape, position};
    struct umb_batch one = {.n = 1, .images = b->images};
    int64_t n = 0;
    enum umb_status st = read_batch(data, UMB_SPLIT_TEST, 0, b, &n);
    if (st == UMB_OK) { st = umb_trainer_predict(tr, &one, outputs); }
    if (st != UMB_OK) { return st; }
    printf("class %d at (%.2f, %.2f): circle %.2f, square %.2f, triangle %.2f, cross %.2f at "
           "(%.2f, %.2f)\n",
           (int)b->shape[0], b->position[0][0], b->position[0][1], shape[0], shape[1], shape[2],
           shape[3], position[0], position[1]);
    return UMB_OK;
}

int main(void)
{
    struct umb_context *ctx = NULL;
    struct umb_device *device = NULL;
    struct umb_dataset *data = NULL;
    struct umb_net *net = NULL;
    struct umb_trainer *tr = NULL;
    static struct batch b; /* too large for some stacks */
    if (umb_context_create(NULL, &ctx) != UMB_OK) { return EXIT_FAILURE; }

    enum umb_status st = umb_device_open(ctx, NULL, &device);
    struct umb_dataset_desc generated = {.format = "shapes", .seed = 1, .count = 2000};
    if (st == UMB_OK) { st = umb_dataset_open(ctx, &generated, &data); }
    if (st == UMB_OK) { st = umb_net_create(ctx, &net); }
    if (st == UMB_OK) { st = build_net(net); }
    struct umb_trainer_desc desc = {
        .device = device, .net = net, .batch = BATCH, .optimizer = "adam"};
    if (st == UMB_OK) { st = umb_trainer_create(ctx, &desc, &tr); }
    if (st == UMB_OK) { st = train(tr, data, &b); }
    if (st == UMB_OK) { st = ask(tr, data, &b); }
    if (st != UMB_OK) { fprintf(stderr, "two_heads: %s\n", umb_context_error(ctx)); }

    umb_trainer_destroy(tr); /* in the reverse order of making them */
    umb_net_destroy(net);
    umb_dataset_close(data);
    umb_device_close(device);
    umb_context_destroy(ctx);
    return st == UMB_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
