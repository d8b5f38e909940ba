#!/usr/bin/env python3
"""Writes tests/train/golden_cifar10_dense.h: what Keras computes for examples/cifar10-dense.yaml.

Usage: make_cifar10_dense.py OUTPUT.h; needs keras (made with 3.15.1 on torch, in float64) and numpy.
The file holds the probabilities of two made-up images for the first parameters of seed 1. Those are
drawn as files have them (make_mnist_fashion.py) and brought into Keras's order: filters from [K,C,R,S]
to [R,S,C,K], dense layers from [units,inputs] to [inputs,units], and behind Flatten the inputs from
C,H,W to H,W,C.
"""
import math
import os
import sys

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras  # noqa: E402

SEED, INIT = 1, 1
# Name, shape in files, fan-in; the order numbers the random streams.
PARAMETERS = [("conv.weight", (32, 3, 3, 3), 27), ("conv.bias", (32,), 27),
              ("wide.weight", (64, 32), 32), ("wide.bias", (64,), 32),
              ("last.weight", (10, 57600), 57600), ("last.bias", (10,), 57600)]


def philox(counters, key):
    """Philox4x32-10 (Salmon et al., SC 2011) over counters [n,4]."""
    low = np.uint64(0xFFFFFFFF)
    x = [counters[:, i].astype(np.uint64) for i in range(4)]
    k = [np.uint64(key[0]), np.uint64(key[1])]
    for _ in range(10):
        a, b = x[0] * np.uint64(0xD2511F53), x[2] * np.uint64(0xCD9E8D57)
        x = [(b >> np.uint64(32)) ^ x[1] ^ k[0], b & low, (a >> np.uint64(32)) ^ x[3] ^ k[1], a & low]
        k = [(k[0] + np.uint64(0x9E3779B9)) & low, (k[1] + np.uint64(0xBB67AE85)) & low]
    return np.stack(x, 1)


def first_parameters():
    drawn = {}
    for stream, (name, shape, fan_in) in enumerate(PARAMETERS):
        n = math.prod(shape)
        counters = np.zeros(((n + 3) // 4, 4), np.uint64)
        counters[:, 0] = np.arange(len(counters))
        counters[:, 2], counters[:, 3] = stream, INIT
        words = philox(counters, (SEED, 0)).reshape(-1)[:n]
        unit = (words >> np.uint64(8)) * 2.0 ** -24
        drawn[name] = ((2 * unit - 1) / math.sqrt(fan_in)).astype(np.float32).reshape(shape)
    return drawn


def images():
    """Two images of bytes, [2,32,32,3]; tests/train/test_keras_dense.c has the same formula."""
    i = np.arange(2 * 32 * 32 * 3)
    return (i * 37 + i // 96 * 11 + i // 3072 * 5) % 256


def main():
    keras.backend.set_floatx("float64")
    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(32, 3, activation="relu"),
                              keras.layers.Dense(64, activation="relu"), keras.layers.Flatten(),
                              keras.layers.Dense(10, activation="softmax")])
    p = first_parameters()
    last = p["last.weight"].reshape(10, 64, 30, 30).transpose(2, 3, 1, 0).reshape(57600, 10)
    model.set_weights([p["conv.weight"].transpose(2, 3, 1, 0), p["conv.bias"], p["wide.weight"].T,
                       p["wide.bias"], last, p["last.bias"]])
    y = np.asarray(model.predict(images().reshape(2, 32, 32, 3) / 255.0, verbose=0), np.float64)
    with open(sys.argv[1], "w") as f:
        f.write("/* Written by tests/golden/make_cifar10_dense.py: Keras's probabilities [2,10]. */\n")
        f.write("static const double keras_probability[2][10] = {\n")
        for row in y:
            numbers = [f"{v:.9f}" for v in row]
            f.write("    {" + ", ".join(numbers[:5]) + ",\n     " + ", ".join(numbers[5:]) + "},\n")
        f.write("};\n")


if __name__ == "__main__":
    main()
