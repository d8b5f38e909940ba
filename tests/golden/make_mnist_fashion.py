#!/usr/bin/env python3
"""Writes what PyTorch computes for the net of examples/mnist-fashion.yaml: mnist_fashion.safetensors.

Usage: make_mnist_fashion.py DATA OUTPUT, with DATA the folder that holds mnist/ and fashion-mnist/.
Needs numpy and torch; made with torch 2.15. The file holds
  losses          [200,2]  each task's loss before each of 200 steps of Adam (rate 0.001), float32
  gradient.NAME   [m]      every k-th element of the gradient at the first step, in float64 arithmetic,
                           rounded once, k = ceil(n/2048)
  norm.NAME       [1]      the whole gradient's L2 norm
  exact.losses    [200,2]  as losses, in float64 arithmetic with 2 images of each set a step
Batch b of n is images n·b … n·b+n−1 of both sets, in file order. First parameters are Umbel's own for
seed 1, drawn here again from Philox4x32-10 (runtime/base/rng.h): U(−1/√fan_in, 1/√fan_in).
"""
import gzip
import json
import math
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

SEED, INIT, STEPS, BATCH, EXACT_BATCH, KEPT = 1, 1, 200, 64, 2, 2048
SETS = [("mnist", 0.1307, 0.3081), ("fashion-mnist", 0.2860, 0.3530)]
# Name, shape in files, fan-in; the order is that of the net's layers, which numbers the random streams.
PARAMETERS = [
    ("conv1.weight", (32, 1, 3, 3), 9), ("conv1.bias", (32,), 9),
    ("conv2.weight", (64, 32, 3, 3), 288), ("conv2.bias", (64,), 288),
    ("dense1.weight", (64, 1600), 1600), ("dense1.bias", (64,), 1600),
    ("dense2.weight", (10, 64), 64), ("dense2.bias", (10,), 64),
    ("dense3.weight", (64, 1600), 1600), ("dense3.bias", (64,), 1600),
    ("dense4.weight", (10, 64), 64), ("dense4.bias", (10,), 64),
]


def philox(counters, key):
    """Philox4x32-10 (Salmon et al., SC 2011) over counters [n,4]."""
    x = [counters[:, i].astype(np.uint64) for i in range(4)]
    k = [np.uint64(key[0]), np.uint64(key[1])]
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a, b = x[0] * np.uint64(0xD2511F53), x[2] * np.uint64(0xCD9E8D57)
        x = [(b >> np.uint64(32)) ^ x[1] ^ k[0], b & low, (a >> np.uint64(32)) ^ x[3] ^ k[1], a & low]
        k = [(k[0] + np.uint64(0x9E3779B9)) & low, (k[1] + np.uint64(0xBB67AE85)) & low]
    return np.stack(x, 1).astype(np.uint32)


def first_parameters():
    drawn = {}
    for stream, (name, shape, fan_in) in enumerate(PARAMETERS):
        n = math.prod(shape)
        counters = np.zeros(((n + 3) // 4, 4), np.uint64)
        counters[:, 0] = np.arange(len(counters))
        counters[:, 2], counters[:, 3] = stream, INIT
        words = philox(counters, (SEED, 0)).reshape(-1)[:n]
        unit = ((words >> 8) * np.float64(2.0 ** -24)).astype(np.float32).astype(np.float64)
        drawn[name] = ((2 * unit - 1) / math.sqrt(fan_in)).astype(np.float32).reshape(shape)
    return drawn


def read_idx(path, skip):
    with gzip.open(path, "rb") as f:
        return np.frombuffer(f.read(), np.uint8, offset=skip)


def load(folder):
    data = []
    for name, mean, std in SETS:
        count = STEPS * BATCH
        images = read_idx(f"{folder}/{name}/train-images-idx3-ubyte.gz", 16)[:count * 784]
        labels = read_idx(f"{folder}/{name}/train-labels-idx1-ubyte.gz", 8)[:count]
        x = (images.reshape(count, 1, 28, 28).astype(np.float64) / 255 - mean) / std
        data.append((torch.from_numpy(x), torch.from_numpy(labels.astype(np.int64))))
    return data


def step_losses(p, data, step, batch, dtype):
    rows = slice(step * batch, (step + 1) * batch)
    x = torch.cat([images[rows] for images, _ in data]).to(dtype)
    h = F.max_pool2d(F.relu(F.conv2d(x, p["conv1.weight"], p["conv1.bias"])), 2)
    h = F.max_pool2d(F.relu(F.conv2d(h, p["conv2.weight"], p["conv2.bias"])), 2).flatten(1)
    losses = []
    for task, (_, labels) in enumerate(data):
        a, b = f"dense{2 * task + 1}", f"dense{2 * task + 2}"
        z = F.relu(F.linear(h[task * batch:(task + 1) * batch], p[a + ".weight"], p[a + ".bias"]))
        losses.append(F.cross_entropy(F.linear(z, p[b + ".weight"], p[b + ".bias"]), labels[rows]))
    return losses


def parameters(dtype):
    return {name: torch.tensor(value, dtype=dtype, requires_grad=True) for name, value in first_parameters().items()}


def train(data, batch, dtype):
    """The losses before each step."""
    p = parameters(dtype)
    optimizer = torch.optim.Adam(list(p.values()), lr=1e-3)
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        pair = step_losses(p, data, step, batch, dtype)
        losses.append([loss.item() for loss in pair])
        (0.5 * pair[0] + 0.5 * pair[1]).backward()
        optimizer.step()
    return np.array(losses, np.float32)


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name in sorted(tensors):
        t = tensors[name]
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            f.write(np.ascontiguousarray(tensors[name], "<f4").tobytes())


def main():
    data = load(sys.argv[1])
    torch.manual_seed(0)
    out = {}

    p = parameters(torch.float64)
    (sum(step_losses(p, data, 0, BATCH, torch.float64)) * 0.5).backward()
    for name, value in p.items():
        g = value.grad.numpy().reshape(-1)
        out["gradient." + name] = g[::math.ceil(len(g) / KEPT)].astype(np.float32)
        out["norm." + name] = np.array([np.linalg.norm(g)], np.float32)

    out["losses"] = train(data, BATCH, torch.float32)
    out["exact.losses"] = train(data, EXACT_BATCH, torch.float64)
    write_safetensors(sys.argv[2], out)


if __name__ == "__main__":
    main()
