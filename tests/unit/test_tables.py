"""What bench/run and tests/matrix make of results, as TAP: no device, no peer, nothing measured."""
import math
import pathlib
import re
import sys
import tempfile
import xml.dom.minidom

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'bench'), str(ROOT / 'tests')]
sys.dont_write_bytecode = True

import implementations
from table import (chart, curves, data, page, rows_heads, rows_process, rows_scheduler, store)


def a_line(value, target, **keys):
    return store.line('work', value, target, **keys)


def a_result(row, lines, **keys):
    return {'row': row, 'when': '2026-01-01', 'short': False, 'busy': 0.1, 'lines': lines,
            'notes': [], 'peak': {'gflops': 300.0, 'gbs': 20.0},
            'head': {'machine': 'm', 'umbel': 'c'},
            'versions': {}, **keys}


def equal(got, expected):
    assert got == expected, f'got {got!r}, expected {expected!r}'


def a_line_is_fitted_exactly():
    a, b = rows_process.fit_line([(n, 3 + 0.25 * n) for n in (16, 64, 512)])
    assert math.isclose(a, 3, rel_tol=1e-9) and math.isclose(b, 0.25, rel_tol=1e-9), (a, b)


def a_fit_weighs_relative_errors():
    """The largest point 10 % off moves a by a tenth of the smallest point at most."""
    a, _ = rows_process.fit_line([(16, 4.5), (64, 16.5), (512, 128.5 * 1.1)])
    assert abs(a - 0.5) < 0.45, a


def targets_are_met_from_either_side():
    equal(store.is_met(a_line(3.0, 3.0)), True)
    equal(store.is_met(a_line(2.99, 3.0)), False)
    equal(store.is_met(a_line(0.4, 0.3, sense='at most')), False)
    equal(store.is_met(a_line(0.3, 0.3, sense='at most')), True)
    equal(store.is_met(a_line(1.0, None)), None)


def a_bar_falls_short_with_one_of_its_figures():
    lines = [a_line(1.0, 0.95, bar='GEMM'), a_line(0.9, 0.95, bar='GEMM')]
    (_, mean, least, target, met), = chart.bars([a_result('gemm', lines)])
    assert math.isclose(mean, math.sqrt(0.9)), mean
    equal((least, target, met), (0.9, 0.95, False))


def a_simulation(title):
    cells = [{'queues': q, 'units': u, 'makespan_ms': 8 / min(q, u), 'bound_ms': 8 / u}
             for q in (1, 2, 4) for u in (1, 2, 4)]
    rows = [{'queues': q, 'predicted': 0.98, 'spread': [0.9, 1.0], 'measured_ms': 4.0}
            for q in (1, 2)]
    return {'title': title, 'rows': rows, 'simulated': {
        'units': 2, 'grid': cells, 'queues': [cell for cell in cells if cell['units'] == 2]}}


def curves_are_xml_with_a_line_a_kind_and_a_dot_a_measurement():
    nets = [a_simulation('one <a&b>'), a_simulation('two'), a_simulation('three')]
    for draw, n_lines, n_dots in ((curves.draw_queues, 2, 2), (curves.draw_units, 3, 0)):
        drawn = xml.dom.minidom.parseString(draw(nets))
        lines = drawn.getElementsByTagName('polyline')
        equal(len(lines), 3 * n_lines)
        dots = [dot for dot in drawn.getElementsByTagName('circle') if dot.getAttribute('cy') != '42']
        equal(len(dots), 3 * n_dots)
        for line in lines:
            for point in line.getAttribute('points').split():
                x, y = map(float, point.split(','))
                assert 0 <= x <= curves.WIDTH and y >= curves.TOP - 1, point


def a_panel_has_its_limits_at_its_corners():
    panel = curves.Panel(10, 20, [1, 2, 4], [3.0, 12.0], 1.4)
    x, y = panel.at(1, panel.high)
    assert math.isclose(x, 10) and math.isclose(y, 20), (x, y)
    x, y = panel.at(4, panel.low)
    assert math.isclose(x, 10 + curves.PANEL) and math.isclose(y, 20 + curves.HEIGHT), (x, y)
    x, _ = panel.at(2, panel.low)
    assert math.isclose(x, 10 + curves.PANEL / 2), x


def a_narrow_axis_still_has_ticks():
    for low, high in ((98.0, 101.0), (0.011, 0.9), (3.0, 3.2), (1.0, 64.0)):
        found = curves.ticks(*curves.span([low, high], 1.0))
        assert len(found) >= 2 and found == sorted(found), found


def the_picture_is_xml_with_a_bar_a_kind():
    lines = [a_line(2.0, 2.5, bar='step <a&b>'), a_line(1.2, 0.95, bar='conv 1×1')]
    drawn = xml.dom.minidom.parseString(chart.draw([a_result('conv', lines)], 'here'))
    equal(len(drawn.getElementsByTagName('rect')), 2)
    equal(chart.draw([a_result('conv', [a_line(1, 2)])], 'here'), None)


def the_page_takes_in_reasons_and_says_what_is_short():
    with tempfile.TemporaryDirectory() as name:
        docs = pathlib.Path(name)
        reasons = '# x\n\n## gemm\n\nIt waits.\n\n## conv\n\nNo.\n'
        (docs / 'performance-reasons.md').write_text(reasons)
        page.write([a_result('gemm', [a_line(0.5, 0.95, bar='GEMM'), a_line(1.0, 0.95)])], docs)
        text = (docs / 'performance.md').read_text()
        assert 'It waits.' in text and 'No.' not in text, text
        assert '1 of 2 figures' in text and '**short**' in text, text
        assert (docs / 'performance.svg').exists()


