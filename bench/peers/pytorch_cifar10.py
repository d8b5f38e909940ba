"""The net of examples/cifar10.yaml in PyTorch: ten classes, and animal or vehicle, on one stream.

Prints a JSON object with the test accuracies of every seed: after the last epoch, and the best.
"""
import argparse
import json
import pathlib
import sys

import torch
from torch import nn

import common

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
ANIMALS = torch.tensor([2, 3, 4, 5, 6, 7])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(),
            nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(),
            nn.AvgPool2d(8), nn.Flatten(),
            nn.Linear(4 * 4 * 128, 1024), nn.ReLU())
        self.kind = nn.Linear(1024, 10)
        self.animal = nn.Linear(1024, 1)

    def forward(self, images):
        features = self.trunk(images)
        return self.kind(features), self.animal(features).squeeze(1)


def animal_of(labels):
    return torch.isin(labels, ANIMALS).float()


def accuracies(net, images, labels):
    net.eval()
    with torch.no_grad():
        outputs = [net(batch) for batch in images.split(500)]
    net.train()
    kind = torch.cat([kind for kind, _ in outputs])
    animal = torch.cat([animal for _, animal in outputs])
    return {'kind': (kind.argmax(1) == labels).float().mean().item(),
            'animal': ((animal > 0).float() == animal_of(labels)).float().mean().item()}


def train(seed, train_set, test_set, args):
    """The test accuracies after each epoch."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    net = Net().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    images, labels = train_set
    epochs = []
    for epoch in range(1, args.epochs + 1):
        for rows in common.shuffled_batches(len(labels), args.batch, generator):
            kind, animal = net(images[rows].contiguous(memory_format=torch.channels_last))
            loss = (nn.functional.cross_entropy(kind, labels[rows]) +
                    nn.functional.binary_cross_entropy_with_logits(animal, animal_of(labels[rows])))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        epochs.append(accuracies(net, *test_set))
        print(f'seed {seed} epoch {epoch}: {epochs[-1]}', file=sys.stderr, flush=True)
    return epochs


def summary(runs):
    return {task: {'final': [run[-1][task] for run in runs],
                   'final_mean': common.mean([run[-1][task] for run in runs]),
                   'best': [max(epoch[task] for epoch in run) for run in runs],
                   'best_mean': common.mean([max(epoch[task] for epoch in run) for run in runs])}
            for task in ('kind', 'animal')}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', required=True, type=pathlib.Path,
                        help='a folder with data_batch_*.bin and test_batch.bin')
    parser.add_argument('--seeds', type=int, nargs='+', default=[1, 2, 3])
    parser.add_argument('--epochs', type=int, default=10)
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--threads', type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    train_set = common.read_cifar10(sorted(args.data.glob('data_batch_*.bin')), MEAN, STD)
    test_set = common.read_cifar10([args.data / 'test_batch.bin'], MEAN, STD)
    runs = [train(seed, train_set, test_set, args) for seed in args.seeds]
    print(json.dumps({'torch': torch.__version__, 'train': len(train_set[1]),
                      'test': len(test_set[1]), 'seeds': args.seeds, 'epochs': args.epochs,
                      'accuracy': summary(runs)}, indent=2))


if __name__ == '__main__':
    main()
