"""Rows of the scheduler: how near a step comes to its bound, queues, planning, the simulator."""
import pathlib
import re
import subprocess

from . import simulated, store

# Bound, and the host.
BOUND_TARGET = 0.95
HOST_TARGET = 0.05
BOUNDED = {  # net: experiment, timed steps, whether the host's time has a target
    'mnist-fashion': ('examples/mnist-fashion.yaml', 200, True),
    'ResNet-18 with four heads': ('bench/nets/resnet18-four-heads.yaml', 20, False),
    '16 heads': ('bench/nets/sixteen-heads.yaml', 200, True),
}


def bound_line(net, results):
    steps = [result['overlap'] for result in results]
    ratios = [step['bound_ms'] / step['makespan_ms'] for step in steps]
    return store.line(
        f'bound ÷ makespan, {net}', store.median(ratios), BOUND_TARGET, unit='',
        spread=store.spread(ratios),
        figures=f'bound {store.median(step["bound_ms"] for step in steps):.2f}, makespan '
                f'{store.median(step["makespan_ms"] for step in steps):.2f} ms; '
                f'{steps[0]["queues"]} queues')


def host_line(net, results):
    shares = [100 * result['host_us'] / (1e3 * result['step_ms']['median']) for result in results]
    return store.line(
        f'host time in a step, {net}', store.median(shares), 100 * HOST_TARGET, unit='%',
        sense='at most', spread=store.spread(shares),
        figures=f'{store.median(result["host_us"] for result in results):.0f} µs of the thread '
                f'that enqueues')


