"""The same standalone program on other OpenCL implementations, against the system's PoCL."""
import pathlib
import sys

from . import store
from .ours import ROOT, Umbel
from .rows_steps import WORK

sys.path.insert(0, str(ROOT / 'tests'))
import implementations

TARGET = 0.9
COMPARED = 'pocl6', 'intel'


def umbel_of(bench, way, program):
    """The program as that way starts it."""
    visible = [ROOT, bench.matrix / 'standalone', pathlib.Path(bench.data_folder).resolve()]
    return Umbel(program, environment={'UMBEL_DATA': bench.data_folder, **way.variables()},
                 wrap=lambda command: way.wrap(command, visible))


def reached(bench):
    """Those that are set up, by name; the system's own is the first."""
    program = bench.matrix / 'standalone' / 'apps' / 'umbel'
    if not program.exists():
        raise bench.Failed(f'no {program}; run tests/matrix --prepare first')
    ways = [make(name, bench.matrix / name) for name, make in implementations.WAYS.items()]
    return {way.name: umbel_of(bench, way, program) for way in ways
            if way.name in ('pocl', *COMPARED) and way.missing() is None}


def measure(bench, programs, experiment, steps):
    """{name: ms of each round}; a first round, not counted, fills the caches."""
    ms = {name: [] for name in programs}
    for turn in range(1 + bench.rounds):
        for name, umbel in programs.items():
            result = umbel.step(experiment, steps if turn else 4)
            if turn:
                ms[name].append(result['step_ms']['median'])
    return ms


def run(bench):
    programs = reached(bench)
    lines, versions = [], {}
    for name, umbel in programs.items():
        device = umbel.device()
        versions[name] = f'{device["platform"]}, driver {device["driver"].split(",")[0]}'
    for net, (experiment, _, steps, _) in WORK.items():
        bench.say(net)
        ms = measure(bench, programs, experiment, max(4, steps // (8 if bench.short else 2)))
        for name in programs:
            if name == 'pocl':
                continue
            ratios = [own / other for own, other in zip(ms['pocl'], ms[name])]
            lines.append(store.line(
                f'{net} on {name}, against pocl', store.median(ratios), TARGET,
                spread=store.spread(ratios), figures=', '.join(
                    f'{way} {store.median(times):.1f} ms' for way, times in ms.items())))
    return {'versions': versions, 'lines': lines, 'notes': []}
