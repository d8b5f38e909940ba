"""docs/performance.md and docs/performance.svg, from the stored results.

Reasons for what falls short are written by hand in docs/performance-reasons.md, a section a row
("## conv"); the page takes in the sections of the rows it shows.
"""
import re

from . import chart, store

TITLES = {
    'mnist-fashion': 'Whole step: mnist-fashion', 'resnet18': 'Whole step: ResNet-18',
    'cifar128': 'Whole step: cifar128', 'conv': 'Convolutions beside oneDNN',
    'gemm': 'Matrix products beside MKL and OpenBLAS', 'first-step': 'The first step',
    'memory': 'Memory', 'growth': 'Growth with the batch', 'cores': 'Cores',
    'implementations': 'Other OpenCL implementations',
    'bound': 'Scheduler: bound and host', 'heads': 'Scheduler: many heads',
    'overlap': 'Scheduler: queues', 'devices': 'Scheduler: two devices',
    'planning': 'Scheduler: planning', 'simulator': 'Scheduler: the simulator',
    'balancers-2': 'Balancers: 2 tasks beside TorchJD',
    'balancers-8': 'Balancers: 8 tasks beside TorchJD',
    'balancers-40': 'Balancers: 40 tasks beside TorchJD',
    'balancers-more': 'Balancers: others, and seldom',
    'balancers-losses': 'Balancers: rules of losses',
    'balancers-streams': 'Balancers: a batch for every task'}
INTRO = '''# Performance

This page is made by `bench/run` ([how](../bench/README.md)); what it says about rows that fall short is written by hand in
[performance-reasons.md](performance-reasons.md). Umbel and its peers are measured by turns in one script, each peer with the best of
its settings and stopped while another is measured. A ratio is the median of the rounds' ratios, in brackets the least and the most;
for single ops it is that of each round's fastest runs. Results are checked: ops against a plain reference in double, steps by their loss.

![how many times the fastest peer, by kind of work](performance.svg)
'''


def number(value, unit):
    digits = 2 if unit in ('×', 's', 'ms', '') else 1
    return f'{value:.{digits}f} {unit}'.replace(' ×', '×').rstrip()


def row_of(entry):
    measured = number(entry['value'], entry['unit'])
    if entry['spread']:
        measured += ' ({} – {})'.format(*(f'{v:.2f}' for v in entry['spread']))
    sign = '≥' if entry['sense'] == 'at least' else '≤'
    target = '–' if entry['target'] is None else f'{sign} {number(entry["target"], entry["unit"])}'
    verdict = {True: 'met', False: '**short**', None: ''}[store.is_met(entry)]
    return f'| {entry["what"]} | {target} | {measured} | {verdict} | {entry["figures"]} |'


def table(result):
    return '\n'.join(['| work | target | measured | | beside it |', '| --- | --- | --- | --- | --- |',
                      *map(row_of, result['lines'])])


def reasons(path):
    """Row → the hand-written text of its section."""
    if not path.exists():
        return {}
    parts = re.split(r'^## (\S+)$', path.read_text(), flags=re.M)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2])}


def measured_on(result):
    busy = ('' if result['busy'] <= store.BUSY else
            f'; **{result["busy"]:.1f} processors were busy with other things**')
    short = '; short mode' if result['short'] else ''
    return (f'Measured {result["when"]} at {result["head"]["umbel"]}; peak '
            f'{result["peak"]["gflops"]:.0f} GFLOP/s, {result["peak"]["gbs"]:.1f} GB/s '
            f'copying{short}{busy}.')


def section(result, why):
    parts = [f'## {TITLES[result["row"]]}', table(result), measured_on(result), *result['notes']]
    if why:
        parts.append(why)
    return '\n\n'.join(parts)


def head(results):
    """Machine and versions: one row each, with every value that was met."""
    facts = {}
    for result in results:
        for name, value in (*result['head'].items(), *result['versions'].items()):
            facts.setdefault(name, [])
            if value not in facts[name]:
                facts[name].append(value)
    rows = [f'| {name} | {"; ".join(values)} |' for name, values in facts.items()]
    return '\n'.join(['| | |', '| --- | --- |', *rows])


def summary(results):
    lines = [line for result in results for line in result['lines']]
    met = [store.is_met(line) for line in lines]
    return (f'{met.count(True)} of {met.count(True) + met.count(False)} figures with a target '
            f'meet it.')


def write(results, docs):
    why = reasons(docs / 'performance-reasons.md')
    parts = [INTRO, head(results), summary(results),
             *(section(result, why.get(result['row'])) for result in results)]
    docs.mkdir(parents=True, exist_ok=True)
    (docs / 'performance.md').write_text('\n\n'.join(part.strip() for part in parts) + '\n')
    days = sorted({result['when'] for result in results})
    picture = chart.draw(results, f'{results[0]["head"]["machine"]}; {days[-1]}')
    if picture:
        (docs / 'performance.svg').write_text(picture)
