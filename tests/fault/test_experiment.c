/*
 * test_experiment.c: experiments with one mistake each. A row replaces one line of a right
 * experiment; the message must name file, line and key, and say what was expected.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "experiment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FILE_NAME "mistake.yaml"

static const char *const right[] = {
    /* 1 */ "name: right",
    /* 2 */ "data:",
    /* 3 */ "  pictures: {format: shapes, count: 40}",
    /* 4 */ "trunk:",
    /* 5 */ "  - conv: {filters: 4, size: 3, stride: 2, activation: relu, name: low}",
    /* 6 */ "  - conv: {filters: 4, size: 3, stride: 2}",
    /* 7 */ "  - flatten: {}",
    /* 8 */ "tasks:",
    /* 9 */ "  shape:",
    /* 10 */ "    target: shape",
    /* 11 */ "    head: [{dense: {units: 4}}]",
    /* 12 */ "    loss: cross_entropy",
    /* 13 */ "    metrics: [accuracy, f1]",
    /* 14 */ "train:",
    /* 15 */ "  epochs: 1",
    /* 16 */ "  optimizer: {adam: {rate: 0.001}}",
};
#define N_LINES (sizeof right / sizeof *right)

static const struct mistake {
    const char *name;
    size_t line;          /* replaced; 0: none */
    const char *text;     /* by this */
    const char *place;    /* of the message, behind FILE_NAME */
    const char *expected; /* in the message */
} mistakes[] = {
    /* the file as a whole */
    {"unknown top key", 1, "nme: right", ":1: nme: ", "did you mean 'name'?"},
    {"name with a blank", 1, "name: not right", ":1: name: ", "is no name"},
    {"name is a list", 1, "name: [a]", ":1: name: ", "expected a text"},
    {"no data", 2, "datas:", ":2: datas: ", "did you mean 'data'?"},
    {"key twice", 8, "trunk: []\ntasks:", ":8: trunk: ", "is in line 4 already"},
    {"share of one trunk", 1, "name: right\nshare: {penalty: 1}", ":2: share: ", "there is 1 trunk"},
    {"trunk and trunks", 1, "name: right\ntrunks: {a: []}", ":5: trunk: ", "beside trunks"},
    {"broken YAML", 3, "  pictures: {format: shapes", ":", "not YAML"},
    {"section of no name", 14, "trains:", ":14: trains: ", "did you mean 'train'?"},
    /* data */
    {"unknown format", 3, "  pictures: {format: shape}",
     ":3: data.pictures.format: ", "did you mean 'shapes'?"},
    {"no format", 3, "  pictures: {count: 40}", ":3: data.pictures: ", "format: is missing"},
    {"key of another format", 3, "  pictures: {format: shapes, targets: {}}",
     ":3: data.pictures.targets: ", "unknown key"},
    {"count is a word", 3, "  pictures: {format: shapes, count: many}",
     ":3: data.pictures.count: ", "'many' does not fit"},
    {"count is negative", 3, "  pictures: {format: shapes, count: -1}",
     ":3: data.pictures.count: ", "from 4 to"},
    {"validation of 2", 3, "  pictures: {format: shapes, validation: 2}",
     ":3: data.pictures.validation: ", "from 0 to 0.99"},
    {"two channels", 3, "  pictures: {format: shapes, channels: 2}",
     ":3: data.pictures.channels: ", "1 (grey) or 3"},
    {"std of 0", 3, "  pictures: {format: shapes, normalize: {mean: 0, std: 0}}",
     ":3: data.pictures.normalize.std: ", "does not fit"},
    {"means for two channels", 3, "  pictures: {format: shapes, normalize: {mean: [0, 1]}}",
     ":3: data.pictures.normalize: ", "one a channel"},
    {"means and deviations", 3,
     "  pictures: {format: shapes, normalize: {mean: [0, 1, 0], std: [1, 1]}}",
     ":3: data.pictures.normalize: ", "3 means and 2 deviations"},
    {"unknown normalize key", 3, "  pictures: {format: shapes, normalize: {men: 0}}",
     ":3: data.pictures.normalize.men: ", "did you mean 'mean'?"},
    {"no path", 3, "  pictures: {format: idx}", ":3: data.pictures: ", "path: is missing"},
    {"path that is not there", 3, "  pictures: {format: idx, path: nowhere}",
     ":3: data.pictures.path: ", "tried "},
    {"absolute path that is not there", 3, "  pictures: {format: idx, path: /nowhere/at/all}",
     ":3: data.pictures.path: ", "is not there"},
    {"several images of another format", 3,
     "  pictures: {format: shapes, inputs: {left: a, right: b}}",
     ":3: data.pictures.inputs: ", "unknown key"},
    {"csv without targets", 3, "  pictures: {format: csv, path: " FILE_NAME "}",
     ":3: data.pictures: ", "targets: is missing"},
    {"csv target without a column", 3,
     "  pictures: {format: csv, path: " FILE_NAME ", targets: {a: {}}}",
     ":3: data.pictures.targets.a: ", "has no column"},
    {"csv target of unknown type", 3,
     "  pictures: {format: csv, path: " FILE_NAME ", targets: {a: {column: a, type: pixel}}}",
     ":3: data.pictures.targets.a.type: ", "did you mean 'pixels'?"},
    {"csv pixels without classes", 3,
     "  pictures: {format: csv, path: " FILE_NAME ", targets: {a: {column: a, type: pixels}}}",
     ":3: data.pictures.targets.a: ", "classes: is missing"},
    {"masks without classes", 3, "  pictures: {format: masks, path: .}",
     ":3: data.pictures: ", "classes: is missing"},
    {"masks of one class", 3, "  pictures: {format: masks, path: ., classes: [road]}",
     ":3: data.pictures.classes: ", "expected 2 to 256"},
    {"masks of many classes", 3, "  pictures: {format: masks, path: ., classes: 257}",
     ":3: data.pictures.classes: ", "2 to 256"},
    {"masks that ignore a word", 3, "  pictures: {format: masks, path: ., classes: 3, ignore: void}",
     ":3: data.pictures.ignore: ", "'void' does not fit"},
    {"targets of masks", 3, "  pictures: {format: masks, path: ., classes: 3, targets: {}}",
     ":3: data.pictures.targets: ", "unknown key"},
    {"swap of one", 3,
     "  pictures: {format: csv, path: " FILE_NAME ", targets: {a: {column: a, swap: [[1]]}}}",
     ":3: data.pictures.targets.a.swap.0: ", "is no pair"},
    {"swap of an unknown class", 3,
     "  pictures: {format: csv, path: " FILE_NAME
     ", targets: {a: {column: a, classes: [left, right], swap: [[left, rihgt]]}}}",
     ":3: data.pictures.targets.a.swap.0.1: ", "did you mean 'right'?"},
    {"swap of a class twice", 3,
     "  pictures: {format: csv, path: " FILE_NAME
     ", targets: {a: {column: a, classes: [l, r, f], swap: [[l, r], [f, l]]}}}",
     ":3: data.pictures.targets.a.swap.1.1: ", "changes places twice"},
    {"swap of a point that is not there", 3,
     "  pictures: {format: csv, path: " FILE_NAME
     ", targets: {a: {columns: [a, b, c, d], points: xyxy, swap: [[0, 2]]}}}",
     ":3: data.pictures.targets.a.swap.0.1: ", "from 0 to 1"},
    {"swap of numbers", 3,
     "  pictures: {format: csv, path: " FILE_NAME
     ", targets: {a: {columns: [a, b], swap: [[0, 1]]}}}",
     ":3: data.pictures.targets.a.swap: ", "is for points and classes"},
    {"points of three columns", 3,
     "  pictures: {format: csv, path: " FILE_NAME
     ", targets: {a: {columns: [a, b, c], points: xyxy}}}",
     ":3: data.pictures.targets.a.points: ", "3 columns are no points"},
    {"points of an unknown order", 3,
     "  pictures: {format: csv, path: " FILE_NAME ", targets: {a: {columns: [a, b], points: xxy}}}",
     ":3: data.pictures.targets.a.points: ", "unknown order of points"},
    {"points of scaled images", 3,
     "  pictures: {format: csv, path: " FILE_NAME
     ", size: 40, targets: {a: {columns: [a, b], points: xyxy}}}",
     ":3: data.pictures.targets.a: ", "within: is missing"},
    {"within without points", 3,
     "  pictures: {format: csv, path: " FILE_NAME ", targets: {a: {columns: [a, b], within: 80}}}",
     ":3: data.pictures.targets.a.within: ", "is for points"},
    {"unknown augmentation", 3, "  pictures: {format: shapes, augment: {flop: 0.5}}",
     ":3: data.pictures.augment.flop: ", "did you mean 'flip'?"},
    {"augmentation is a number", 3, "  pictures: {format: shapes, augment: 0.5}",
     ":3: data.pictures.augment: ", "expected a map"},
    {"flip of 2", 3, "  pictures: {format: shapes, augment: {flip: 2}}",
     ":3: data.pictures.augment.flip: ", "from 0 to 1"},
    {"shift by more than half", 3, "  pictures: {format: shapes, augment: {shift: 0.6}}",
     ":3: data.pictures.augment.shift: ", "from 0 to 0.5"},
    {"zoom from large to small", 3, "  pictures: {format: shapes, augment: {zoom: [1.5, 1]}}",
     ":3: data.pictures.augment.zoom.1: ", "from 1.5 to 4"},
    {"zoom of three", 3, "  pictures: {format: shapes, augment: {zoom: [1, 1, 1]}}",
     ":3: data.pictures.augment.zoom: ", "has 3 numbers"},
    {"fill of 256", 3, "  pictures: {format: shapes, augment: {shift: 0.1, fill: 256}}",
     ":3: data.pictures.augment.fill: ", "expected edge, or a pixel"},
    {"flip of points without swap", 3,
     "  pictures: {format: csv, path: " FILE_NAME
     ", augment: {flip: 0.5}, targets: {a: {columns: [a, b, c, d], points: xyxy}}}",
     ":3: data.pictures.targets.a: ", "has 2 points and no swap"},
    {"shift of what may be points", 3,
     "  pictures: {format: csv, path: " FILE_NAME
     ", augment: {shift: 0.1}, targets: {a: {columns: [a, b]}}}",
     ":3: data.pictures.targets.a: ", "expected points: xyxy or xxyy"},
    {"data set that no task uses", 3,
     "  pictures: {format: shapes, count: 40}\n  others: {format: shapes, count: 40}",
     ":10: tasks.shape: ", "data: is missing"},
    /* layers */
    {"unknown layer", 6, "  - conf: {filters: 4}", ":6: trunk.1.conf: ", "did you mean 'conv'?"},
    {"unknown attribute", 6, "  - conv: {filtres: 4, size: 3}",
     ":6: trunk.1.conv.filtres: ", "did you mean 'filters'?"},
    {"attribute out of range", 6, "  - conv: {filters: 0, size: 3}",
     ":6: trunk.1.conv.filters: ", "expected"},
    {"attribute is a word", 6, "  - conv: {filters: 4, size: big}",
     ":6: trunk.1.conv.size: ", "'big'"},
    {"attribute is a map", 6, "  - conv: {filters: 4, size: {a: 1}}",
     ":6: trunk.1.conv.size: ", "is a map"},
    {"required attribute missing", 6, "  - conv: {size: 3}", ":6: trunk.1.conv: ", "filters"},
    {"unknown activation", 6, "  - conv: {filters: 4, size: 3, activation: rely}",
     ":6: trunk.1.conv.activation: ", "relu"},
    {"two ops in a layer", 6, "  - {conv: {filters: 4, size: 3}, relu: {}}",
     ":6: trunk.1.relu: ", "one op"},
    {"layer is a list", 6, "  - [conv]", ":6: trunk.1: ", "expected a map"},
    {"layer without op", 6, "  - {name: a}", ":6: trunk.1: ", "one op"},
    {"attributes are a list", 6, "  - conv: [4, 3]", ":6: trunk.1.conv: ", "expected a map"},
    {"name twice", 6, "  - relu: {name: low}", ":6: trunk.1.relu.name: ", "an earlier layer"},
    {"from nowhere", 6, "  - conv: {filters: 4, size: 3, from: lov}",
     ":6: trunk.1.conv.from: ", "did you mean 'low'?"},
    {"from twice", 6, "  - {relu: {from: low}, from: low}", ":6: trunk.1.from: ", "twice"},
    {"filter larger than the image", 6, "  - conv: {filters: 4, size: 31}",
     ":6: trunk.1.conv: ", "does not fit"},
    {"add of unequal shapes", 6,
     "  - conv: {filters: 5, size: 3, name: b}\n  - add: {from: [low, b]}",
     ":7: trunk.2.add: ", "["},
    {"residual without body", 6, "  - residual: {}", ":6: trunk.1.residual: ", "body: is missing"},
    {"residual that does not fit", 6, "  - residual: {body: [{conv: {filters: 5, size: 1}}]}",
     ":6: trunk.1.residual: ", "the body ends in [1,15,15,5], the shortcut in [1,15,15,4]"},
    {"unknown residual key", 6, "  - residual: {bodi: []}",
     ":6: trunk.1.residual.bodi: ", "did you mean 'body'?"},
    {"unknown residual activation", 6, "  - residual: {body: [], activation: rulu}",
     ":6: trunk.1.residual.activation: ", "did you mean 'relu'?"},
    {"repeat without times", 6, "  - repeat: {body: []}",
     ":6: trunk.1.repeat: ", "times: is missing"},
    {"repeat 0 times", 6, "  - repeat: {times: 0, body: []}",
     ":6: trunk.1.repeat.times: ", "from 1 to"},
    {"mistake in a repeat in a residual", 6,
     "  - repeat:\n      times: 2\n      body:\n        - residual:\n            body:\n"
     "              - convv: {filters: 4}",
     ":11: trunk.1.repeat.body.0.residual.body.0.convv: ", "did you mean 'conv'?"},
    {"trunk is a map", 4, "trunk: {a: 1}\nx:", ":5: x: ", "unknown key"},
    /* tasks */
    {"unknown task key", 13, "    metric: [accuracy]",
     ":13: tasks.shape.metric: ", "did you mean 'metrics'?"},
    {"unknown data", 10, "    data: pitcures",
     ":10: tasks.shape.data: ", "did you mean 'pictures'?"},
    {"unknown target", 10, "    target: shap",
     ":10: tasks.shape.target: ", "did you mean 'shape'?"},
    {"target that does not suit", 10, "    target: position",
     ":10: tasks.shape.target: ", "expected classes"},
    {"unknown loss", 12, "    loss: cross_entrop",
     ":12: tasks.shape.loss: ", "did you mean 'cross_entropy'?"},
    {"unknown loss key", 12, "    loss: {cross_entropy: {label_smothing: 0.1}}",
     ":12: tasks.shape.loss.cross_entropy.label_smothing: ", "did you mean 'label_smoothing'?"},
    {"loss key out of range", 12, "    loss: {cross_entropy: {label_smoothing: 3}}",
     ":12: tasks.shape.loss.cross_entropy.label_smoothing: ", "expected"},
    {"class weights for 3 of 4", 12, "    loss: {cross_entropy: {class_weights: [1, 1, 1]}}",
     ":9: tasks.shape: ", "class_weights"},
    {"no loss", 12, "", ":9: tasks.shape: ", "loss: is missing"},
    {"loss without a target", 12, "    loss: binary_cross_entropy",
     ":10: tasks.shape.target: ", "two classes"},
    {"unknown metric", 13, "    metrics: [acuracy]",
     ":13: tasks.shape.metrics.0: ", "did you mean 'accuracy'?"},
    {"metric of another loss", 13, "    metrics: [rmse]",
     ":13: tasks.shape.metrics.0: ", "unknown metric of cross_entropy"},
    {"options of a metric that has none", 13, "    metrics: [{accuracy: {top: 5}}]",
     ":13: tasks.shape.metrics.0.accuracy: ", "has no options"},
    {"landmarks of classes", 13, "    metrics: [landmark_error]",
     ":13: tasks.shape.metrics.0: ", "unknown metric of cross_entropy"},
    {"balance of an unknown way", 13, "    balance: weight",
     ":13: tasks.shape.balance: ", "did you mean 'weights'?"},
    {"balance of weights beside weights", 12,
     "    loss: {cross_entropy: {class_weights: [1, 1, 1, 1]}}\n    balance: weights",
     ":13: tasks.shape.balance: ", "has class_weights already"},
    {"balance of numbers", 10,
     "    target: position\n    balance: weights\n    head: [{dense: {units: 2}}]\n    loss: mse\n"
     "  other:",
     ":11: tasks.shape.balance: ", "mse has no classes"},
    {"landmarks without between", 10,
     "    target: position\n    metrics: [landmark_error]\n    head: [{dense: {units: 2}}]\n"
     "    loss: mse\n  other:",
     ":11: tasks.shape.metrics.0: ", "between: is missing"},
    {"landmarks between three", 10,
     "    target: position\n    metrics: [{landmark_error: {between: [0, 1, 2]}}]\n"
     "    head: [{dense: {units: 2}}]\n    loss: mse\n  other:",
     ":11: tasks.shape.metrics.0.landmark_error.between: ", "is no pair"},
    {"landmarks beyond the points", 10,
     "    target: position\n    metrics: [{landmark_error: {between: [0, 1]}}]\n"
     "    head: [{dense: {units: 2}}]\n    loss: mse\n  other:",
     ":11: tasks.shape.metrics.0.landmark_error.between.1: ", "'1' does not fit"},
    {"two tasks draw from one data set", 8,
     "tasks:\n  colour: {target: colour, head: [{dense: {units: 6}}], loss: cross_entropy,\n"
     "    balance: sampler}\n  more: {target: shape, head: [{dense: {units: 4}}], loss: "
     "cross_entropy,\n    balance: sampler}",
     ":12: tasks.more.balance: ", "task 'colour' draws"},
    {"draws of masks", 10,
     "    target: mask\n    balance: sampler\n    head: []\n    loss: cross_entropy\n  other:",
     ":11: tasks.shape.balance: ", "no classes of samples"},
    {"select by an unknown score", 13, "    select: {los: 0.5}",
     ":13: tasks.shape.select.los: ", "did you mean 'loss'?"},
    {"select by two scores", 13, "    select: {loss: 0.5, uncertainty: 0.5}",
     ":13: tasks.shape.select: ", "has 2 keys"},
    {"select of none", 13, "    select: {loss: 0}", ":13: tasks.shape.select.loss: ", "to 1"},
    {"select numbers by uncertainty", 10,
     "    target: position\n    select: {uncertainty: 0.5}\n    head: [{dense: {units: 2}}]\n"
     "    loss: mse\n  other:",
     ":11: tasks.shape.select.uncertainty: ", "have no uncertainty"},
    {"metric twice", 13, "    metrics: [f1, f1]", ":13: tasks.shape.metrics.1: ", "twice"},
    {"no metrics", 13, "    metrics: []", ":13: tasks.shape.metrics: ", "expected 1 to"},
    {"negative weight", 13, "    weight: -1", ":13: tasks.shape.weight: ", "from 0 to"},
    {"every weight 0", 13, "    weight: 0", ":8: tasks: ", "above 0"},
    {"unknown trunk", 13, "    trunk: b", ":13: tasks.shape.trunk: ", "unknown trunk 'b'"},
    {"no head", 11, "", ":9: tasks.shape: ", "head: is missing"},
    {"head of 5 for 4 classes", 11, "    head: [{dense: {units: 5}}]",
     ":11: tasks.shape.head: ", "ends in [5]; expected [4]"},
    {"head that is an image", 11, "    head: [{conv: {filters: 4, size: 1, from: low}}]",
     ":11: tasks.shape.head: ", "expected [4]"},
    {"head from nowhere", 11, "    head: [{dense: {units: 4, from: hih}}]",
     ":11: tasks.shape.head.0.dense.from: ", "unknown layer 'hih'"},
    {"softmax before cross_entropy", 11, "    head: [{dense: {units: 4, activation: softmax}}]",
     ":11: tasks.shape.head.0.dense.activation: ", "applies softmax itself"},
    {"map of one class", 13, "    map: {round: [0]}", ":13: tasks.shape.map: ", "at least 2"},
    {"map of an unknown label", 13, "    map: {round: [0], angular: [7]}",
     ":13: tasks.shape.map.angular.0: ", "0 to 3"},
    {"map of a label twice", 13, "    map: {round: [0], angular: [1, 0]}",
     ":13: tasks.shape.map.angular.1: ", "in 'round' already"},
    {"map of an empty list", 13, "    map: {round: [0], angular: []}",
     ":13: tasks.shape.map.angular: ", "is empty"},
    {"map of an unknown name", 13, "    map: {round: [circel], angular: [1]}",
     ":13: tasks.shape.map.round.0: ", "is no label"},
    /* training */
    {"unknown train key", 15, "  epoch: 1", ":15: train.epoch: ", "did you mean 'epochs'?"},
    {"no epochs", 15, "  epochs: 0", ":15: train.epochs: ", "from 1 to"},
    {"epochs in quotes", 15, "  epochs: '3'", ":15: train.epochs: ", "expected a whole number"},
    {"batch of 0", 15, "  batch: 0", ":15: train.batch: ", "from 1 to"},
    {"batch of 1.5", 15, "  batch: 1.5", ":15: train.batch: ", "expected a whole number"},
    {"unknown optimizer", 16, "  optimizer: {adan: {}}",
     ":16: train.optimizer.adan: ", "did you mean 'adam'?"},
    {"optimizer is a list", 16, "  optimizer: [adam]", ":16: train.optimizer: ", "is no optimizer"},
    {"unknown optimizer key", 16, "  optimizer: {adam: {beta3: 0.9}}",
     ":16: train.optimizer.adam.beta3: ", "did you mean 'beta"},
    {"rate of 0", 16, "  optimizer: {adam: {rate: 0}}",
     ":16: train.optimizer.adam.rate: ", "does not fit"},
    {"rate is nan", 16, "  optimizer: {adam: {rate: nan}}",
     ":16: train.optimizer.adam.rate: ", "does not fit"},
    {"weight decay twice", 16, "  optimizer: {adam: {weight_decay: 0.1}}\n  weight_decay: 0.1",
     ":17: train.weight_decay: ", "one of the two"},
    {"unknown schedule", 15, "  schedule: cosin",
     ":15: train.schedule: ", "did you mean 'cosine'?"},
    {"unknown schedule key", 15, "  schedule: {cosine: {min: 0}}",
     ":15: train.schedule.cosine.min: ", "expected warmup, epochs or minimum"},
    {"step without every", 15, "  schedule: {step: {factor: 0.1}}",
     ":15: train.schedule: ", "every: is missing"},
    {"early stop without patience", 15, "  early_stop: {metric: score}",
     ":15: train.early_stop: ", "patience: is missing"},
    {"early stop on an unknown task", 15, "  early_stop: {patience: 1, metric: form.accuracy}",
     ":15: train.early_stop.metric: ", "no task 'form'"},
    {"early stop on an unknown metric", 15, "  early_stop: {patience: 1, metric: shape.recall}",
     ":15: train.early_stop.metric: ", "not among the metrics"},
    {"queues of 9", 15, "  queues: 9", ":15: train.queues: ", "from 1 to 8"},
    {"precision of half", 15, "  precision: half", ":15: train.precision: ", "float32 or mixed"},
    {"precision is a list", 15, "  precision: [mixed]", ":15: train.precision: ", "expected"},
    {"parallel of both", 15, "  parallel: both",
     ":15: train.parallel: ", "auto, heads, data or off"},
    {"parallel is a list", 15, "  parallel: [data]", ":15: train.parallel: ", "expected"},
    {"memory without a unit", 15, "  memory: 512", ":15: train.memory: ", "with their unit"},
    {"memory of no unit", 15, "  memory: 512 MX", ":15: train.memory: ", "as 512MiB or 2GB"},
    {"memory of nothing", 15, "  memory: 0MiB", ":15: train.memory: ", "'0MiB' does not fit"},
    {"memory is negative", 15, "  memory: -1GB", ":15: train.memory: ", "'-1GB' does not fit"},
    {"memory beyond 64 bits", 15, "  memory: 99999999999GiB",
     ":15: train.memory: ", "does not fit"},
    {"memory of less than a byte", 15, "  memory: 0.1B", ":15: train.memory: ", "does not fit"},
    {"memory of 0 %", 15, "  memory: 0%", ":15: train.memory: ", "or a share"},
    {"memory of 101 %", 15, "  memory: 101%", ":15: train.memory: ", "as 50%"},
    {"memory is a list", 15, "  memory: [1GB]", ":15: train.memory: ", "expected a text"},
    {"clip_norm is negative", 15, "  clip_norm: -1", ":15: train.clip_norm: ", "does not fit"},
    {"seed is negative", 15, "  seed: -1", ":15: train.seed: ", "expected a whole number"},
};

