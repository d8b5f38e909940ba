#!/usr/bin/env python3
"""Writes tests/unit/golden_balancers.h: what TorchJD and LibMTL make of given gradients and losses.

Usage: make_balancers.py OUTPUT.h; needs numpy, torch, TorchJD with all its solvers (cvxpy, clarabel, ecos, scipy,
quadprog, qpsolvers) and LibMTL. The committed file was written by TorchJD 0.18.0, LibMTL 1.1.5 and PyTorch 2.15 (CPU),
in float64.

Numbers are weights of the sum of gradients, or the direction itself, in Umbel's scale. Where a library's differs the
script converts, and says so where it does:
  TorchJD's means (cagrad, imtl_g, aligned, upgrad, dualproj, excessmtl) times T, and cagrad over 1+c².
  TorchJD's nash solves its equations for G, Umbel's for G over its Frobenius norm: times the root of that norm.
Where a library computes something else it is left out, or compared as far as it goes:
  LibMTL's gradnorm learns through a softmax, and takes the mean of the first epoch for the first loss.
  LibMTL's uncertainty begins at s = −0.5; here it is set to 0.
  LibMTL's gls and dwa return weights for logs; the gls ones are no gradient, so its direction is taken.
  LibMTL's gradvac moves its targets only where it corrects: one step from targets of 0 is compared.
  LibMTL's cagrad knows three tasks only, and takes 1/3 for the mean; mgda stops at steps of 1e-5 and may be far
    away: of two tasks it is exact, but adds up the scaled gradients, so its weights are compared and not its direction.
  TorchJD's excessmtl takes the first step's excess as it is; after one step of warm-up it divides as the paper does.
  TorchJD's mgda is plain Frank–Wolfe, and its nash stops at residuals of 1e-3: compared with that in mind, as
    are the solvers of its cagrad and fairgrad.
Random orders are Umbel's own, computed here from Philox and put in place of the libraries'.
"""
import importlib.util
import random
import sys
import types

import numpy as np
import torch
import torchjd.aggregation as jd
import torchjd.scalarization as sc

from make_mnist_fashion import philox

SEED, BALANCER, P = 77, 6, 12
torch.set_default_dtype(torch.float64)

# LibMTL's own __init__ wants torchvision, which no rule needs.
package = types.ModuleType("LibMTL")
package.__path__ = list(importlib.util.find_spec("LibMTL").submodule_search_locations)
sys.modules["LibMTL"] = package
import LibMTL.weighting as lib  # noqa: E402

lines, cases, names = [], [], {}


def array(name, t):
    texts = ["NAN" if v != v else f"{v:.17g}" for v in torch.as_tensor(t).flatten().tolist()]
    if tuple(texts) in names:
        return names[tuple(texts)]
    names[tuple(texts)] = name
    body, line = [], "   "
    for text in texts:
        if len(line) + len(text) + 2 > 98:
            body.append(line)
            line = "   "
        line += f" {text},"
    lines.append(f"static const double {name}[] = {{")
    lines.extend(body + [line[:-1] + "};"])
    return name


def case(source, name, options, g, loss, expected, tolerance, after=None):
    """g [S,T,P], loss and after [S,T]; expected [S,T] weights or [S,P] directions, NaN: not compared."""
    tag = f"case{len(cases)}"
    kind = "true" if expected.shape[1] == g.shape[2] else "false"
    pointers = [array(f"{tag}_{what}", t) for what, t in
                (("g", g), ("loss", loss), ("expected", expected))]
    after = array(f"{tag}_after", after) if after is not None else "NULL"
    cases.append(f'    {{"{source}", "{name}", "{options}", {g.shape[0]}, {g.shape[1]}, {kind}, {tolerance}, '
                 f"{', '.join(pointers)}, {after}}},")


def gradients(steps, n, common):
    """Float32's numbers, of lengths that differ."""
    length = torch.exp(0.5 * torch.randn(steps, n, 1))
    g = length * (common * torch.randn(steps, 1, P) + torch.randn(steps, n, P))
    return g.float().double(), (0.1 + 2.9 * torch.rand(steps, n)).float().double()


# Umbel's orders.

class Order:
    """The order in which pcgrad and gradvac look at the other tasks, task after task of one step."""

    def __init__(self, n, step=1):
        self.n, self.step, self.task = n, step, -1

    def words(self, stream):
        counters = np.zeros((self.n + 4, 4), np.uint64)
        counters[:, 0] = np.arange(len(counters))
        counters[:, 2], counters[:, 3] = stream, BALANCER
        return philox(counters, (SEED, 0)).reshape(-1).tolist()

    def next(self):
        self.task += 1
        words, index = iter(self.words(self.step * 64 + self.task)), list(range(self.n))
        for i in range(self.n, 1, -1):
            while True:
                product = next(words) * i
                if (product & 0xFFFFFFFF) >= (1 << 32) % i:
                    break
            j = product >> 32
            index[i - 1], index[j] = index[j], index[i - 1]
        return index

    def permutation(self, n, **_):
        order = self.next()
        if n < self.n:  # positions among those that are not the task itself
            order = [j - (j > self.task) for j in order if j != self.task]
        return torch.tensor(order)

    def shuffle(self, tasks):
        order = self.next()
        tasks.sort(key=order.index)


