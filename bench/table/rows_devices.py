"""Row of several devices: half of the device alone, then both halves as two devices."""
from . import store

HALF, HALVES = '/2#0', '/2'
BOTH = 'data', 'heads'
NETS = {  # name: experiment, timed steps, train.parallel
    'mnist-fashion': ('examples/mnist-fashion.yaml', 100, BOTH),
    'cifar10': ('examples/cifar10.yaml', 20, BOTH[:1]),
    'ResNet-18 with four heads': ('bench/nets/resnet18-four-heads.yaml', 20, BOTH[:1]),
    '16 heads': ('bench/nets/sixteen-heads.yaml', 100, BOTH),
}


def step_ms(bench, selector, experiment, steps, sets=()):
    return bench.umbel.step(experiment, steps, sets, UMBEL_DEVICE=selector)['step_ms']['median']


def line_of(net, parallel, one, two):
    gains = [before / after for before, after in zip(one, two)]
    return store.line(f'two halves of the device against one, {net}, `{parallel}`',
                      store.median(gains), None, spread=store.spread(gains),
                      figures=f'{store.median(one):.2f} and {store.median(two):.2f} ms')


def run(bench):
    device = bench.umbel.device()
    if device.get('max_parts', 0) < 2:
        return {'versions': {}, 'lines': [],
                'notes': ['devices: the device is not cut into parts by its driver.']}
    lines = []
    for net, (experiment, steps, ways) in NETS.items():
        steps = max(20, steps // 4) if bench.short else steps
        one, two = [], {parallel: [] for parallel in ways}
        for _ in range(bench.rounds):
            one.append(step_ms(bench, device['selector'] + HALF, experiment, steps))
            for parallel, ms in two.items():
                ms.append(step_ms(bench, device['selector'] + HALVES, experiment, steps,
                                  [f'train.parallel={parallel}']))
        lines += [line_of(net, parallel, one, ms) for parallel, ms in two.items()]
    return {'versions': {}, 'notes': [], 'lines': lines}
