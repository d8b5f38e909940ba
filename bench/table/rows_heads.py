"""Rows of many heads on the trunk of mnist-fashion.

Sixteen equal heads beside one wide head and beside the peers; sixty-four unequal heads beside
what they would take if only their arithmetic and their update counted:

    least   = trunk + heads' FLOP ÷ rate + heads' optimizer bytes ÷ copy rate
    rate    = trunk's FLOP ÷ trunk
    trunk   = (step of trunk-alone.yaml − its head's optimizer bytes ÷ copy rate)
              ÷ (1 + its head's FLOP ÷ trunk's FLOP)

that is, the step of the same trunk under a head of ten units, less what that head takes by the
same rule. FLOP are those of forward, gradient to the input and gradient to the weights, two a
multiplication of the plain sum, whatever the kernels do; biases, activations, pooling and losses
are left out. The trunk's own update is in its step.
"""
import math

from . import rows_steps, store

BATCH = 64
FEATURES = 1600
CLASSES = 10
UNITS = [16 + 112 * i // 63 for i in range(64)]
SIXTEEN, WIDE, SIXTY_FOUR, ALONE = (f'bench/nets/{name}.yaml' for name in (
    'sixteen-heads', 'one-wide-head', 'sixty-four-heads', 'trunk-alone'))

WIDE_TARGET = 1.10
PEERS_TARGET = 3.0
UNEQUAL_TARGET = 1.3

BYTES_FLAT = 7 * 4    # a parameter: reads it, its gradient, two moments; writes all but one
BYTES_JOINED = 6 * 4  # updated by the kernel that makes the gradient, which is not read


# Arithmetic and traffic.


def convolution(side, filters, inputs, passes, size=3):
    return passes * 2 * BATCH * side ** 2 * filters * inputs * size ** 2


def dense(inputs, units):
    return 3 * 2 * BATCH * inputs * units


TRUNK_FLOP = convolution(26, 32, 1, passes=2) + convolution(11, 64, 32, passes=3)
TRUNK_PARAMETERS = (9 * 1 + 1) * 32 + (9 * 32 + 1) * 64
ALONE_FLOP = dense(FEATURES, CLASSES)
HEADS_FLOP = sum(dense(FEATURES, units) + dense(units, CLASSES) for units in UNITS)
ALONE_PARAMETERS = (FEATURES + 1) * CLASSES
HEADS_PARAMETERS = sum((FEATURES + 1) * units + (units + 1) * CLASSES for units in UNITS)


def joined_parameters(plan):
    """How many parameters of `umbel plan --json` are updated by what makes their gradients."""
    joined = {node['in'][0] for node in plan['nodes']
              if node['op'] == 'adam' and node['chosen_by'] == 'joined'}
    return sum(math.prod(value['shape']) for value in plan['memory'] if value['name'] in joined)


def optimizer_bytes(bench, net, parameters):
    """What the plan's updates of that many parameters, the heads', move."""
    joined = joined_parameters(bench.umbel.run('plan', net))
    return BYTES_FLAT * (parameters - joined) + BYTES_JOINED * joined


def trunk_ms(alone_ms, alone_bytes, copy_gbs):
    return (alone_ms - 1e-6 * alone_bytes / copy_gbs) / (1 + ALONE_FLOP / TRUNK_FLOP)


def least_ms(trunk, heads_bytes, copy_gbs, most_gflops=math.inf):
    """Trunk, the heads' arithmetic and their update; the rate is most_gflops at most."""
    gflops = min(1e-6 * TRUNK_FLOP / trunk, most_gflops)
    return trunk, 1e-6 * HEADS_FLOP / gflops, 1e-6 * heads_bytes / copy_gbs


def check_parameters(bench, result, parameters):
    """That the experiment file and this file mean the same net."""
    if result['parameters'] != TRUNK_PARAMETERS + parameters:
        raise bench.Failed(f'{result["experiment"]} has {result["parameters"]} parameters; '
                           f'{TRUNK_PARAMETERS + parameters} were expected')


# Sixteen.


def run_sixteen(bench):
    steps = 15 if bench.short else 100
    ms = {SIXTEEN: [], WIDE: []}

    def measure():
        for net, found in ms.items():
            found.append(bench.umbel.step(net, steps)['step_ms']['median'])

    turns = rows_steps.by_turns(bench, 'sixteen-heads', min(steps, 60), measure)
    ratios = [many / one for many, one in zip(ms[SIXTEEN], ms[WIDE])]
    lines = [store.line(
        '16 heads (dense 64, dense 10) against one (dense 1024, dense 10)', store.median(ratios),
        WIDE_TARGET, sense='at most', spread=store.spread(ratios),
        figures=f'{store.median(ms[SIXTEEN]):.2f} and {store.median(ms[WIDE]):.2f} ms'),
        rows_steps.step_line('16 heads beside the faster peer', PEERS_TARGET,
                             'step sixteen-heads', ms[SIXTEEN], turns)]
    return turns, lines


# Sixty-four.


def measure_unequal(bench):
    """Rounds of (the step, the step of the trunk alone, the device's peak)."""
    steps = 15 if bench.short else 60
    rounds = []
    for _ in range(bench.rounds):
        heads, alone = bench.umbel.step(SIXTY_FOUR, steps), bench.umbel.step(ALONE, steps)
        check_parameters(bench, heads, HEADS_PARAMETERS)
        check_parameters(bench, alone, ALONE_PARAMETERS)
        rounds.append((heads['step_ms']['median'], alone['step_ms']['median'],
                       bench.umbel.peak()))
    return rounds


def unequal_line(rounds, alone_bytes, heads_bytes, capped):
    ratios, parts = [], []
    for heads, alone, peak in rounds:
        trunk = trunk_ms(alone, alone_bytes, peak['gbs'])
        parts.append(least_ms(trunk, heads_bytes, peak['gbs'],
                              peak['gflops'] if capped else math.inf))
        ratios.append(heads / sum(parts[-1]))
    trunk, arithmetic, update = map(store.median, zip(*parts))
    rate = 'the FMA peak at most' if capped else "the trunk's rate"
    return store.line(
        f'64 unequal heads against trunk + arithmetic at {rate} + update', store.median(ratios),
        None if capped else UNEQUAL_TARGET, sense='at most', spread=store.spread(ratios),
        figures=f'{store.median(heads for heads, _, _ in rounds):.2f} ms; {trunk:.2f} + '
                f'{arithmetic:.2f} ({1e-6 * HEADS_FLOP / arithmetic:.0f} GFLOP/s) + '
                f'{update:.2f} ms')


def run_unequal(bench):
    alone_bytes = optimizer_bytes(bench, ALONE, ALONE_PARAMETERS)
    heads_bytes = optimizer_bytes(bench, SIXTY_FOUR, HEADS_PARAMETERS)
    rounds = measure_unequal(bench)
    return [unequal_line(rounds, alone_bytes, heads_bytes, capped) for capped in (False, True)], (
        f'64 heads: the trunk is {1e-9 * TRUNK_FLOP:.2f} GFLOP a step, the heads '
        f'{1e-9 * HEADS_FLOP:.2f}: forward, gradient to the input (not of the first layer) and to '
        f'the weights, two a multiplication of the plain sum. Its time is the step of the same '
        f'trunk under one dense layer of {CLASSES}, less that layer at the same rates; its rate '
        f'its GFLOP ÷ its time. Winograd\'s kernels multiply less than the plain sum, so that the '
        f'rate may lie above the device\'s FMA peak, which no dense layer can reach; the second '
        f'line has the peak in its place. The update moves {1e-6 * heads_bytes:.0f} MB: '
        f'{BYTES_FLAT} bytes a parameter, {BYTES_JOINED} where the plan updates it as its gradient '
        f'is made, at the copy rate of `umbel bench op`.')


def run(bench):
    turns, lines = run_sixteen(bench)
    unequal, note = run_unequal(bench)
    return {'versions': rows_steps.versions(turns), 'lines': lines + unequal,
            'notes': [rows_steps.settings_note('16 heads', turns), note]}
