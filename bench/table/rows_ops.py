"""Rows of single ops: convolutions beside oneDNN, matrix products beside MKL and OpenBLAS."""
from . import store
from .peer import Peer

SECONDS = 0.3
PASSES = {'conv': 'forward', 'conv_backward_data': 'backward-data',
          'conv_backward_weights': 'backward-weights'}
WINOGRAD_TARGET = {'conv': 2.5, 'conv_backward_data': 2.5, 'conv_backward_weights': 2.0}
TARGET, COPY_TARGET, MOST_ERROR = 0.95, 0.8, 4e-6

WIDE = '3×3 wide'  # stride 1, 64 channels or more: where Winograd wins

# (kind, input, attributes); the kinds are the chart's bars.
CONVOLUTIONS = (
    (WIDE, '32,56,56,64', 'filters=64 size=3 padding=1'),
    (WIDE, '32,28,28,128', 'filters=128 size=3 padding=1'),
    (WIDE, '32,16,16,64', 'filters=64 size=3 padding=1'),
    (WIDE, '32,14,14,256', 'filters=256 size=3 padding=1'),
    (WIDE, '64,16,16,128', 'filters=128 size=3 padding=1'),
    ('1×1', '32,56,56,64', 'filters=256 size=1'),
    ('1×1', '32,14,14,256', 'filters=256 size=1'),
    ('3×3, stride 2', '32,56,56,64', 'filters=128 size=3 stride=2 padding=1'),
    ('5×5', '32,28,28,64', 'filters=64 size=5 padding=2'),
    ('7×7, stride 2', '32,64,64,3', 'filters=64 size=7 stride=2 padding=3'),
    ('depthwise', '32,56,56,64', 'filters=64 size=3 padding=1 groups=64'),
    ('first layer', '128,28,28,1', 'filters=32 size=3'),
    ('first layer', '64,32,32,3', 'filters=128 size=3 padding=1'),
    ('32 channels', '128,13,13,32', 'filters=64 size=3'),
)
PRODUCTS = ('256x256x256', '512x512x512', '1024x1024x1024', '2048x2048x2048', '128x1600x64',
            '64x8192x1024', '15488x64x288')
PRODUCT_PASSES = {'dense': 'forward', 'dense_backward_data': 'backward_data',
                  'dense_backward_weights': 'backward_weights'}


def ratio_of_turns(ours, theirs):
    """Each round's ratio of fastest times, and their median."""
    ratios = [their / our for our, their in zip(ours, theirs)]
    return store.median(ratios), store.spread(ratios)


def best_peak(peaks):
    return {key: max(peak[key] for peak in peaks) for key in peaks[0]}


# Convolutions.


def measure_convolution(bench, peer, shape, attributes):
    """Rounds of {pass: row} of both sides; our result is checked in the first."""
    ours, theirs, peaks = [], [], []
    for turn in range(bench.rounds):
        rows, peak = bench.umbel.op('conv', shape, attributes, check=turn == 0)
        ours.append(rows)
        peaks.append(peak)
        answer = peer.ask(case=f'{shape} {attributes}', seconds=SECONDS)['ops']
        theirs.append({row['op']: row for row in answer})
    return ours, theirs, peaks


def is_bandwidth_bound(row, peak):
    """Even at the peak of arithmetic the copy would take longer."""
    return row['gflops'] / row['gbs'] < peak['gflops'] / peak['gbs']


def convolution_lines(kind, shape, attributes, ours, theirs, peaks):
    lines = []
    peak = best_peak(peaks)
    for name, title in PASSES.items():
        value, spread = ratio_of_turns([r[name]['ms']['min'] for r in ours],
                                       [r[name]['ms']['min'] for r in theirs])
        best = max((r[name] for r in ours), key=lambda row: row['gflops'])
        their = max(r[name]['gflops'] for r in theirs)
        what = f'`{shape} {attributes}`, {title}'
        lines.append(store.line(
            what, value, WINOGRAD_TARGET[name] if kind == WIDE else TARGET, spread=spread,
            bar=f'conv {kind}, {title}' if kind == WIDE else f'conv {kind}',
            figures=f'{best["solver"]} {best["gflops"]:.0f}, oneDNN {their:.0f} GFLOP/s; '
                    f'{100 * best["gflops"] / peak["gflops"]:.0f} % of FMA peak, '
                    f'error {ours[0][name]["error"]:.1e}'))
        if is_bandwidth_bound(best, peak):
            lines.append(store.line(
                f'{what}: share of the copy rate', 100 * best['gbs'] / peak['gbs'],
                100 * COPY_TARGET, unit='%',
                figures=f'{best["gbs"]:.1f} of {peak["gbs"]:.1f} GB/s'))
    return lines