def the_page_says_that_the_machine_was_busy_or_the_mode_short():
    text = page.section(a_result('cores', [], busy=1.5, short=True), None)
    assert 'were busy' in text and 'short mode' in text, text
    assert 'were busy' not in page.section(a_result('cores', []), None)


def generated_data_have_the_formats_sizes():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data.write_mnist(folder / 'mnist', data.random.Random(1))
        data.write_cifar10(folder / 'cifar10', data.random.Random(1))
        sizes = [(folder / path).stat().st_size for path in (
            'mnist/train-images-idx3-ubyte', 'mnist/t10k-labels-idx1-ubyte',
            'cifar10/data_batch_1.bin')]
        equal(sizes, [16 + 4096 * 784, 8 + 1024, 4096 * 3073])


def a_store_gives_back_what_it_was_given():
    with tempfile.TemporaryDirectory() as name:
        kept = store.Store(pathlib.Path(name) / 'results')
        equal(kept.load('conv'), None)
        kept.save('conv', {'lines': [a_line(1.5, 2.0)]})
        equal(kept.load('conv')['lines'], [a_line(1.5, 2.0)])


def a_chroot_sees_the_folders_it_needs():
    way = implementations.Debian13('pocl6', pathlib.Path('/a b'))
    *_, script, _, command = way.wrap(['true'], [pathlib.Path('/data')])
    assert "mount --bind /data '/a b/root'/data" in script, script
    equal(command, 'true')


def the_trunk_is_what_its_head_was_added_to():
    """A trunk of 2 ms, and what a head takes at its rate and at 50 GB/s."""
    head_ms = 2 * rows_heads.ALONE_FLOP / rows_heads.TRUNK_FLOP + 1e-6 * 448280 / 50
    assert math.isclose(rows_heads.trunk_ms(2 + head_ms, 448280, 50), 2)


def the_rate_is_the_trunks_or_the_most():
    _, arithmetic, update = rows_heads.least_ms(2, 5e7, 50)
    assert math.isclose(arithmetic, 2 * rows_heads.HEADS_FLOP / rows_heads.TRUNK_FLOP), arithmetic
    assert math.isclose(update, 1), update
    _, slower, _ = rows_heads.least_ms(2, 5e7, 50, 1e-6 * rows_heads.TRUNK_FLOP / 4)
    assert math.isclose(slower, 2 * arithmetic), slower


def joined_updates_are_told_from_the_plan():
    def node(op, parameter, how):
        return {'op': op, 'in': [parameter, 'd'], 'chosen_by': how}
    plan = {'nodes': [node('adam', 'a', 'joined'), node('adam', 'b', 'rank'),
                      node('conv', 'b', 'rank')],
            'memory': [{'name': 'a', 'shape': [3, 5]}, {'name': 'b', 'shape': [7]}]}
    equal(rows_heads.joined_parameters(plan), 15)


def nets_of_many_heads_are_as_the_rows_say():
    def wide_layers(path):
        text = (ROOT / path).read_text()
        return [int(n) for n in re.findall(r'units: (\d+), activation', text)]
    equal(wide_layers(rows_heads.SIXTY_FOUR), rows_heads.UNITS)
    equal((rows_heads.UNITS[0], rows_heads.UNITS[-1]), (16, 128))
    equal(wide_layers(rows_heads.SIXTEEN), [64] * 16)
    equal(wide_layers(rows_heads.WIDE), [1024])
    equal(wide_layers(rows_heads.ALONE), [])


def the_worst_simulation_is_shown():
    nets = [a_simulation('one'), a_simulation('two')]
    nets[1]['rows'][1]['predicted'] = 0.88
    line = rows_scheduler.simulator_line(nets)
    assert math.isclose(line['value'], 12) and not store.is_met(line), line
    assert line['figures'].startswith('two on 2 queues'), line


def what_plan_scale_prints_is_read():
    printed = ('  10003 nodes of 1539 layers and 769 heads, 6925 behind fusing; 7180 steps, 294 '
               'launches\nheads 10000 on 2 queues: 0.076 s, 29.3 MiB\n')
    equal(rows_scheduler.COUNTED.search(printed)[1], '10003')
    equal(rows_scheduler.PLANNED.search(printed).groups(), ('0.076', '29.3'))


CASES = (
    a_line_is_fitted_exactly,
    a_fit_weighs_relative_errors,
    targets_are_met_from_either_side,
    a_bar_falls_short_with_one_of_its_figures,
    the_picture_is_xml_with_a_bar_a_kind,
    curves_are_xml_with_a_line_a_kind_and_a_dot_a_measurement,
    a_panel_has_its_limits_at_its_corners,
    a_narrow_axis_still_has_ticks,
    the_page_takes_in_reasons_and_says_what_is_short,
    the_page_says_that_the_machine_was_busy_or_the_mode_short,
    generated_data_have_the_formats_sizes,
    a_store_gives_back_what_it_was_given,
    a_chroot_sees_the_folders_it_needs,
    the_trunk_is_what_its_head_was_added_to,
    the_rate_is_the_trunks_or_the_most,
    joined_updates_are_told_from_the_plan,
    nets_of_many_heads_are_as_the_rows_say,
    the_worst_simulation_is_shown,
    what_plan_scale_prints_is_read,
)


def main():
    print(f'1..{len(CASES)}')
    bad = 0
    for number, case in enumerate(CASES, 1):
        try:
            case()
            print(f'ok {number} - {case.__name__}')
        except Exception as error:
            bad += 1
            print(f'not ok {number} - {case.__name__}\n# {type(error).__name__}: {error}')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
