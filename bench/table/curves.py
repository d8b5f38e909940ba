"""The simulator's curves, as SVG: a panel a net, time over a number of queues or of compute units.

Both axes are logarithmic. Colours follow the reader's scheme (light or dark).
"""
import html
import math

from .chart import STYLE, text, vertical

WIDTH, PANEL, HEIGHT, LEFT, TOP, GAP_X, GAP_Y = 820, 320, 170, 60, 92, 80, 66
LINES = '''
    .line { fill: none; stroke-width: 2; stroke-linejoin: round }
    .best { stroke: #2f7d5b } .one { stroke: #c77d2e } .bound { stroke: #57606a; stroke-width: 1.2;
        stroke-dasharray: 4 3 }
    .dot { fill: #24292f }
    .panel { font-weight: 600 }
    @media (prefers-color-scheme: dark) {
        .best { stroke: #4fae86 } .one { stroke: #d99a55 } .bound { stroke: #9198a1 }
        .dot { fill: #e6edf3 }
    }
'''


def span(values, least):
    """Limits for an axis of these values, at least that many times apart."""
    low, high = min(values), max(values)
    if high / low < least:
        low, high = low / math.sqrt(least * low / high), high * math.sqrt(least * low / high)
    return low / 1.06, high * 1.06


def ticks(low, high):
    """1, 2, 5 of every power of ten; finer where that leaves fewer than two."""
    for steps in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), [k / 20 for k in range(20, 200)]):
        found = [s * 10 ** p for p in range(-5, 6) for s in steps if low <= s * 10 ** p <= high]
        if len(found) >= 2:
            return found[::max(1, len(found) // 6)]
    return found


class Panel:
    """A pair of logarithmic axes at (x, y), the top left corner."""

    def __init__(self, x, y, xs, values, least):
        self.x, self.y, self.xs = x, y, xs
        self.low, self.high = span(values, least)

    def at(self, x, value):
        right = math.log(x / self.xs[0]) / math.log(self.xs[-1] / self.xs[0])
        up = math.log(value / self.low) / math.log(self.high / self.low)
        return self.x + PANEL * right, self.y + HEIGHT * (1 - up)

    def frame(self, title, unit):
        parts = [text(self.x, self.y - 10, title, 'panel')]
        for x in self.xs:
            column, _ = self.at(x, self.low)
            parts += [vertical(column, self.y, self.y + HEIGHT, 'grid'),
                      text(column, self.y + HEIGHT + 16, str(x), 'small', 'middle')]
        for value in ticks(self.low, self.high):
            _, row = self.at(self.xs[0], value)
            parts += [f'<line x1="{self.x}" y1="{row:.1f}" x2="{self.x + PANEL}" y2="{row:.1f}" '
                      'class="grid"/>',
                      text(self.x - 8, row + 4, f'{value:.3g}{unit}', 'small', 'end')]
        return parts

    def line(self, values, kind):
        points = ' '.join('{:.1f},{:.1f}'.format(*self.at(x, v)) for x, v in zip(self.xs, values))
        return f'<polyline points="{points}" class="line {kind}"/>'

    def dot(self, x, value):
        column, row = self.at(x, value)
        return f'<circle cx="{column:.1f}" cy="{row:.1f}" r="4" class="dot"/>'


def corner(index):
    return LEFT + index % 2 * (PANEL + GAP_X), TOP + index // 2 * (HEIGHT + GAP_Y)


def picture(title, legend, parts, n):
    height = TOP + (n + 1) // 2 * (HEIGHT + GAP_Y) - 18
    head = [text(16, 24, title, 'title')]
    x = 16
    for kind, label in legend:
        mark = (f'<circle cx="{x + 10}" cy="42" r="4" class="dot"/>' if kind == 'dot' else
                f'<line x1="{x}" y1="42" x2="{x + 20}" y2="42" class="line {kind}"/>')
        head += [mark, text(x + 28, 46, label, 'small')]
        x += 44 + 6.4 * len(label)
    body = '\n'.join(f'  {part}' for part in head + parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{html.escape(title)}">\n'
            f'  <style>{STYLE}{LINES}  </style>\n{body}\n</svg>\n')


def draw_queues(results):
    """A step's time over the number of queues, in % of one queue's; measured ones as dots."""
    parts = []
    for index, result in enumerate(results):
        rows = result['simulated']['queues']
        share = [100 * row['makespan_ms'] / rows[0]['makespan_ms'] for row in rows]
        bound = [100 * row['bound_ms'] / rows[0]['makespan_ms'] for row in rows]
        # in rounds by turns, the least disturbed
        dots = [(m['queues'], 100 * m['measured_ms'] / result['rows'][0]['measured_ms'])
                for m in result['rows']]
        panel = Panel(*corner(index), [row['queues'] for row in rows],
                      share + bound + [value for _, value in dots], 1.4)
        parts += panel.frame(result['title'], ' %')
        parts += [panel.line(bound, 'bound'), panel.line(share, 'best')]
        parts += [panel.dot(x, value) for x, value in dots]
    units = results[0]['simulated']['units']
    return picture(f'A step on 1 to 64 queues of {units} compute units, in % of one queue',
                   [('best', 'simulated'), ('bound', 'lower bound'), ('dot', 'measured')], parts,
                   len(results))


def draw_units(results):
    """A step's time over the number of compute units, on one queue and on as many as help."""
    parts = []
    for index, result in enumerate(results):
        grid = result['simulated']['grid']
        units = sorted({cell['units'] for cell in grid})
        cells = {u: [cell for cell in grid if cell['units'] == u] for u in units}
        one = [next(c['makespan_ms'] for c in cells[u] if c['queues'] == 1) for u in units]
        best = [min(c['makespan_ms'] for c in cells[u]) for u in units]
        bound = [cells[u][0]['bound_ms'] for u in units]
        panel = Panel(*corner(index), units, one + best + bound, 1.4)
        parts += panel.frame(result['title'], ' ms')
        parts += [panel.line(bound, 'bound'), panel.line(one, 'one'), panel.line(best, 'best')]
    return picture('A step on 1 to 64 compute units, simulated',
                   [('one', 'one queue'), ('best', 'as many queues as help'),
                    ('bound', 'lower bound')], parts, len(results))
