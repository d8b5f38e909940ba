"""Rows of balancers: a step with each beside the plain step, and beside TorchJD's.

The tasks share one batch of 64 digits of mnist, the trunk of examples/mnist-fashion.yaml, and have
a head each, dense 64 and dense 1, that says whether the digit is in a set of five. In another row
every task has a batch of its own. Each step is measured between two plain ones, whose mean it is
divided by; the ratio is the median of the rounds'.
"""
import json
import math
import pathlib
import random
import subprocess
import tempfile

from . import store
from .peer import Peer

GRAM = ('mgda', 'pcgrad', 'cagrad', 'imtl_g', 'nash', 'aligned', 'upgrad', 'dualproj', 'config',
        'gradvac', 'fairgrad', 'gradnorm')
ROWS_KEPT = 'db_mtl', 'moco', 'excessmtl', 'graddrop'
LOSSES = 'gls', 'uncertainty', 'dwa', 'stch', 'imtl_l', 'random'
GRAM_TARGETS = {2: 1.8, 8: 6.0, 40: 28.0}
LOSSES_TARGET, FAMO_TARGET, STREAMS_TARGET, PEER_TARGET = 1.02, 1.4, 1.10, 5.0
SELDOM_TARGETS = {'{cagrad: {every: 10}}': 3.8, '{cagrad: {gradient: representation}}': 1.3}
STEPS = {2: 100, 8: 50, 40: 15}
PEER_STEPS = {2: 20, 8: 8, 40: 1}  # of 40 tasks without one to warm up, but for the first of all
MOST_ROUNDS_OF_40 = 2
STREAMS = {2: None, 4: 4, 8: 8}  # tasks → streams of a generated net; None: examples/mnist-fashion
PLAIN = 'equal'

TRUNK = [{'conv': {'filters': 32, 'size': 3, 'activation': 'relu'}}, {'max_pool': {'size': 2}},
         {'conv': {'filters': 64, 'size': 3, 'activation': 'relu'}}, {'max_pool': {'size': 2}},
         {'flatten': {}}]
DIGITS = {'format': 'idx', 'path': 'mnist', 'normalize': {'mean': 0.1307, 'std': 0.3081}}


# Experiments: JSON is YAML too.


def head(units):
    return [{'dense': {'units': 64, 'activation': 'relu'}}, {'dense': {'units': units}}]


def experiment(name, data, tasks):
    return {'name': name, 'data': data, 'trunk': TRUNK, 'tasks': tasks,
            'train': {'epochs': 1, 'batch': 64, 'optimizer': {'adam': {'rate': 0.001}}, 'seed': 1}}


def shared_batch(n_tasks):
    draw, tasks = random.Random(n_tasks), {}
    for t in range(n_tasks):
        yes = sorted(draw.sample(range(10), 5))
        no = [digit for digit in range(10) if digit not in yes]
        tasks[f't{t}'] = {'head': head(1), 'loss': 'binary_cross_entropy',
                          'map': {'no': no, 'yes': yes}}
    return experiment(f'shared-{n_tasks}', {'digits': DIGITS}, tasks)


def streams(n_tasks):
    names = [f's{t}' for t in range(n_tasks)]
    return experiment(f'streams-{n_tasks}', {name: DIGITS for name in names},
                      {f't{name}': {'data': name, 'head': head(10), 'loss': 'cross_entropy'}
                       for name in names})


class Written:
    """An experiment in a file of its own, in a with statement."""

    def __init__(self, value):
        self.folder, self.value = tempfile.TemporaryDirectory(prefix='bench-balancers-'), value

    def __enter__(self):
        path = pathlib.Path(self.folder.name) / f'{self.value["name"]}.yaml'
        path.write_text(json.dumps(self.value))
        return path

    def __exit__(self, *_):
        self.folder.cleanup()


# Measuring.


def named(balancer):
    """{cagrad: {every: 10}} as a table has it."""
    return balancer.strip('{}').replace(': {', ', ') if balancer.startswith('{') else balancer


class Ours:
    """The steps of an experiment, and how many plain ones they take, round by round."""

    def __init__(self, bench, path, steps, figure='median'):
        self.bench, self.path, self.steps, self.figure = bench, path, steps, figure
        self.plain, self.ms, self.ratios = [], {}, {}

    def step(self, balancer):
        # Rules that divide by the losses diverge on batches that are learned by heart, so that the
        # loss need not fall: it must be a number.
        result = self.bench.umbel.run('bench', 'step', self.path, '--steps', self.steps, '--set',
                                      f'train.balancer={balancer}')
        if result['loss']['last'] is None or not math.isfinite(result['loss']['last']):
            raise self.bench.Failed(f'{self.path}: {balancer}: the loss is {result["loss"]}')
        return result['step_ms'][self.figure]

    def take(self, balancers):
        """A round: plain, a balancer, plain, the next one …"""
        before = self.step(PLAIN)
        for balancer in balancers:
            ms, after = self.step(balancer), self.step(PLAIN)
            self.ms.setdefault(balancer, []).append(ms)
            self.ratios.setdefault(balancer, []).append(2 * ms / (before + after))
            self.plain.append(after)
            before = after

    def line(self, balancer, what, target):
        ratios = self.ratios[balancer]
        return store.line(
            f'{what}: {named(balancer)}', store.median(ratios), target, sense='at most',
            spread=store.spread(ratios), figures=f'{store.median(self.ms[balancer]):.2f} ms; plain '
            f'{store.median(self.plain):.2f}')


