"""The matrix products of `umbel bench op dense`, by PyTorch (its BLAS is MKL) and by NumPy (OpenBLAS).

Each shape rows×inputs×units stands for the three products of a dense layer: forward y = x·W,
backward to the input dx = dy·Wᵀ, and to the weights dW = xᵀ·dy. The libraries take turns. Prints a
table on standard error and one JSON object: per shape and product the fastest and the median
seconds, and GFLOP/s of the fastest.
"""
import argparse
import json
import os
import statistics
import sys
import time

import numpy
import torch

SHAPES = ('256x256x256 512x512x512 1024x1024x1024 2048x2048x2048 128x1600x128 64x8192x1024 '
          '64x2048x1024 64x1024x10 15488x64x288')
PRODUCTS = 'forward', 'backward_data', 'backward_weights'
TURNS = 5


def torch_products(x, w, dy):
    x, w, dy = map(torch.from_numpy, (x, w, dy))
    y, dx, dw = torch.empty_like(dy), torch.empty_like(x), torch.empty_like(w)
    return (lambda: torch.mm(x, w, out=y), lambda: torch.mm(dy, w.t(), out=dx),
            lambda: torch.mm(x.t(), dy, out=dw))


def numpy_products(x, w, dy):
    y, dx, dw = numpy.empty_like(dy), numpy.empty_like(x), numpy.empty_like(w)
    return (lambda: numpy.matmul(x, w, out=y), lambda: numpy.matmul(dy, w.T, out=dx),
            lambda: numpy.matmul(x.T, dy, out=dw))


def times(product, seconds):
    """Of as many runs as fit into that long, behind one that warms up."""
    product()
    taken = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < 3:
        begin = time.perf_counter()
        product()
        taken.append(time.perf_counter() - begin)
    return taken


def measure(shape, seconds):
    rows, inputs, units = map(int, shape.split('x'))
    random = numpy.random.default_rng(1)
    operands = [random.standard_normal(extents, numpy.float32)
                for extents in ((rows, inputs), (inputs, units), (rows, units))]
    libraries = {'mkl': torch_products(*operands), 'openblas': numpy_products(*operands)}
    taken = {(name, i): [] for name in libraries for i in range(3)}
    for _ in range(TURNS):
        for i in range(3):
            for name, products in libraries.items():
                taken[name, i] += times(products[i], seconds / (6 * TURNS))
    flops = 2 * rows * inputs * units
    return {PRODUCTS[i]: {name: {'fastest_s': min(taken[name, i]),
                                 'median_s': statistics.median(taken[name, i]),
                                 'gflops': flops / min(taken[name, i]) * 1e-9}
                          for name in libraries} for i in range(3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--shapes', nargs='*', default=SHAPES.split(), metavar='ROWSxINPUTSxUNITS')
    parser.add_argument('--threads', type=int, default=os.cpu_count(),
                        help="PyTorch's; NumPy's are set by OPENBLAS_NUM_THREADS")
    parser.add_argument('--seconds', type=float, default=2.0, help='per shape')
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    result = {'torch': torch.__version__, 'numpy': numpy.__version__, 'shapes': {}}
    for shape in arguments.shapes:
        products = result['shapes'][shape] = measure(shape, arguments.seconds)
        for name, of in products.items():
            print(f"{shape:16} {name:16} MKL {of['mkl']['gflops']:6.1f}   "
                  f"OpenBLAS {of['openblas']['gflops']:6.1f} GFLOP/s", file=sys.stderr)
    print(json.dumps(result, indent=2))


if __name__ == '__main__':
    main()
