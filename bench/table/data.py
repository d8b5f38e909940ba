"""Data for the benchmarks: what UMBEL_DATA holds, or random images in the same formats."""
import os
import pathlib
import random
import struct

SAMPLES = 4096
PARTS = (('train', SAMPLES), ('t10k', SAMPLES // 4))


def write_idx(path, extents, content):
    header = struct.pack(f'>BBBB{len(extents)}I', 0, 0, 8, len(extents), *extents)
    path.write_bytes(header + content)


def write_mnist(folder, draw):
    folder.mkdir(parents=True, exist_ok=True)
    for part, n in PARTS:
        write_idx(folder / f'{part}-images-idx3-ubyte', (n, 28, 28), draw.randbytes(n * 28 * 28))
        write_idx(folder / f'{part}-labels-idx1-ubyte', (n,),
                  bytes(draw.randrange(10) for _ in range(n)))


def write_cifar10(folder, draw):
    folder.mkdir(parents=True, exist_ok=True)
    for name, n in (('data_batch_1.bin', SAMPLES), ('test_batch.bin', SAMPLES // 4)):
        (folder / name).write_bytes(b''.join(
            bytes([draw.randrange(10)]) + draw.randbytes(3 * 32 * 32) for _ in range(n)))


WRITERS = {'mnist': write_mnist, 'fashion-mnist': write_mnist, 'cifar10': write_cifar10}


def folder(generated):
    """Where the data sets are, and what to say of them; those generated go to that folder."""
    own = os.environ.get('UMBEL_DATA')
    if own and all((pathlib.Path(own) / name).is_dir() for name in WRITERS):
        return own, 'MNIST, Fashion-MNIST and CIFAR-10'
    draw = random.Random(1)
    for name, write in WRITERS.items():
        if not (generated / name).is_dir():
            write(generated / name, draw)
    return str(generated), f'random images in the formats of MNIST and CIFAR-10, {SAMPLES} a set'
