"""The bar chart of ratios, as SVG: a bar a kind of work, how many times the fastest peer we are.

Colours follow the reader's scheme (light or dark); text is the system's sans-serif.
"""
import html
import math

WIDTH, LEFT, RIGHT, TOP, STEP, BAR, GAP = 820, 250, 150, 64, 28, 18, 12
STYLE = '''
    text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
    .title { font-size: 15px; font-weight: 600 }
    .small { font-size: 11.5px; fill: #57606a }
    .value { font-weight: 600 }
    .met { fill: #2f7d5b } .short { fill: #c77d2e }
    .grid { stroke: #d0d7de; stroke-width: 1 }
    .peer { stroke: #57606a; stroke-width: 1.5 }
    .target { stroke: #24292f; stroke-width: 2 }
    @media (prefers-color-scheme: dark) {
        text { fill: #e6edf3 } .small { fill: #9198a1 }
        .met { fill: #4fae86 } .short { fill: #d99a55 }
        .grid { stroke: #30363d } .peer { stroke: #9198a1 } .target { stroke: #e6edf3 }
    }
'''


def bars(results):
    """(label, ratio, least, target, met) a bar, in the results' order.

    Several lines of one bar: the geometric mean, the least, and met if all of them are."""
    kinds = {}
    for result in results:
        for line in result['lines']:
            if line['bar']:
                kinds.setdefault(line['bar'], []).append(line)
    for label, lines in kinds.items():
        values = [line['value'] for line in lines]
        target = lines[0]['target']
        mean = math.exp(sum(map(math.log, values)) / len(values))
        yield label, mean, min(values), target, all(v >= target for v in values)


def text(x, y, content, kind='', anchor='start'):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
            f'{html.escape(content)}</text>')


def vertical(x, top, bottom, kind):
    return f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" class="{kind}"/>'


def places(rows):
    """The top of each bar: kinds of work, by their first word, stand a little apart."""
    y, before = TOP, rows[0][0].split()[0]
    for label, *_ in rows:
        y += GAP if label.split()[0] != before else 0
        before = label.split()[0]
        yield y
        y += STEP


def draw_bar(y, bar, scale):
    label, value, least, target, met = bar
    middle = y + BAR - 5
    several = '' if math.isclose(value, least) else f'least {least:.2f}'
    end = LEFT + max(value, target) * scale
    return [text(LEFT - 10, middle, label, anchor='end'),
            f'<rect x="{LEFT}" y="{y}" width="{value * scale:.1f}" height="{BAR}" rx="2" '
            f'class="{"met" if met else "short"}"/>',
            vertical(LEFT + target * scale, y - 4, y + BAR + 4, 'target'),
            text(end + 8, middle, f'{value:.2f}×', 'value'),
            text(end + 56, middle, several, 'small')]


def draw(results, subtitle):
    """The whole picture, or None where nothing was measured that has a bar."""
    rows = list(bars(results))
    if not rows:
        return None
    most = max(max(value, target) for _, value, _, target, _ in rows)
    scale = (WIDTH - LEFT - RIGHT) / max(1.0, most)
    tops = list(places(rows))
    bottom = tops[-1] + STEP
    parts = [text(16, 24, 'Speed, in multiples of the fastest peer', 'title'),
             text(16, 44, subtitle, 'small')]
    for tick in range(0, int(most) + 1):
        parts += [vertical(LEFT + tick * scale, TOP - 8, bottom, 'peer' if tick == 1 else 'grid'),
                  text(LEFT + tick * scale, bottom + 14, f'{tick}×', 'small', 'middle')]
    for y, bar in zip(tops, rows):
        parts += draw_bar(y, bar, scale)
    parts.append(text(16, bottom + 36, 'A bar is the geometric mean of its figures. Green: each '
                      'of them meets its target, the upright mark. Amber: at least one falls short.',
                      'small'))
    height = bottom + 50
    body = '\n'.join(f'  {part}' for part in parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Speed of Umbel in multiples '
            f'of the fastest peer">\n  <style>{STYLE}  </style>\n{body}\n</svg>\n')
