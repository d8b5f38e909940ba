"""Steps of many tasks on one shared batch by PyTorch and TorchJD, for serve.py (keys tasks, threads).

The trunk of examples/mnist-fashion.yaml, heads dense 64 and dense 1, binary cross-entropy, Adam's
fused kernel. `sum` is the plain step: the losses' sum, backward, update. The others are autojac's:
mtl_backward from the losses to the flattened features, then jac_to_grad with an aggregator. By
hand, in an environment with PyTorch and TorchJD:

    echo '{"method": "mgda", "setting": "at once", "steps": 5, "warm_up": 1}' |
        python serve.py torchjd_steps tasks=8 threads=2
"""
import time
from importlib import metadata

import torch
from torch import nn
from torchjd import aggregation
from torchjd.autojac import jac_to_grad, mtl_backward

BATCH = 64
HELD_BATCHES = 4

# What the constructors want beside their defaults is what Umbel's defaults are.
AGGREGATORS = {
    'mgda': lambda tasks: aggregation.MGDA(),
    'pcgrad': lambda tasks: aggregation.PCGrad(),
    'cagrad': lambda tasks: aggregation.CAGrad(c=0.4),
    'imtl_g': lambda tasks: aggregation.IMTLG(),
    'nash': lambda tasks: aggregation.NashMTL(n_tasks=tasks),
    'aligned': lambda tasks: aggregation.AlignedMTL(),
    'upgrad': lambda tasks: aggregation.UPGrad(),
    'dualproj': lambda tasks: aggregation.DualProj(),
    'config': lambda tasks: aggregation.ConFIG()}

# How autojac differentiates the tasks: all by vmap, or one after another. Its Gramian in pieces
# (optimize_gramian_computation) took the same time, 8 tasks.
SETTINGS = {'at once': None, 'one by one': 1}


class Net(nn.Module):
    def __init__(self, tasks):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(1600, 64), nn.ReLU(), nn.Linear(64, 1)) for _ in range(tasks))

    def losses(self, features, labels):
        """labels: [tasks, BATCH]; a scalar a task."""
        return [nn.functional.binary_cross_entropy_with_logits(head(features)[:, 0], own)
                for head, own in zip(self.heads, labels)]


class Peer:
    def __init__(self, tasks, threads):
        torch.set_num_threads(threads)
        torch.manual_seed(1)
        self.net = Net(tasks).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.net.parameters(), 1e-3, fused=True)
        self.aggregators = {name: make(tasks) for name, make in AGGREGATORS.items()}
        self.batches = [
            (torch.randn(BATCH, 1, 28, 28).contiguous(memory_format=torch.channels_last),
             torch.randint(2, (tasks, BATCH)).float()) for _ in range(HELD_BATCHES)]
        self.done = 0

    def hello(self):
        version = metadata.version('torchjd')
        return {'name': f'TorchJD {version} on PyTorch {torch.__version__}',
                'settings': list(SETTINGS), 'methods': list(AGGREGATORS)}

    def differentiate(self, method, setting, images, labels):
        features = self.net.trunk(images)
        losses = self.net.losses(features, labels)
        if method == 'sum':
            sum(losses).backward()
            return
        mtl_backward(losses, features=features, parallel_chunk_size=SETTINGS[setting])
        jac_to_grad(self.net.trunk.parameters(), self.aggregators[method])

    def step(self, method, setting):
        images, labels = self.batches[self.done % HELD_BATCHES]
        self.optimizer.zero_grad()
        self.differentiate(method, setting, images, labels)
        self.optimizer.step()
        self.done += 1

    def measure(self, method, setting, steps, warm_up):
        times_ms = []
        for _ in range(warm_up + steps):
            start = time.perf_counter()
            self.step(method, setting)
            times_ms.append(1e3 * (time.perf_counter() - start))
        return {'ms': times_ms[warm_up:]}