def run_bound(bench):
    results = {net: [] for net in BOUNDED}
    for _ in range(bench.rounds):
        for net, (experiment, steps, _) in BOUNDED.items():
            steps = max(5, steps // 4) if bench.short else steps
            results[net].append(bench.umbel.step(experiment, steps))
    return {'versions': {}, 'notes': [
        'bound: max(critical path, work ÷ compute units) from kernels timed alone by turns with '
        'the steps; the makespan is the median step. Above 1 the kernels alone were disturbed '
        'more than the steps.'],
        'lines': [*(bound_line(net, results[net]) for net in BOUNDED),
                  *(host_line(net, results[net]) for net in BOUNDED if BOUNDED[net][2])]}


# Overlap.

OVERLAP_TARGET = 1.25
OVERLAP_TURNS = 4  # a round: the runs are short, and differ
SMALL_BATCH = 'bench/nets/small-batch.yaml'
WAYS = {  # of scheduling the same net: what is said of it, queues, UMBEL_MERGE
    'one': ('one queue', '1', '1'),
    'two': ('two queues', '2', '1'),
    'one apart': ('one queue, launches not merged', '1', '0'),
    'four apart': ('four queues, launches not merged', '4', '0'),
}
COMPARED = [  # before, after, target
    ('one', 'two', OVERLAP_TARGET),
    ('one apart', 'four apart', OVERLAP_TARGET),
    ('one apart', 'two', None),
]


def overlap_line(ms, before, after, target):
    ratios = [old / new for old, new in zip(ms[before], ms[after])]
    return store.line(f'{WAYS[after][0]} against {WAYS[before][0]}', store.median(ratios), target,
                      spread=store.spread(ratios),
                      figures=f'{store.median(ms[after]):.3f} and {store.median(ms[before]):.3f} ms')


def run_overlap(bench):
    ms = {way: [] for way in WAYS}
    for _ in range(OVERLAP_TURNS * bench.rounds):
        for way, (_, queues, merge) in WAYS.items():
            result = bench.umbel.step(SMALL_BATCH, 60 if bench.short else 300,
                                      UMBEL_QUEUES=queues, UMBEL_MERGE=merge)
            ms[way].append(result['step_ms']['median'])
    return {'versions': {}, 'notes': ['queues: two streams of 8 images, four unequal heads.'],
            'lines': [overlap_line(ms, *compared) for compared in COMPARED]}


# Planning.

SHAPES = 'chain', 'heads', 'mix'
PLANNING_TARGETS = {10_000: 1.0, 100_000: 15.0}  # seconds, by nodes
PLANNING_QUEUES = 2
GROWTH_TARGET = 1.25  # memory a node: arrays that grow are up to twice as long as what they hold
COUNTED = re.compile(r'^ *(\d+) nodes of', re.M)
PLANNED = re.compile(r'^\S+ \d+ on \d+ queues: ([\d.]+) s, ([\d.]+) MiB$', re.M)


def plan(bench, shape, nodes):
    """Seconds, and KiB a node, as bench/plan_scale prints them."""
    program = pathlib.Path(bench.umbel.program).parents[1] / 'bench' / 'plan_scale'
    if not program.exists():
        raise bench.Failed(f'no {program}: build the target bench/plan_scale')
    done = subprocess.run([program, shape, str(nodes), str(PLANNING_QUEUES)], text=True,
                          stdout=subprocess.PIPE, env=bench.umbel.environment)
    counted, planned = COUNTED.search(done.stdout), PLANNED.search(done.stdout)
    if done.returncode or not counted or not planned:
        raise bench.Failed(f'{program} {shape} {nodes}: exit {done.returncode}')
    return float(planned[1]), 1024 * float(planned[2]) / int(counted[1])


def planning_line(nodes, target, seconds):
    slowest = max(seconds, key=lambda shape: store.median(seconds[shape]))
    return store.line(
        f'planning {nodes:,} nodes, the slowest of {", ".join(SHAPES)}',
        store.median(seconds[slowest]), target, unit='s', sense='at most',
        spread=store.spread(seconds[slowest]),
        figures=', '.join(f'{shape} {store.median(s):.2f} s' for shape, s in seconds.items()))


def memory_line(kib):
    """kib: {nodes: {shape: KiB a node}}."""
    few, many = kib
    growth = {shape: kib[many][shape] / kib[few][shape] for shape in SHAPES}
    return store.line(
        f'memory a node, {many:,} nodes against {few:,}, the worst', max(growth.values()),
        GROWTH_TARGET, sense='at most', figures='; '.join(
            f'{shape} {kib[few][shape]:.2f} and {kib[many][shape]:.2f} KiB' for shape in SHAPES))


def run_planning(bench):
    found = {nodes: {shape: [] for shape in SHAPES} for nodes in PLANNING_TARGETS}
    for _ in range(bench.rounds):
        for nodes in found:
            for shape in SHAPES:
                found[nodes][shape].append(plan(bench, shape, nodes))
    seconds = {nodes: {shape: [s for s, _ in runs] for shape, runs in shapes.items()}
               for nodes, shapes in found.items()}
    kib = {nodes: {shape: store.median(k for _, k in runs) for shape, runs in shapes.items()}
           for nodes, shapes in found.items()}
    return {'versions': {}, 'notes': [
        f'planning: made-up training graphs, every pass from the graph to bound kernels on '
        f'{PLANNING_QUEUES} queues; seconds of the processor, memory above what the process had '
        f'before. Memory counts as linear where a node takes at most {GROWTH_TARGET} times as '
        f'much in the larger graph, since arrays that grow have room to spare.'],
        'lines': [*(planning_line(nodes, target, seconds[nodes])
                    for nodes, target in PLANNING_TARGETS.items()), memory_line(kib)]}


# The simulator.

SHORT_NETS = 'small-batch', 'sixteen-heads'
SIMULATOR_TRIES = 2


def simulator_line(results):
    rows = [(result['title'], row) for result in results for row in result['rows']]
    title, worst = max(rows, key=lambda pair: simulated.error(pair[1]))
    off = 100 * simulated.MOST_ERROR
    return store.line(
        f'simulated ÷ measured − 1, the worst of {len(rows)}', 100 * simulated.error(worst), off,
        unit='%', sense='at most',
        figures=f'{title} on {worst["queues"]} queues: {worst["predicted"]:.3f} of '
                f'{worst["measured_ms"]:.2f} ms')


def simulator_note(results):
    nets = '; '.join(
        f'{result["title"]} ' + ', '.join(f'{row["predicted"]:.2f}' for row in result['rows'])
        for result in results)
    return (f'simulator: simulated ÷ measured on {", ".join(map(str, simulated.QUEUES))} queues: '
            f'{nets}. The least disturbed tenth of both, medians over the rounds.')


def run_simulator(bench):
    nets = SHORT_NETS if bench.short else simulated.NETS
    rounds, tries = (1, 1) if bench.short else (bench.rounds, SIMULATOR_TRIES)
    results = [simulated.measure(bench.umbel, net, rounds, tries, bench.short) for net in nets]
    return {'versions': {}, 'lines': [simulator_line(results)],
            'notes': [simulator_note(results)]}
