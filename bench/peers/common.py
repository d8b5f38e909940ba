"""What the PyTorch peers share: reading the data, walking an epoch, summing up seeds."""
import gzip
import pathlib

import numpy
import torch


def read_idx(path):
    """An idx file, gzip or plain, of unsigned bytes: images [N,H,W] or labels [N]."""
    path = pathlib.Path(path)
    raw = gzip.open(path).read() if path.suffix == '.gz' else path.read_bytes()
    dimensions = raw[3]
    shape = numpy.frombuffer(raw, '>u4', dimensions, 4)
    return numpy.frombuffer(raw, numpy.uint8, offset=4 + 4 * dimensions).reshape(shape)


def read_idx_pair(folder, kind, mean, std):
    """kind is 'train' or 't10k'; images come normalised as [N,1,H,W] floats."""
    images = read_idx(folder / f'{kind}-images-idx3-ubyte.gz').astype(numpy.float32) / 255
    labels = read_idx(folder / f'{kind}-labels-idx1-ubyte.gz').astype(numpy.int64)
    return torch.from_numpy((images[:, None] - mean) / std), torch.from_numpy(labels)


def read_cifar10(paths, mean, std):
    """CIFAR-10's binary format: a label byte, then 3072 bytes of planes R, G, B a record."""
    raw = numpy.concatenate([numpy.fromfile(path, numpy.uint8) for path in paths])
    records = raw.reshape(-1, 1 + 3 * 32 * 32)
    images = records[:, 1:].reshape(-1, 3, 32, 32).astype(numpy.float32) / 255
    shape = (1, 3, 1, 1)
    images = (images - numpy.float32(mean).reshape(shape)) / numpy.float32(std).reshape(shape)
    return torch.from_numpy(images), torch.from_numpy(records[:, 0].astype(numpy.int64))


def shuffled_batches(count, size, generator):
    """Every sample once, the last partial batch included."""
    return torch.randperm(count, generator=generator).split(size)


def mean(values):
    return sum(values) / len(values)
