"""Umbel as the benchmarks run it: a command, JSON on its standard output."""
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Failed(Exception):
    """A measurement that did not work; the message is for the user."""


class Umbel:
    """The program; wrap makes of a command the one that starts it in another place."""

    def __init__(self, program, device=None, environment=None, wrap=list):
        self.program, self.wrap = str(program), wrap
        self.environment = dict(os.environ, **(environment or {}))
        if device:
            self.environment['UMBEL_DEVICE'] = device

    def run(self, *arguments, prefix=(), **environment):
        """The JSON value that the command prints."""
        command = self.wrap([*prefix, self.program, *map(str, arguments), '--json'])
        done = subprocess.run(command, env=dict(self.environment, **environment), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
        if done.returncode:
            raise Failed(f'{" ".join(command)}: exit {done.returncode}: {done.stderr.strip()}')
        return json.loads(done.stdout)

    def step(self, experiment, steps, sets=(), **keys):
        """`umbel bench step`; sets are KEY=VALUE."""
        overrides = [word for pair in sets for word in ('--set', pair)]
        result = self.run('bench', 'step', experiment, '--steps', steps, *overrides, **keys)
        if not result['loss']['last'] < result['loss']['first']:
            raise Failed(f'{experiment}: the loss went from {result["loss"]["first"]} to '
                         f'{result["loss"]["last"]} in {steps} steps on the same batches')
        return result

    def op(self, name, shape, attributes, solver=None, check=False):
        """`umbel bench op`; one dict a pass, and the measured peak."""
        options = [*(['--solver', solver] if solver else []), *(['--check'] if check else [])]
        attrs = ['--attrs', attributes] if attributes else []
        result = self.run('bench', 'op', name, '--shape', shape, *attrs, *options)
        return {row['op']: row for row in result['ops']}, result['peak']

    def peak(self):
        return self.op('relu', '8', None)[1]

    def device(self):
        return next(device for device in self.run('devices') if device['chosen'])


def empty_caches():
    """A folder, and variables that put every cache of kernels into it."""
    folder = tempfile.TemporaryDirectory(prefix='bench-caches-')
    names = {'POCL_CACHE_DIR': 'pocl', 'XDG_CACHE_HOME': 'xdg', 'UMBEL_CACHE': 'umbel'}
    for name in names.values():
        os.mkdir(os.path.join(folder.name, name))
    return folder, {variable: os.path.join(folder.name, name) for variable, name in names.items()}
