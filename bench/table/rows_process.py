"""Rows of a whole process: the first step, memory, growth with the batch, cores."""
from . import store
from .ours import empty_caches
from .peer import Peer
from .rows_steps import MODULES, WARM_UP, WORK

MNIST = WORK['mnist-fashion'][0]
COLD_S, WARM_S = 4.0, 0.3
MEMORY_TARGET = 0.5
BATCHES = 16, 32, 64, 128, 256, 512
TRAFFIC_ADAM = 7 * 4  # bytes a parameter: reads it, its gradient, two moments; writes all but one
CORES_TARGET = 0.95   # of as many times faster as there are cores: 1.9 for two


# First step.


def first_steps(bench):
    """Seconds with empty caches, and with those caches filled."""
    cold, warm = [], []
    for _ in range(bench.rounds):
        folder, variables = empty_caches()
        with folder:
            cold.append(bench.umbel.run('bench', 'step', MNIST, '--steps', 1, **variables))
            warm += [bench.umbel.run('bench', 'step', MNIST, '--steps', 1, **variables)
                     for _ in range(2)]
    return cold, warm


def peer_first_step(bench, module):
    with Peer(bench.python, module, net='mnist-fashion', threads=bench.threads) as peer:
        peer.ask(setting=peer.hello['settings'][0], steps=1, warm_up=1)
        return peer.age_s(), peer.hello['name']


def run_first_step(bench):
    cold, warm = first_steps(bench)
    peers = {name: peer_first_step(bench, module) for name, module in MODULES.items()}
    others = ', '.join(f'{name} {seconds:.1f} s' for name, (seconds, _) in peers.items())
    lines = []
    for what, runs, target in (('every cache empty', cold, COLD_S), ('warm', warm, WARM_S)):
        seconds = [run['first_step_s'] for run in runs]
        lines.append(store.line(
            f'process start to the end of the first step, mnist-fashion, {what}',
            store.median(seconds), target, unit='s', sense='at most', figures=others,
            spread=store.spread(seconds)))
    return {'versions': {name: hello for name, (_, hello) in peers.items()}, 'lines': lines,
            'notes': ['first step: what PyTorch and Keras took beside it has two steps in it, and '
                      'no data to read.']}


# Memory.


def peer_memory(bench, net, steps):
    with Peer(bench.python, 'pytorch_steps', net=net, threads=bench.threads) as peer:
        peer.ask(setting=peer.hello['settings'][0], steps=steps, warm_up=WARM_UP)
        return peer.peak_rss_mib(), peer.hello['name']


def run_memory(bench):
    lines, versions = [], {}
    for net in ('mnist-fashion', 'resnet18'):
        experiment, _, steps, _ = WORK[net]
        ours = bench.umbel.step(experiment, max(steps // 4, 4))['peak_rss_mib']
        theirs, versions['PyTorch'] = peer_memory(bench, net, max(steps // 4, 4))
        lines.append(store.line(
            f'peak resident memory, {net}, of PyTorch\'s', ours / theirs, MEMORY_TARGET,
            sense='at most', figures=f'Umbel {ours:.0f}, PyTorch {theirs:.0f} MiB'))
    return {'versions': versions, 'lines': lines,
            'notes': ['memory: Umbel holds the data sets, PyTorch only four batches.']}


# Growth.


def fit_line(points):
    """a, b of y = a + b·x by least squares of relative errors: (x, y) weighted by 1/y²."""
    weights = [1 / y ** 2 for _, y in points]
    total = sum(weights)
    mean_x = sum(w * x for w, (x, _) in zip(weights, points)) / total
    mean_y = sum(w * y for w, (_, y) in zip(weights, points)) / total
    b = (sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, points)) /
         sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, points)))
    return mean_y - b * mean_x, b


def run_growth(bench):
    steps = {batch: max(4, 2560 // batch // (4 if bench.short else 1)) for batch in BATCHES}
    runs = {batch: [] for batch in BATCHES}
    for _ in range(bench.rounds):
        for batch in BATCHES:
            runs[batch].append(bench.umbel.step(MNIST, min(steps[batch], 60),
                                                [f'train.batch={batch}']))
    ms = {batch: min(run['step_ms']['median'] for run in runs[batch]) for batch in BATCHES}
    a, b = fit_line(list(ms.items()))
    copy_gbs = bench.umbel.peak()['gbs']
    optimizer_ms = TRAFFIC_ADAM * runs[64][0]['parameters'] / copy_gbs * 1e-6
    most = optimizer_ms + 0.1 * ms[64]
    figures = ', '.join(f'{batch}: {t:.2f}' for batch, t in ms.items())
    return {'versions': {}, 'lines': [store.line(
        'step = a + b·batch, mnist-fashion: a', a, round(most, 3), unit='ms', sense='at most',
        figures=f'b = {1e3 * b:.1f} µs an image of each stream; ms by batch: {figures}')],
        'notes': [f'growth: the least squares are of relative errors; the most a may be is the '
                  f'optimizer\'s {optimizer_ms:.2f} ms at {copy_gbs:.1f} GB/s and a tenth of the '
                  f'step of batch 64.']}


# Cores.


def run_cores(bench):
    if len(bench.cores) < 2:
        raise bench.Failed('cores: this machine has one')
    pair = bench.cores[:2]
    lines = []
    for net in ('mnist-fashion', 'resnet18'):
        experiment, _, steps, _ = WORK[net]
        ratios = []
        for _ in range(bench.rounds):
            ms = {}
            for n in (1, 2):
                cpus = ','.join(map(str, pair[:n]))
                result = bench.umbel.step(experiment, max(4, steps // 2),
                                          prefix=['taskset', '-c', cpus],
                                          POCL_MAX_PTHREAD_COUNT=str(n))
                ms[n] = result['step_ms']['median']
            ratios.append(ms[1] / ms[2])
        lines.append(store.line(f'2 cores against 1, {net}', store.median(ratios),
                                2 * CORES_TARGET, spread=store.spread(ratios)))
    return {'versions': {}, 'lines': lines, 'notes': []}
