"""Counts the cases of test logs: count_tests.py LABEL=FILE…

A file is TAP, or meson's testlog.json, whose programs speak TAP on standard output. A program that
crashed, ran out of time or produced no log is one failed case. Prints what failed and what was
skipped, then the totals in one line.
"""
import json
import re
import sys

CASE = re.compile(r'(?P<bad>not )?ok\b *\d* *-? *(?P<name>[^#]*?) *(?:# *(?P<note>.*))?$')
PLAN = re.compile(r'1\.\.(\d+)')
SKIP = re.compile(r'skip\S* *', re.IGNORECASE)
REASON_LINES = 8


class Count:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add_case(self, label, case):
        """Counts one line of TAP; true where it is a failure. (cmocka 1.1.5 writes a skipped
        case as 'not ok # SKIP', which other readers take for a failure.)"""
        note = case['note'] or ''
        if SKIP.match(note):
            self.skipped.append(f'{label}: {case["name"] or SKIP.sub("", note, count=1)}')
            return False
        if case['bad']:
            self.failed.append(f'{label}: {case["name"]}')
            return True
        self.passed += 1
        return False

    def add_tap(self, label, text):
        """Counts the cases of one program's output; returns how many it ran and planned."""
        ran = planned = reason = 0
        for line in text.splitlines():
            case = CASE.match(line)
            plan = PLAN.match(line)
            if case:
                ran += 1
                reason = REASON_LINES if self.add_case(label, case) else 0
            elif plan:
                planned += int(plan[1])
            elif reason and line.startswith('#'):
                self.failed[-1] += f'\n         {line}'
                reason -= 1
        return ran, planned

    def add_program(self, label, test):
        failed_before = len(self.failed)
        ran, planned = self.add_tap(label, test.get('stdout') or '')
        result = test['result']
        unexplained = test['returncode'] != 0 and len(self.failed) == failed_before
        if ran == 0 and result in ('OK', 'SKIP'):
            self.passed += result == 'OK'
            self.skipped += [label] if result == 'SKIP' else []
        elif unexplained or ran == 0 or ran < planned:
            last_words = (test.get('stderr') or '').splitlines()[-REASON_LINES:]
            self.failed.append(f'{label}: {result.lower()}, exit status {test["returncode"]}, '
                               f'after {ran} of {planned} cases')
            self.failed[-1] += ''.join(f'\n         {line}' for line in last_words)

    def add_file(self, label, path):
        try:
            with open(path, encoding='utf-8', errors='replace') as file:
                if path.endswith('.tap'):
                    self.add_tap(label, file.read())
                    return
                for line in file:
                    test = json.loads(line)
                    name = test['name'].split(':')[-1].replace(' / ', '/')
                    self.add_program(f'{label} {name}', test)
        except OSError:
            self.failed.append(f'{label}: nothing was run (no {path})')


def main():
    count = Count()
    for argument in sys.argv[1:]:
        count.add_file(*argument.split('=', 1))
    for name in count.skipped:
        print(f'skipped  {name}')
    for name in count.failed:
        print(f'FAILED   {name}')
    print(f'{count.passed} passed, {len(count.failed)} failed')
    return 1 if count.failed or count.passed == 0 else 0


if __name__ == '__main__':
    sys.exit(main())