static void write_file(size_t line, const char *text)
{
    FILE *f = fopen(FILE_NAME, "w");
    assert_non_null(f);
    for (size_t i = 1; i <= N_LINES; i++) {
        fprintf(f, "%s\n", i == line ? text : right[i - 1]);
    }
    assert_int_equal(fclose(f), 0);
}

/* As `umbel train` goes about it, up to the device. */
static enum umb_status build(struct umb_context *ctx, const char *const *sets, size_t n_sets)
{
    struct umb_experiment *exp = NULL;
    struct umb_net *net = NULL;
    enum umb_status st = umb__experiment_read(ctx, FILE_NAME, sets, n_sets, &exp);
    if (st == UMB_OK) { st = umb__experiment_open(exp); }
    if (st == UMB_OK) { st = umb__experiment_net(exp, &net); }
    umb_net_destroy(net);
    umb__experiment_destroy(exp);
    return st;
}

static void is_answered(void **state)
{
    const struct mistake *m = *state;
    struct umb_context *ctx = NULL;
    uint64_t live = umb__alloc_live();
    char place[160];
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    write_file(m->line, m->text);
    enum umb_status st = build(ctx, NULL, 0);
    snprintf(place, sizeof place, FILE_NAME "%s", m->place);
    const char *message = umb_context_error(ctx);
    bool status = st == UMB_ERR_INVALID || st == UMB_ERR_FORMAT;
    if (!status || strncmp(message, place, strlen(place)) != 0 || !strstr(message, m->expected)) {
        fail_msg("%s: status %s, message '%s'; expected '%s…%s'", m->name, umb_status_name(st),
                 message, place, m->expected);
    }
    umb_context_destroy(ctx);
    assert_int_equal(umb__alloc_live(), live);
}

