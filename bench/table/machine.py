"""The machine, the system and the versions, for the page's head."""
import os
import pathlib
import platform
import subprocess
import time


def processor():
    for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            return line.split(':', 1)[1].strip()
    return platform.machine()


def vector_extensions():
    flags = set()
    for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('flags'):
            flags = set(line.split())
            break
    return [name for flag, name in (('avx2', 'AVX2'), ('avx512f', 'AVX-512'),
                                    ('amx_tile', 'AMX')) if flag in flags]


def memory_gib():
    total = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    return total / 2 ** 30


def system():
    return platform.freedesktop_os_release()['PRETTY_NAME'] + f', Linux {platform.release()}'


def commit(root):
    """The newest commit, with a + if the files differ from it."""
    def git(*words):
        return subprocess.run(['git', '-C', root, *words], capture_output=True, text=True,
                              check=False).stdout.strip()
    name = git('rev-parse', '--short', 'HEAD') or 'unknown'
    return name + ('+' if git('status', '--porcelain', '--untracked-files=no') else '')


def tuning(environment):
    """What `umbel tune` has left on this machine: it decides which solvers are taken."""
    home = environment.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
    folder = pathlib.Path(environment.get('UMBEL_CACHE') or pathlib.Path(home) / 'umbel')
    problems = sum(line.startswith('problem ') for path in folder.glob('tuning-*.txt')
                   for line in path.read_text(errors='replace').splitlines())
    return f'{problems} problems measured by umbel tune' if problems else 'none, as installed'


def describe(umbel, root):
    device = umbel.device()
    cores = len(os.sched_getaffinity(0))
    extensions = ', '.join(vector_extensions())
    return {'machine': f'{processor()}, {cores} cores, {extensions}, {memory_gib():.0f} GiB',
            'system': system(), 'device': f'{device["name"]}, {device["platform"]}, '
            f'driver {device["driver"].split(",")[0]}', 'umbel': commit(root),
            'tuning': tuning(umbel.environment)}


def processor_time():
    """Clock ticks that all processors together were busy, or taken away from a guest, so far."""
    ticks = [int(n) for n in pathlib.Path('/proc/stat').read_text().splitlines()[0].split()[1:9]]
    user, nice, system_, _idle, _waiting, *rest = ticks
    return user + nice + system_ + sum(rest)


def busy_processors(seconds=2.0):
    """How many processors are busy, on average over that long, while we do nothing."""
    began, before = time.monotonic(), processor_time()
    time.sleep(seconds)
    ticks = processor_time() - before
    return ticks / os.sysconf('SC_CLK_TCK') / (time.monotonic() - began)
