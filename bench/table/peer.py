"""The peers: a virtual environment of their own, and processes that measure on request.

A peer's process is stopped (SIGSTOP) while anything else is measured, so that none of its threads
waits busily beside us.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from .ours import Failed

PACKAGES = ('torch', 'tensorflow-cpu', 'numpy')
SCRIPTS = pathlib.Path(__file__).resolve().parents[1] / 'peers'


def install(folder):
    """The newest of PACKAGES, once; returns the environment's python."""
    python = folder / 'bin' / 'python'
    complete = folder / 'complete'
    if complete.exists() or (python.exists() and subprocess.run(
            [python, '-c', 'import torch, tensorflow'], capture_output=True).returncode == 0):
        return python
    print(f'installing {", ".join(PACKAGES)} into {folder}', file=sys.stderr)
    subprocess.run([sys.executable, '-m', 'venv', folder], check=True)
    subprocess.run([python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check',
                    *PACKAGES], check=True)
    complete.touch()
    return python


class Peer:
    """serve.py MODULE KEY=VALUE…, running; use it in a with statement."""

    def __init__(self, python, module, **keys):
        self.what = f'{module} {keys}'
        words = [f'{key}={value}' for key, value in keys.items()]
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [python, SCRIPTS / 'serve.py', module, *words], cwd=SCRIPTS, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=dict(os.environ, OMP_NUM_THREADS=str(keys['threads']),
                     OPENBLAS_NUM_THREADS=str(keys['threads'])))
        self.hello = self.read()
        self.stop()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f'{self.what} ended; run bench/peers/serve.py by hand to see why')
        return json.loads(line)

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def ask(self, **request):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(json.dumps(request) + '\n')
        self.process.stdin.flush()
        answer = self.read()
        self.stop()
        return answer

    def age_s(self):
        return time.monotonic() - self.started

    def peak_rss_mib(self):
        status = pathlib.Path(f'/proc/{self.process.pid}/status').read_text()
        return int(status.split('VmHWM:')[1].split()[0]) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