static void the_right_one_is_right(void **state)
{
    (void)state;
    struct umb_context *ctx = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    write_file(0, NULL);
    enum umb_status st = build(ctx, NULL, 0);
    if (st != UMB_OK) { fail_msg("%s", umb_context_error(ctx)); }
    umb_context_destroy(ctx);
}

static const struct {
    const char *set, *expected;
} bad_sets[] = {
    {"train.epochs=0", "--set: train.epochs: "},
    {"train.epoch=1", "--set: train.epoch: unknown key; did you mean 'epochs'?"},
    {"trunk.0.conv.filters=no", "--set: trunk.0.conv.filters: "},
    {"trunk.9.conv.filters=1", "'9' is no item of a list of 3"},
    {"tasks.colour={loss: mse}", "--set: tasks.colour: head: is missing"},
    {"data.pictures.format=idx", "data.pictures"},
    {"epochs=3", "--set: epochs: unknown key"},
};

static void overrides_are_checked_too(void **state)
{
    (void)state;
    struct umb_context *ctx = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    write_file(0, NULL);
    for (size_t i = 0; i < sizeof bad_sets / sizeof *bad_sets; i++) {
        enum umb_status st = build(ctx, &bad_sets[i].set, 1);
        if (st != UMB_ERR_INVALID || !strstr(umb_context_error(ctx), bad_sets[i].expected)) {
            fail_msg("--set %s: status %s, message '%s'; expected '%s'", bad_sets[i].set,
                     umb_status_name(st), umb_context_error(ctx), bad_sets[i].expected);
        }
    }
    umb_context_destroy(ctx);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    struct umb_context *ctx = NULL;
    struct umb_experiment *exp = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    assert_int_equal(umb__experiment_read(ctx, "nowhere.yaml", NULL, 0, &exp), UMB_ERR_INVALID);
    assert_non_null(strstr(umb_context_error(ctx), "nowhere.yaml: no such experiment"));
    umb_context_destroy(ctx);
}

