"""OpenCL implementations that tests/matrix runs the suite on, and how each is reached.

A way has a name, says why it cannot be used here (or None), wraps a command, adds variables, and
chooses among the suites. What a way leaves out is said with its reason.
"""
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

DEBIAN = 'trixie'
INTEL_PACKAGES = ('intel-opencl-rt', 'intel-cmplr-lib-rt')
EVERY_SUITE = ('unit', 'ops', 'device', 'plans', 'train', 'fault', 'fuzz')
SMALL_SUITES = ('ops', 'plans')


class Way:
    """The system's own: whatever the OpenCL loader finds, the device that is chosen unless told."""

    suites, without, left_out = EVERY_SUITE, (), None
    skips = {}  # test → why it means nothing here

    def __init__(self, name, folder):
        self.name, self.folder = name, folder

    def prepare(self):
        """Installs what can be installed into self.folder."""

    def missing(self):
        """Why it cannot be used, or None."""
        vendors = pathlib.Path(os.environ.get('OCL_ICD_VENDORS', '/etc/OpenCL/vendors'))
        return None if list(vendors.glob('pocl*.icd')) else 'pocl-opencl-icd is not installed'

    def variables(self):
        return {}

    def wrap(self, command, visible):
        """The command as this way starts it; it needs the folders `visible`."""
        return command


class Debian13(Way):
    """PoCL 6.0, in a folder with Debian 13 that the command runs in (chroot: needs root)."""

    def root(self):
        return self.folder / 'root'

    def prepare(self):
        if self.missing() is None or os.geteuid() != 0 or not shutil.which('debootstrap'):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(['debootstrap', '--variant=minbase', DEBIAN, self.root()], check=True,
                       stdout=subprocess.DEVNULL)
        install = ('apt-get install -y -q --no-install-recommends '
                   'pocl-opencl-icd ocl-icd-libopencl1 libcmocka0 python3')
        subprocess.run(self.wrap(['sh', '-c', install], []), check=True,
                       stdout=subprocess.DEVNULL, cwd='/',
                       env=dict(os.environ, DEBIAN_FRONTEND='noninteractive'))

    def missing(self):
        if not list(self.root().glob('etc/OpenCL/vendors/pocl*.icd')):
            return f'no Debian 13 with PoCL in {self.root()} (made as root, by debootstrap)'
        return None if os.geteuid() == 0 else 'chroot wants root'

    def wrap(self, command, visible):
        """In mounts of its own, which end with the command."""
        root = shlex.quote(str(self.root()))
        lines = [f'mount -t proc proc {root}/proc', f'mount --rbind /sys {root}/sys',
                 f'mount --rbind /dev {root}/dev']
        for folder in visible:
            there = f'{root}{shlex.quote(str(folder))}'
            lines += [f'mkdir -p {there}', f'mount --bind {shlex.quote(str(folder))} {there}']
        lines.append(f'exec chroot {root} env -C "$PWD" HOME=/root "$@"')
        return ['unshare', '--mount', 'sh', '-c', ' && '.join(lines), 'sh', *command]


class Intel(Way):
    """Intel's runtime for CPUs, which also runs on AMD's, from the Python package index."""

    skips = {'device_list': "it chooses among PoCL's devices, and none is visible"}

    def prepare(self):
        if self.missing() is None:
            return
        subprocess.run([sys.executable, '-m', 'venv', self.folder], check=True)
        subprocess.run([self.folder / 'bin' / 'pip', 'install', '--quiet',
                        '--disable-pip-version-check', *INTEL_PACKAGES], check=True)

    def missing(self):
        if (self.folder / 'lib' / 'libintelocl.so').exists():
            return None
        return f'no Intel runtime in {self.folder}'

    def variables(self):
        vendors = self.folder / 'matrix-vendors'
        vendors.mkdir(exist_ok=True)
        (vendors / 'intel.icd').write_text(f'{self.folder}/lib/libintelocl.so\n')
        return {'OCL_ICD_VENDORS': f'{vendors}/', 'LD_LIBRARY_PATH': f'{self.folder}/lib'}


class Rusticl(Way):
    """Mesa's rusticl on llvmpipe: a second compiler and platform, far too slow for more."""

    suites, left_out = SMALL_SUITES, 'small shapes and plain kernels only: llvmpipe is slow'

    def missing(self):
        there = list(pathlib.Path('/etc/OpenCL/vendors').glob('rusticl*.icd'))
        return None if there else 'mesa-opencl-icd is not installed'

    def variables(self):
        return {'UMBEL_DEVICE': 'rusticl', 'UMBEL_TEST_SMALL': '1', 'RUSTICL_ENABLE': 'llvmpipe'}


class Oclgrind(Way):
    """A simulator that reports bounds, races and wrong calls."""

    suites, without, left_out = SMALL_SUITES, ('large',), 'small shapes only: it simulates'

    def missing(self):
        return None if shutil.which('oclgrind') else 'oclgrind is not installed'

    def variables(self):
        return {'UMBEL_DEVICE': 'oclgrind', 'UMBEL_TEST_SMALL': '1'}

    def wrap(self, command, visible):
        return [str(pathlib.Path(__file__).with_name('oclgrind.sh')), *command]


WAYS = {'pocl': Way, 'pocl6': Debian13, 'intel': Intel, 'rusticl': Rusticl, 'oclgrind': Oclgrind}
