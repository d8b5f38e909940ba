"""Simulated steps beside measured ones, for bench/simulate and the row `simulator`.

Every net runs on 1, 2 and 4 queues, in rounds. `umbel bench step` times its schedule by the
device's clock and, by turns with that, the kernels alone, from which it simulates the same
schedule; of both the least disturbed tenth is compared. A quotient is the median over the rounds.
"""
import os
import resource
import statistics
import sys
import time

QUEUES = (1, 2, 4)
QUIET = 0.1  # processors that others keep busy; with more a run is tried again
MOST_ERROR = 0.1
# The whole batch of ResNet-18 takes most of a second a step: too few runs for a quiet one.
NETS = {  # title, experiment, timed steps, environment, overrides
    'mnist-fashion': ('mnist-fashion', 'examples/mnist-fashion.yaml', 100, {}, []),
    'small-batch': ('small batch, 4 unequal heads', 'bench/nets/small-batch.yaml', 200, {}, []),
    'sixteen-heads': ('16 equal heads', 'bench/nets/sixteen-heads.yaml', 100, {}, []),
    'unmerged': ('16 equal heads, launches not merged', 'bench/nets/sixteen-heads.yaml', 100,
                 {'UMBEL_MERGE': '0'}, []),
    'resnet18': ('ResNet-18, batch 16', 'examples/resnet18.yaml', 20, {}, ['train.batch=16']),
}


def run(umbel, net, command, *options):
    """What the program prints as JSON about a net."""
    _, file, _, environment, overrides = NETS[net]
    sets = [word for override in overrides for word in ('--set', override)]
    return umbel.run(*command, file, *options, *sets, **environment)


def processor_seconds():
    """Of the machine and of the programs that were run from here, so far."""
    with open('/proc/stat', encoding='ascii') as file:
        user, nice, system, _, _, irq, softirq, *_ = map(int, file.readline().split()[1:])
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ((user + nice + system + irq + softirq) / os.sysconf('SC_CLK_TCK'),
            ours.ru_utime + ours.ru_stime)


def measure_step(umbel, net, queues, short, most_tries):
    """What of some tries was disturbed least: processors that others kept busy, and the figures."""
    steps = max(5, NETS[net][2] // (8 if short else 1))
    tries = []
    while not tries or (min(tries)[0] > QUIET and len(tries) < most_tries):
        began, (all_before, ours_before) = time.monotonic(), processor_seconds()
        overlap = run(umbel, net, ('bench', 'step'), '--steps', steps, '--set',
                      f'train.queues={queues}')['overlap']
        all_after, ours_after = processor_seconds()
        others = (all_after - all_before - ours_after + ours_before) / (time.monotonic() - began)
        tries.append((max(0, others), len(tries), overlap['calm']))
    others, _, calm = min(tries)
    print(f'    {net}, {queues} queues: {calm["traced_ms"]:.3f} ms, simulated '
          f'{calm["simulated_ms"]:.3f}; others kept {others:.2f} processors busy',
          file=sys.stderr, flush=True)
    return {**calm, 'others': others}


def measure(umbel, net, rounds, tries, short):
    """A row for each number of queues, from rounds by turns over them."""
    calms = {queues: [] for queues in QUEUES}
    for _ in range(rounds):
        for queues in QUEUES:
            calms[queues].append(measure_step(umbel, net, queues, short, tries))
    rows = []
    for queues, found in calms.items():
        quotients = sorted(calm['simulated_ms'] / calm['traced_ms'] for calm in found)
        rows.append({'queues': queues, 'predicted': statistics.median(quotients),
                     'spread': [quotients[0], quotients[-1]],
                     'others': statistics.median(calm['others'] for calm in found),
                     'measured_ms': min(calm['traced_ms'] for calm in found)})
    return {'net': net, 'title': NETS[net][0], 'rows': rows}


def error(row):
    """How far the simulated step is from the measured one, of that."""
    return abs(row['predicted'] - 1)