def in_order(n, step, call):
    order, keep = Order(n, step), (torch.randperm, random.shuffle)
    torch.randperm, random.shuffle = order.permutation, order.shuffle
    try:
        return call()
    finally:
        torch.randperm, random.shuffle = keep


# TorchJD.

def jd_rows(steps, make, weights, scale=1.0):
    """A rule's weights step by step, from gradients or their Gram matrix."""
    rule = make()
    out = []
    for g in steps:
        out.append(weights(rule, g) * scale)
    return torch.stack(out)


def by_gram(rule, g):
    return rule.gramian_weighting(g @ g.T)


def by_matrix(rule, g):
    return rule(g)


def torchjd_gradients():
    for n, common in ((2, -0.5), (3, 0.5), (5, -0.3), (8, 0.7)):
        g, loss = gradients(1, n, common)
        c = 0.4
        for name, make, scale, tolerance in (
                ("imtl_g", jd.IMTLG, n, 1e-9),
                ("aligned", jd.AlignedMTL, n, 1e-9),
                ("upgrad", jd.UPGrad, n, 1e-7),
                ("dualproj", jd.DualProj, n, 1e-7),
                ("cagrad", lambda: jd.CAGrad(c=c, norm_eps=1e-9), n / (1 + c * c), 1e-3),
                ("fairgrad", lambda: jd.FairGrad(alpha=2.0), 1, 1e-5),
                ("mgda", lambda: jd.MGDA(epsilon=1e-12, max_iters=200000), 1, 1e-4)):
            case("TorchJD", name, "", g, loss, jd_rows(g, make, by_gram, scale), tolerance)
        case("TorchJD", "config", "", g, loss, jd_rows(g, jd.ConFIG, by_matrix), 1e-9)
        nash = jd_rows(g, lambda: jd.NashMTL(n, max_norm=0.0, optim_niter=200),
                       lambda rule, m: rule.weighting(m) * torch.linalg.norm(m @ m.T).sqrt())
        case("TorchJD", "nash", "", g, loss, nash, 3e-3)
        case("TorchJD", "pcgrad", "", g, loss,
             in_order(n, 1, lambda: jd_rows(g, jd.PCGrad, by_gram)), 1e-12)


def torchjd_states():
    n = 4
    g, loss = gradients(4, n, -0.4)
    vac, out = jd.GradVac(beta=0.5), []
    for step in range(4):
        out.append(in_order(n, step + 1, lambda m=g[step]: by_gram(vac, m)))
    case("TorchJD", "gradvac", "beta=0.5", g, loss, torch.stack(out), 1e-7)
    excess = jd_rows(g, lambda: jd.ExcessMTL(robust_step_size=0.3, n_warmup_steps=1),
                     lambda rule, m: rule.weighting(m), n)
    case("TorchJD", "excessmtl", "rate=0.3", g, loss, excess, 1e-6)


def slopes(rule, loss):
    values = loss.clone().requires_grad_()
    return torch.autograd.grad(rule(values), values)[0]


def torchjd_losses():
    n, steps = 5, 6
    g, loss = gradients(steps, n, 0.0)
    case("TorchJD", "gls", "", g, loss,
         torch.stack([slopes(sc.GeometricMean(), v) for v in loss]), 1e-12)
    dwa, out = sc.DWA(temperature=2.0), []
    for v in loss:
        out.append(slopes(dwa, v))
        dwa.step()
    case("TorchJD", "dwa", "", g, loss, torch.stack(out), 1e-12)
    for name, rule, parameter in (("uncertainty", sc.UW(n), "log_var"), ("imtl_l", sc.IMTLL(n), "log_scale")):
        optimizer, out = torch.optim.Adam([getattr(rule, parameter)], lr=0.05), []
        for v in loss:
            out.append(slopes(rule, v))
            optimizer.zero_grad()
            rule(v).backward()
            optimizer.step()
        case("TorchJD", name, "rate=0.05", g, loss, torch.stack(out).detach(), 1e-9)
    after = (loss * (0.8 + 0.3 * torch.rand(steps, n))).float().double()
    famo, out = sc.FAMO(n), []
    for v, w in zip(loss, after):
        out.append(slopes(famo, v))
        famo.update(w)
    case("TorchJD", "famo", "", g, loss, torch.stack(out), 1e-6, after)
    # Its values are ours in logs over the nadir's estimate, here the first losses; times T.
    stch = sc.STCH(mu=0.5, weights=torch.ones(n))
    out = [torch.full((n,), float("nan"))]
    out += [n * slopes(lambda v: stch(torch.log(v / loss[0])), v) for v in loss[1:]]
    case("TorchJD", "stch", "mu=0.5 warmup=0", g, loss, torch.stack(out), 1e-12)


