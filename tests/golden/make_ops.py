#!/usr/bin/env python3
"""Writes tests/ops/golden_ops.h: what PyTorch computes for losses, batch norm and optimizers.

Usage: make_ops.py OUTPUT.h; needs torch. The committed file was written by PyTorch 2.15 (CPU). All
numbers are computed in float64 from inputs that float32 holds exactly.
"""
import sys

import torch
import torch.nn.functional as F

DLOSS = 0.75
lines = []


def floats(t):
    return t.detach().double().flatten().tolist()


def number(v):
    if v != v:
        return "NAN"
    text = f"{v:.9g}"
    return (text if any(c in text for c in ".en") else text + ".0") + "f"


def array(name, values, kind="float"):
    texts = [number(v) if kind == "float" else str(int(v)) for v in values]
    line, body = "   ", []
    for text in texts:
        if len(line) + len(text) + 2 > 98:
            body.append(line)
            line = "   "
        line += f" {text},"
    lines.append(f"static const {kind} {name}[{len(values)}] = {{")
    lines.extend(body + [line[:-1] + "};"])
    return name


def exact(*shape):
    """Normal numbers that float32 holds."""
    return torch.randn(*shape).double()


def shape_of(t):
    return f"{{{t.dim()}, {{{', '.join(str(d) for d in t.shape)}}}}}"


# Losses.

loss_rows = []


def loss_row(op, attrs, x, labels, mask, loss, total):
    (DLOSS * loss).backward()
    tag = f"loss{len(loss_rows)}"
    array(f"{tag}_x", floats(x))
    if labels.dtype == torch.int64:
        pointers = f"{array(tag + '_labels', labels.flatten().tolist(), 'int32_t')}, NULL"
    else:
        pointers = f"NULL, {array(tag + '_labels', floats(labels))}"
    array(f"{tag}_mask", floats(mask))
    array(f"{tag}_dx", floats(x.grad))
    loss_rows.append(f'    {{"{op}", "{attrs}",\n'
                     f"     {shape_of(x)}, {tag}_x, {pointers}, {tag}_mask,\n"
                     f"     {number(loss.item())}, {number(float(total))}, {tag}_dx}},")


def cross_entropy(attrs, shape, mask, weights=None, smoothing=0.0, ignore=-1):
    x = exact(*shape).requires_grad_()
    n_classes = shape[-1]
    labels = torch.randint(-1, n_classes, shape[:-1])
    mask = torch.tensor(mask)
    target = labels.clone()
    target[mask == 0] = -1
    target[target == ignore] = -1
    w = torch.tensor(weights).double() if weights else None
    logits = x.movedim(-1, 1)
    loss = F.cross_entropy(logits, target, weight=w, ignore_index=-1, label_smoothing=smoothing)
    counted = target[target >= 0]
    total = w[counted].sum() if weights else counted.numel()
    loss_row("cross_entropy", attrs, x, labels, mask, loss, total)


def entries(op, attrs, shape, mask, function, binary=False):
    x = exact(*shape).requires_grad_()
    y = torch.rand(shape).double() if binary else exact(*shape)
    y = y.float().double()
    y.view(-1)[1] = float("nan")
    mask = torch.tensor(mask)
    counted = ~torch.isnan(y) & (mask > 0).view(-1, *[1] * (len(shape) - 1))
    loss = function(x, torch.nan_to_num(y))[counted].mean()
    loss_row(op, attrs, x, y, mask, loss, counted.sum())


def make_losses():
    full = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    some = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]
    w = [0.5, 2.0, 1.0, 0.25]
    text = "class_weights=0.5,2,1,0.25"
    cross_entropy("", (6, 4), full)
    cross_entropy("", (6, 4), some)
    cross_entropy(text, (6, 4), full, w)
    cross_entropy("label_smoothing=0.2", (6, 4), some, None, 0.2)
    cross_entropy(text + " label_smoothing=0.2 ignore_index=2", (6, 4), full, w, 0.2, 2)
    cross_entropy(text + " label_smoothing=0.1", (2, 2, 3, 4), [1.0, 1.0], w, 0.1)
    bce = F.binary_cross_entropy_with_logits
    for attrs, weight in (("", None), ("pos_weight=0.5,3,2", [0.5, 3.0, 2.0])):
        pw = torch.tensor(weight).double() if weight else None
        entries("binary_cross_entropy", attrs, (6, 3), some,
                lambda a, b, pw=pw: bce(a, b, reduction="none", pos_weight=pw), True)
    entries("mse", "", (6, 2), some, lambda a, b: F.mse_loss(a, b, reduction="none"))
    entries("l1", "", (6, 2), some, lambda a, b: F.l1_loss(a, b, reduction="none"))
    entries("huber", "", (6, 2), some, lambda a, b: F.huber_loss(a, b, reduction="none"))
    entries("huber", "delta=0.4", (2, 2, 3, 1), [1.0, 1.0],
            lambda a, b: F.huber_loss(a, b, reduction="none", delta=0.4))
    lines.append("""
struct golden_loss {
    const char *op, *attrs;
    struct umb_shape shape;
    const float *x;
    const int32_t *classes; /* one of classes, numbers: the labels */
    const float *numbers;
    const float *mask;
    float loss, total;
    const float *dx; /* for dloss = GOLDEN_DLOSS */
};""")
    lines.append(f"#define GOLDEN_DLOSS {number(DLOSS)}")
    lines.append("static const struct golden_loss golden_losses[] = {")
    lines.extend(loss_rows + ["};"])


