"""Results, a JSON file a row, so that a row can be measured again alone.

A result is {row, when, short, busy, peak, head, versions, lines, notes}. A line is one figure with its target:

    what      what was measured, for the table's first column
    figures   the absolute figures, as text
    value     the number that has the target; unit is '×', 's', '%' … (how it is printed)
    spread    [least, most] of it over the rounds, or None
    target    the number, or None: shown without a verdict
    sense     'at least' or 'at most'
    bar       the chart's bar that it belongs to, or None
"""
import datetime
import json
import statistics

BUSY = 0.3  # processors busy with other things, from where a result is marked


def line(what, value, target, *, figures='', unit='×', sense='at least', spread=None, bar=None):
    return {'what': what, 'figures': figures, 'value': value, 'unit': unit, 'spread': spread,
            'target': target, 'sense': sense, 'bar': bar}


def is_met(entry):
    if entry['target'] is None:
        return None
    if entry['sense'] == 'at least':
        return entry['value'] >= entry['target']
    return entry['value'] <= entry['target']


def spread(values):
    return [min(values), max(values)]


def median(values):
    return statistics.median(values)


class Store:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, row):
        return self.folder / f'{row}.json'

    def save(self, row, result):
        result = {'row': row, 'when': datetime.date.today().isoformat(), **result}
        self.path(row).write_text(json.dumps(result, indent=1) + '\n')

    def load(self, row):
        path = self.path(row)
        return json.loads(path.read_text()) if path.exists() else None
