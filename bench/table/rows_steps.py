"""Rows of whole training steps: Umbel, PyTorch and Keras by turns, each with its best setting."""
from . import store
from .peer import Peer

WORK = {
    'mnist-fashion': ('examples/mnist-fashion.yaml', 3.0, 60,
                      'examples/mnist-fashion.yaml: two streams, batch 64 each'),
    'resnet18': ('bench/resnet18.yaml', 2.5, 12, 'bench/resnet18.yaml: 64×64×3, batch 32'),
    'cifar128': ('bench/cifar128.yaml', 3.0, 12, 'bench/cifar128.yaml: batch 64'),
}
MODULES = {'PyTorch': 'pytorch_steps', 'Keras': 'keras_steps'}
WARM_UP = 3


class Turns:
    """One peer's measurements: every setting in the first round, then the best one."""

    def __init__(self, peer, steps):
        self.peer, self.steps, self.best, self.ms = peer, steps, None, []

    def take(self):
        settings = [self.best] if self.best else self.peer.hello['settings']
        ms = {}
        for setting in settings:
            times = self.peer.ask(setting=setting, steps=self.steps, warm_up=WARM_UP)['ms']
            ms[setting] = store.median(times)
        best = min(ms, key=ms.get)
        if self.best:
            self.ms.append(ms[best])
        self.best = best


def images_a_second(name, ms, images):
    rates = sorted(1e3 * images / t for t in ms)
    return f'{name} {store.median(rates):,.0f} ({rates[0]:,.0f}–{rates[-1]:,.0f})'


def by_turns(bench, net, steps, measure_ours):
    """Rounds of measure_ours() and of every peer's step; the peers' turns by name."""
    peers = {name: Peer(bench.python, module, net=net, threads=bench.threads)
             for name, module in MODULES.items()}
    turns = {name: Turns(peer, steps) for name, peer in peers.items()}
    try:
        for peer in turns.values():
            peer.take()
        for _ in range(bench.rounds):
            measure_ours()
            for peer in turns.values():
                peer.take()
    finally:
        for peer in peers.values():
            peer.__exit__()
    return turns


def step_line(what, target, bar, ours, turns):
    """How many times the fastest peer's step ours, a ms a round, is."""
    images = turns['PyTorch'].peer.hello['images_a_step']
    ratios = [min(times) / mine for mine, *times in zip(ours, *(t.ms for t in turns.values()))]
    figures = '; '.join([images_a_second('Umbel', ours, images),
                         *(images_a_second(name, t.ms, images) for name, t in turns.items())])
    return store.line(what, store.median(ratios), target, spread=store.spread(ratios), bar=bar,
                      figures=f'images/s: {figures}')


def versions(turns):
    return {name: turn.peer.hello['name'] for name, turn in turns.items()}


def settings_note(row, turns):
    settings = ', '.join(f'{name} {turn.best}' for name, turn in turns.items())
    return f'{row}: the faster of two settings of PyTorch and four of Keras: {settings}.'


def run(bench, row):
    experiment, target, steps, what = WORK[row]
    steps = max(4, steps // 4) if bench.short else steps
    ours = []
    turns = by_turns(bench, row, steps, lambda: ours.append(bench.umbel.step(experiment, steps)))
    ms = [result['step_ms']['median'] for result in ours]
    host_us = store.median(result['host_us'] for result in ours)
    return {'versions': versions(turns),
            'lines': [step_line(what, target, f'step {row}', ms, turns)],
            'notes': [f'{settings_note(row, turns)} '
                      f'The host spends {host_us:.0f} µs a step on enqueuing.']}