/* Makes allocation 1, 2, 3 … fail until everything succeeds. */
static void survives_every_failed_allocation(void **state)
{
    (void)state;
    struct umb_context *ctx = NULL;
    assert_int_equal(umb_context_create(NULL, &ctx), UMB_OK);
    write_file(0, NULL);
    enum umb_status st = UMB_ERR_NO_MEMORY;
    for (uint64_t n = 1; st != UMB_OK && n < 100000; n++) {
        uint64_t live = umb__alloc_live();
        umb__alloc_fail_at(n);
        st = build(ctx, NULL, 0);
        umb__alloc_fail_at(0);
        if (umb__alloc_live() != live || (st != UMB_OK && st != UMB_ERR_NO_MEMORY)) {
            fail_msg("allocation %llu: status %s (%s), %llu allocations more than before",
                     (unsigned long long)n, umb_status_name(st), umb_context_error(ctx),
                     (unsigned long long)(umb__alloc_live() - live));
        }
    }
    assert_int_equal(st, UMB_OK);
    umb_context_destroy(ctx);
}

static char folder[] = "/tmp/umbel-experiment-XXXXXX";

/* In a folder of its own, that is left as it was. The group's state stays NULL: the cases have
 * theirs. */
static int enter(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    unlink(FILE_NAME);
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

#define N_MISTAKES (sizeof mistakes / sizeof *mistakes)

int main(void)
{
    const struct CMUnitTest others[] = {
        cmocka_unit_test(the_right_one_is_right),
        cmocka_unit_test(overrides_are_checked_too),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    enum { N_OTHERS = sizeof others / sizeof *others };
    struct CMUnitTest tests[N_OTHERS + N_MISTAKES];
    memcpy(tests, others, sizeof others);
    for (size_t i = 0; i < N_MISTAKES; i++) {
        tests[N_OTHERS + i] = (struct CMUnitTest){.name = mistakes[i].name,
                                                  .test_func = is_answered,
                                                  .initial_state = (void *)(uintptr_t)&mistakes[i]};
    }
    return cmocka_run_group_tests(tests, enter, leave);
}