def error_line(rounds_of_cases):
    rows = [row for ours in rounds_of_cases for row in ours[0].values()
            if row['solver'].startswith('winograd')]
    if not rows:
        return []
    return [store.line('Winograd: error ÷ largest value, the worst of these', 1e6 * max(
        row['error'] for row in rows), 1e6 * MOST_ERROR, unit='e-6', sense='at most')]


def run_convolutions(bench):
    cases = CONVOLUTIONS[::4] if bench.short else CONVOLUTIONS
    lines, checked = [], []
    with Peer(bench.python, 'pytorch_conv', threads=bench.threads) as peer:
        for kind, shape, attributes in cases:
            bench.say(f'{shape} {attributes}')
            ours, theirs, peaks = measure_convolution(bench, peer, shape, attributes)
            checked.append(ours)
            lines += convolution_lines(kind, shape, attributes, ours, theirs, peaks)
        versions = {'PyTorch': peer.hello['name']}
    return {'versions': versions, 'lines': lines + error_line(checked), 'notes': []}


# Matrix products.


def measure_product(bench, peer, shape):
    rows, inputs, units = shape.split('x')
    ours, theirs, peaks = [], [], []
    for turn in range(bench.rounds):
        found, peak = bench.umbel.op('dense', f'{rows},{inputs}', f'units={units} bias=false',
                                     check=turn == 0)
        ours.append(found)
        peaks.append(peak)
        theirs.append(peer.ask(shape=shape, seconds=6 * SECONDS))
    return ours, theirs, peaks


def clblast_gflops(bench, shape):
    """CLBlast's own figure, forward, once; None where it is not built in or takes too long."""
    rows, inputs, units = shape.split('x')
    try:
        found, _ = bench.umbel.op('dense', f'{rows},{inputs}', f'units={units} bias=false',
                                  solver='clblast')
    except bench.Failed:
        return None
    return found['dense']['gflops'] if 'dense' in found else None


def product_lines(shape, ours, theirs, peaks, clblast):
    lines = []
    peak = best_peak(peaks)
    square = len(set(shape.split('x'))) == 1
    for name, title in PRODUCT_PASSES.items():
        value, spread = ratio_of_turns(
            [r[name]['ms']['min'] for r in ours],
            [1e3 * min(of['fastest_s'] for of in r[title].values()) for r in theirs])
        best = max((r[name] for r in ours), key=lambda row: row['gflops'])
        their = {library: max(r[title][library]['gflops'] for r in theirs)
                 for library in theirs[0][title]}
        other = f', CLBlast {clblast:.0f}' if clblast and name == 'dense' else ''
        lines.append(store.line(
            f'{shape.replace("x", "×")}, {title.replace("_", "-")}', value, TARGET, spread=spread,
            bar='GEMM, square' if square else 'GEMM, of dense layers',
            figures=f'{best["solver"]} {best["gflops"]:.0f}, MKL {their["mkl"]:.0f}, OpenBLAS '
                    f'{their["openblas"]:.0f}{other} GFLOP/s; '
                    f'{100 * best["gflops"] / peak["gflops"]:.0f} % of FMA peak, '
                    f'error {ours[0][name]["error"]:.1e}'))
    return lines


def run_products(bench):
    shapes = PRODUCTS[::3] if bench.short else PRODUCTS
    lines = []
    with Peer(bench.python, 'pytorch_gemm', threads=bench.threads) as peer:
        for shape in shapes:
            bench.say(shape)
            ours, theirs, peaks = measure_product(bench, peer, shape)
            clblast = None if bench.short else clblast_gflops(bench, shape)
            lines += product_lines(shape, ours, theirs, peaks, clblast)
        versions = {'PyTorch and NumPy': peer.hello['name']}
    return {'versions': versions, 'lines': lines, 'notes': []}