class Theirs:
    """TorchJD's steps, in each of its settings; the first is that without options."""

    def __init__(self, peer, steps):
        self.peer, self.steps = peer, steps
        self.ms = {(method, setting): [] for method in peer.hello['methods']
                   for setting in peer.hello['settings']}
        self.plain = []
        for setting in peer.hello['settings']:
            self.ask(peer.hello['methods'][0], setting)

    def ask(self, method, setting):
        return store.median(self.peer.ask(method=method, setting=setting, steps=self.steps,
                                          warm_up=int(self.steps > 1))['ms'])

    def take(self):
        self.plain.append(store.median(self.peer.ask(
            method='sum', setting=self.peer.hello['settings'][0], steps=20, warm_up=2)['ms']))
        for key, found in self.ms.items():
            found.append(self.ask(*key))

    def line(self, ours, method, setting, what):
        theirs = self.ms[method, setting]
        ratios = [their / mine for their, mine in zip(theirs, ours.ms[method])]
        ms, plain = store.median(theirs), store.median(self.plain)
        return store.line(
            f"{what}: {method}, TorchJD's step {setting} ÷ Umbel's", store.median(ratios),
            PEER_TARGET, spread=store.spread(ratios),
            figures=f'TorchJD {ms:.1f} ms, {ms / plain:.1f}× of its plain step of {plain:.1f}')


def check_peer(bench):
    found = subprocess.run([bench.python, '-c', 'import torchjd, quadprog, qpsolvers, cvxpy, ecos'],
                           capture_output=True)
    if found.returncode:
        raise bench.Failed("the peers' environment lacks TorchJD or its solvers; "
                           'bench/README.md says what to install')


def steps_of(bench, n_tasks):
    return max(5, STEPS[n_tasks] // 4) if bench.short else STEPS[n_tasks]


def kept(bench, n_tasks):
    return min(bench.rounds, MOST_ROUNDS_OF_40) if n_tasks == 40 else bench.rounds


# One shared batch.


def run_gram(bench, n_tasks):
    """Rules of gradients that TorchJD has too, in turn with it."""
    check_peer(bench)
    what = f'{n_tasks} tasks on one batch'
    with Written(shared_batch(n_tasks)) as path, Peer(
            bench.python, 'torchjd_steps', tasks=n_tasks, threads=bench.threads) as peer:
        ours, theirs = Ours(bench, path, steps_of(bench, n_tasks)), Theirs(peer, PEER_STEPS[n_tasks])
        common = [name for name in GRAM if name in peer.hello['methods']]
        for _ in range(kept(bench, n_tasks)):
            ours.take(common)
            theirs.take()
        lines = [ours.line(name, what, GRAM_TARGETS[n_tasks]) for name in common]
        lines += [theirs.line(ours, name, setting, what)
                  for setting in peer.hello['settings'] for name in common]
        return {'versions': {'TorchJD': peer.hello['name']}, 'lines': lines,
                'notes': [f'{what}: TorchJD differentiates all tasks at once (by vmap, as it comes) '
                          f'or one by one (parallel_chunk_size=1); its Adam is the fused one.']}


def run_kept(bench, n_tasks, balancers, target):
    what = f'{n_tasks} tasks on one batch'
    with Written(shared_batch(n_tasks)) as path:
        ours = Ours(bench, path, steps_of(bench, n_tasks))
        for _ in range(kept(bench, n_tasks)):
            ours.take(balancers)
    return [ours.line(name, what, target) for name in balancers]


def run_seldom(bench, n_tasks=40):
    """What looks at gradients seldom, or at the representation: by the mean step."""
    what = f'{n_tasks} tasks on one batch, mean step'
    with Written(shared_batch(n_tasks)) as path:
        # turns of ten steps each, so that as many steps compare gradients as in training
        ours = Ours(bench, path, 200, 'mean')
        for _ in range(kept(bench, n_tasks)):
            ours.take(SELDOM_TARGETS)
    return [ours.line(name, what, target) for name, target in SELDOM_TARGETS.items()]


def run_more(bench):
    """Rules of gradients that TorchJD lacks, rows that are kept, and what is looked at seldom."""
    lines = []
    for n_tasks, target in GRAM_TARGETS.items():
        lines += run_kept(bench, n_tasks, GRAM[9:], target)
        lines += run_kept(bench, n_tasks, ROWS_KEPT, None)
    lines += run_seldom(bench)
    return {'versions': {}, 'lines': lines, 'notes': []}


# Losses.


def run_losses(bench):
    lines = []
    for n_tasks in (2, 8):
        with Written(shared_batch(n_tasks)) as path:
            ours = Ours(bench, path, 4 * steps_of(bench, n_tasks))
            for _ in range(bench.rounds):
                ours.take((*LOSSES, 'famo'))
        lines += [ours.line(name, f'{n_tasks} tasks on one batch',
                            FAMO_TARGET if name == 'famo' else LOSSES_TARGET)
                  for name in (*LOSSES, 'famo')]
    return {'versions': {}, 'lines': lines, 'notes': []}


# A batch for every task.


def run_streams(bench):
    lines = []
    for n_tasks, generated in STREAMS.items():
        with Written(streams(n_tasks)) as path:
            ours = Ours(bench, path if generated else 'examples/mnist-fashion.yaml',
                        steps_of(bench, 8))
            for _ in range(bench.rounds):
                ours.take(['cagrad'])
        lines.append(ours.line('cagrad', f'{n_tasks} tasks with a batch each', STREAMS_TARGET))
    return {'versions': {}, 'lines': lines, 'notes': []}
