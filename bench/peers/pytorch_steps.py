"""Whole training steps of the nets in bench/ by PyTorch, channels_last, on batches held in memory.

The images are random numbers, normalised already, so that a step is forward, backward and update
and nothing else. Two settings: Adam as it comes, and its fused kernel.
"""
import time

import torch
from torch import nn

import pytorch_mnist_fashion

HELD_BATCHES = 4
SETTINGS = {'Adam as it comes': {}, 'fused Adam': {'fused': True}}


class MnistFashion(pytorch_mnist_fashion.Net):
    images = {'digit': (1, 28, 28), 'garment': (1, 28, 28)}
    classes = {'digit': 10, 'garment': 10}
    batch = 64


class Cifar128(nn.Module):
    images = {'photos': (3, 32, 32)}
    classes = {'first': 10, 'second': 10}
    batch = 64

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 128, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2),
            nn.Conv2d(128, 128, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2),
            nn.Flatten(), nn.Linear(8 * 8 * 128, 1024), nn.ReLU())
        self.heads = nn.ModuleDict({task: nn.Linear(1024, n) for task, n in self.classes.items()})

    def forward(self, batches):
        features = self.trunk(batches['photos'])
        return {task: head(features) for task, head in self.heads.items()}


class SixteenHeads(nn.Module):
    images = {'digits': (1, 28, 28)}
    classes = {f'head{i + 1}': 10 for i in range(16)}
    batch = 64

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        self.heads = nn.ModuleDict({
            task: nn.Sequential(nn.Linear(1600, 64), nn.ReLU(), nn.Linear(64, n))
            for task, n in self.classes.items()})

    def forward(self, batches):
        features = self.trunk(batches['digits'])
        return {task: head(features) for task, head in self.heads.items()}


def convolution(inputs, outputs, size, stride):
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
                         nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(convolution(inputs, outputs, 3, stride), nn.ReLU(inplace=True),
                                  convolution(outputs, outputs, 3, 1))
        self.shortcut = (nn.Identity() if stride == 1 and inputs == outputs
                         else convolution(inputs, outputs, 1, stride))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.body(x) + self.shortcut(x))


class ResNet18(nn.Module):
    images = {'pictures': (3, 64, 64)}
    classes = {'shape': 4, 'colour': 6}
    batch = 32

    def __init__(self):
        super().__init__()
        layers = [convolution(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
        inputs = 64
        for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            layers += [Residual(inputs, outputs, stride), Residual(outputs, outputs, 1)]
            inputs = outputs
        self.trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.heads = nn.ModuleDict({task: nn.Linear(512, n) for task, n in self.classes.items()})

    def forward(self, batches):
        features = self.trunk(batches['pictures'])
        return {task: head(features) for task, head in self.heads.items()}


NETS = {'mnist-fashion': MnistFashion, 'resnet18': ResNet18, 'cifar128': Cifar128,
        'sixteen-heads': SixteenHeads}


class Peer:
    def __init__(self, net, threads):
        torch.set_num_threads(threads)
        torch.manual_seed(1)
        self.net = NETS[net]().to(memory_format=torch.channels_last)
        self.batches = [self.make_batch() for _ in range(HELD_BATCHES)]
        self.setting, self.done = None, 0

    def make_batch(self):
        n = self.net.batch
        images = {name: torch.randn(n, *shape).contiguous(memory_format=torch.channels_last)
                  for name, shape in self.net.images.items()}
        labels = {task: torch.randint(classes, (n,)) for task, classes in self.net.classes.items()}
        return images, labels

    def hello(self):
        return {'name': f'PyTorch {torch.__version__}', 'settings': list(SETTINGS),
                'images_a_step': self.net.batch * len(self.net.images)}

    def use(self, setting):
        if setting != self.setting:
            self.optimizer = torch.optim.Adam(self.net.parameters(), 1e-3, **SETTINGS[setting])
            self.setting = setting

    def step(self):
        images, labels = self.batches[self.done % HELD_BATCHES]
        answers = self.net(images)
        loss = sum(nn.functional.cross_entropy(answers[task], labels[task])
                   for task in labels) / len(labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.done += 1

    def measure(self, setting, steps, warm_up):
        self.use(setting)
        times_ms = []
        for _ in range(warm_up + steps):
            start = time.perf_counter()
            self.step()
            times_ms.append(1e3 * (time.perf_counter() - start))
        return {'ms': times_ms[warm_up:]}