def torchjd_graddrop():
    """Its draws are written beside its directions; the expected rows are the latter."""
    g, _ = gradients(3, 5, 0.2)
    u, keep = torch.rand(3, P), torch.rand
    out = []
    for step in range(3):
        torch.rand = lambda *a, s=step, **k: u[s]
        out.append(jd.GradDrop()(g[step]))
    torch.rand = keep
    for name, value in (("g", g), ("u", u), ("expected", torch.stack(out))):
        array(f"golden_drop_{name}", value)


# LibMTL: a model of linear losses, whose gradients are the rows of g.

def library(rule, g, loss, **options):
    """The direction that it leaves in the parameters' gradient, and the weights that it returns."""
    class Model(rule):
        def get_share_params(self):
            return [self.theta]

        def zero_grad_share_params(self):
            self.theta.grad = torch.zeros(P)

    m = Model()
    m.theta = torch.nn.Parameter(torch.zeros(P))
    m.device, m.task_num, m.rep_grad, m.epoch = torch.device("cpu"), len(g), False, 0
    m.init_param()
    for key in ("loss_scale", "train_loss_buffer", "epoch"):
        if key in options:
            value = options.pop(key)
            m.__dict__[key] = value
            if key in m._parameters:
                m._parameters[key].data = value
                del m.__dict__[key]
    weights = m.backward(g @ m.theta + loss, **options)
    return m.theta.grad.clone(), torch.as_tensor(weights)


def libmtl():
    for n, common in ((2, -0.5), (3, 0.5), (3, -0.3)):
        g, loss = gradients(1, n, common)

        def add(name, options, rule, tolerance, scale=1.0, **keys):
            case("LibMTL", name, options, g, loss,
                 library(rule, g[0], loss[0], **keys)[0][None] * scale, tolerance)

        in_order(n, 1, lambda: add("pcgrad", "", lib.PCGrad, 1e-9))
        in_order(n, 1, lambda: add("gradvac", "beta=0.5", lib.GradVac, 1e-9, beta=0.5))
        add("imtl_g", "", lib.IMTL, 1e-9, scale=n)  # its weights have the sum 1
        add("gls", "", lib.GLS, 1e-9)
        add("uncertainty", "", lib.UW, 1e-9, loss_scale=torch.zeros(n))
        if n == 2:
            add("mgda", "", lib.MGDA, 1e-9, mgda_gn="none")
            weights = library(lib.MGDA, g[0], loss[0], mgda_gn="loss+")[1][None]
            case("LibMTL", "mgda", "scale=loss_norm", g, loss, weights, 1e-9)
        if n == 3:  # the mean of gradients, not their sum
            add("cagrad", "c=0.5", lib.CAGrad, 1e-3, scale=3, calpha=0.5, rescale=1)
    g, loss = gradients(3, 4, 0.0)
    buffer = loss.T.numpy()
    out = [library(lib.DWA, g[i], loss[i], T=2.0, epoch=i, train_loss_buffer=buffer)[0]
           for i in range(3)]
    case("LibMTL", "dwa", "", g, loss, torch.stack(out), 1e-6)


def main():
    torch.manual_seed(7)
    lines.append("/* golden_balancers.h: written by tests/golden/make_balancers.py; do not edit. */")
    lines.append("#ifndef GOLDEN_BALANCERS_H\n#define GOLDEN_BALANCERS_H\n")
    lines.append("#include <math.h>\n#include <stdbool.h>\n#include <stddef.h>\n")
    lines.append(f"#define GOLDEN_SEED {SEED}\n#define GOLDEN_PARAMS {P}\n")
    for make in (torchjd_gradients, torchjd_states, torchjd_losses, torchjd_graddrop, libmtl):
        make()
    lines.append("""
struct golden_balancer {
    const char *library, *name, *options;
    int n_steps, n_tasks;
    bool directions;        /* expected are [S,GOLDEN_PARAMS]; else weights [S,T] */
    double tolerance;       /* of the largest number */
    const double *g, *loss; /* [S,T,GOLDEN_PARAMS], [S,T] */
    const double *expected; /* NAN: not compared */
    const double *after;    /* [S,T] losses after the step, or NULL */
};
static const struct golden_balancer golden_balancers[] = {""")
    lines.extend(cases + ["};\n", "#endif"])
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