# Batch norm.

def make_batch_norm():
    """Two streams of four samples [2,3,5] (H,W,C); three samples of the second are real."""
    streams, samples, channels, rows = 2, 4, 5, [4, 3]
    x = exact(streams, samples, 2, 3, channels) * 2 + 3
    x = x.float().double().requires_grad_()
    dy = exact(*x.shape)
    weight = exact(channels).requires_grad_()
    bias = exact(channels).requires_grad_()
    norms = [torch.nn.BatchNorm2d(channels, affine=False).double() for _ in range(streams)]
    y = []
    for s, norm in enumerate(norms):
        real = x[s, :rows[s]].movedim(-1, 1)
        hat = norm(real).movedim(1, -1)
        mean = real.mean((0, 2, 3))
        var = real.var((0, 2, 3), unbiased=False)
        rest = ((x[s, rows[s]:] - mean) / (var + 1e-5).sqrt()).detach()
        y.append(torch.cat([hat, rest]) * weight + bias)
    real_dy = dy.clone()
    for s in range(streams):
        real_dy[s, rows[s]:] = 0
    y = torch.stack(y)
    (y * real_dy).sum().backward()
    for name, value in (("x", x), ("dy", dy), ("weight", weight), ("bias", bias), ("y", y),
                        ("dx", x.grad), ("dweight", weight.grad), ("dbias", bias.grad)):
        array(f"golden_norm_{name}", floats(value))
    array("golden_norm_mean", floats(torch.stack([n.running_mean for n in norms])))
    array("golden_norm_var", floats(torch.stack([n.running_var for n in norms])))
    array("golden_norm_rows", rows, "int32_t")


# Optimizers.

def make_optimizers(steps=5, n=7, rate=0.05, max_norm=1.5):
    start, grads = exact(n), exact(steps, n)
    array("golden_param", floats(start))
    array("golden_grads", floats(grads))
    sgd, adam, adamw = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
    rows = []
    for op, attrs, moments, make, extra, clip in (
            ("sgd", "", 0, sgd, {}, False),
            ("sgd", "weight_decay=0.1", 0, sgd, {"weight_decay": 0.1}, True),
            ("sgd", "momentum=0.9", 1, sgd, {"momentum": 0.9}, False),
            ("sgd", "momentum=0.9 dampening=0.3 weight_decay=0.1", 1, sgd,
             {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}, False),
            ("sgd", "momentum=0.9 nesterov=true weight_decay=0.1", 1, sgd,
             {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, True),
            ("adam", "", 2, adam, {}, False),
            ("adam", "beta1=0.8 beta2=0.95 epsilon=0.001 weight_decay=0.1", 2, adam,
             {"betas": (0.8, 0.95), "eps": 0.001, "weight_decay": 0.1}, True),
            ("adam", "weight_decay=0.1 decoupled=true", 2, adamw, {"weight_decay": 0.1}, False)):
        param = torch.nn.Parameter(start.clone())
        optimizer = make([param], lr=rate, **extra)
        for step in range(steps):
            param.grad = grads[step].clone()
            if clip:
                torch.nn.utils.clip_grad_norm_([param], max_norm)
            optimizer.step()
        name = array(f"optimizer{len(rows)}_param", floats(param))
        rows.append(f'    {{"{op}", "{attrs}", {moments}, {str(clip).lower()}, {name}}},')
    lines.append("""
struct golden_optimizer {
    const char *op, *attrs;
    int n_moments;
    bool clip;          /* to GOLDEN_MAX_NORM before each step */
    const float *param; /* after GOLDEN_STEPS steps */
};""")
    lines.append(f"#define GOLDEN_STEPS {steps}")
    lines.append(f"#define GOLDEN_PARAMS {n}")
    lines.append(f"#define GOLDEN_RATE {rate}")
    lines.append(f'#define GOLDEN_MAX_NORM "{max_norm}"')
    lines.append("static const struct golden_optimizer golden_optimizers[] = {")
    lines.extend(rows + ["};"])


def main():
    torch.manual_seed(7)
    lines.append("/* golden_ops.h: written by tests/golden/make_ops.py; do not edit. */")
    lines.append("#ifndef GOLDEN_OPS_H\n#define GOLDEN_OPS_H\n")
    lines.append("#include <math.h>\n#include <stdbool.h>\n#include <stdint.h>")
    lines.append("#include <umbel/shape.h>\n")
    parts = {"losses": make_losses, "batch_norm": make_batch_norm, "optimizers": make_optimizers}
    for name, make in parts.items():
        lines.append(f"#ifdef GOLDEN_{name.upper()}")
        make()
        lines.append("#endif\n")
    lines.append("#endif")
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
