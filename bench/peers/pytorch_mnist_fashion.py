"""The net of examples/mnist-fashion.yaml in PyTorch: two streams, one trunk, two heads.

A step takes 64 images of each stream through the trunk as one batch of 128. Without --time it
trains and prints the test accuracies of every seed as JSON; with --time it prints the median and
least time of a whole training step on data held in memory.
"""
import argparse
import json
import pathlib
import statistics
import sys
import time

import torch
from torch import nn

import common

STREAMS = {'digit': ('mnist', 0.1307, 0.3081), 'garment': ('fashion-mnist', 0.2860, 0.3530)}
WEIGHT = 0.5
WARM_UP_STEPS = 20


def head():
    return nn.Sequential(nn.Linear(1600, 64), nn.ReLU(), nn.Linear(64, 10))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        self.heads = nn.ModuleDict({task: head() for task in STREAMS})

    def forward(self, batches):
        """batches: a task's name → its images; the answer has the same keys."""
        joined = torch.cat(list(batches.values())).contiguous(memory_format=torch.channels_last)
        rows = self.trunk(joined).split([len(batch) for batch in batches.values()])
        return {task: self.heads[task](part) for task, part in zip(batches, rows)}


class Trainer:
    def __init__(self, seed, data):
        torch.manual_seed(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.data = data
        self.net = Net().to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-3)

    def epoch(self, batch):
        """The row numbers of each step of an epoch, one tensor a task."""
        walks = [common.shuffled_batches(len(labels), batch, self.generator)
                 for _, labels in self.data.values()]
        return [dict(zip(self.data, rows)) for rows in zip(*walks)]

    def step(self, rows):
        answers = self.net({task: self.data[task][0][rows[task]] for task in rows})
        loss = sum(WEIGHT * nn.functional.cross_entropy(answers[task],
                                                        self.data[task][1][rows[task]])
                   for task in rows)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def accuracy(self, task, images, labels):
        with torch.no_grad():
            answers = [self.net({task: batch})[task] for batch in images.split(1000)]
        return (torch.cat(answers).argmax(1) == labels).float().mean().item()


def accuracy_mode(train_set, test_set, args):
    finals = {task: [] for task in STREAMS}
    for seed in args.seeds:
        trainer = Trainer(seed, train_set)
        for epoch in range(1, args.epochs + 1):
            for rows in trainer.epoch(args.batch):
                trainer.step(rows)
            now = {task: trainer.accuracy(task, *test_set[task]) for task in STREAMS}
            print(f'seed {seed} epoch {epoch}: {now}', file=sys.stderr, flush=True)
        for task in STREAMS:
            finals[task].append(now[task])
    return {'seeds': args.seeds, 'epochs': args.epochs,
            'accuracy': {task: {'final': values, 'final_mean': common.mean(values)}
                         for task, values in finals.items()}}


def time_mode(train_set, args):
    trainer = Trainer(args.seeds[0], train_set)
    times_ms = []
    for rows in trainer.epoch(args.batch)[:WARM_UP_STEPS + args.steps]:
        start = time.perf_counter()
        trainer.step(rows)
        times_ms.append(1000 * (time.perf_counter() - start))
    times_ms = times_ms[WARM_UP_STEPS:]
    return {'threads': args.threads, 'batch': 2 * args.batch, 'steps': len(times_ms),
            'step_ms': {'median': statistics.median(times_ms), 'min': min(times_ms)}}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', required=True, type=pathlib.Path,
                        help='a folder that holds mnist/ and fashion-mnist/')
    parser.add_argument('--time', action='store_true', help='time steps instead of training')
    parser.add_argument('--steps', type=int, default=200, help='steps to time')
    parser.add_argument('--seeds', type=int, nargs='+', default=[1, 2, 3])
    parser.add_argument('--epochs', type=int, default=5)
    parser.add_argument('--batch', type=int, default=64, help='images of each stream')
    parser.add_argument('--threads', type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sets = {kind: {task: common.read_idx_pair(args.data / folder, kind, mean, std)
                   for task, (folder, mean, std) in STREAMS.items()} for kind in ('train', 't10k')}
    result = (time_mode(sets['train'], args) if args.time
              else accuracy_mode(sets['train'], sets['t10k'], args))
    print(json.dumps({'torch': torch.__version__, **result}, indent=2))


if __name__ == '__main__':
    main()
