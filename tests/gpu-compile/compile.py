#!/usr/bin/env python3
"""Compiles every kernel that the experiments would use on GPUs, with the GPU makers' compilers.

    compile.py LIST_KERNELS SOURCE_ROOT            checks, as TAP
    compile.py LIST_KERNELS SOURCE_ROOT --update   writes table.tsv and docs/gpu-kernels.md anew

LIST_KERNELS says which kernels those are (list_kernels.c). AMD's and NVIDIA's go through clang-19
with libclc's functions, NVIDIA's then through ptxas; Intel's through ocloc. What is not installed is
skipped by name. It fails where a kernel does not compile, where a hot one spills and is not in
spills.txt, and where a figure is not the table's; figures are compared only if the compilers are
those that made the table.
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

EXPERIMENTS = ['examples/mnist-fashion.yaml', 'examples/cifar10.yaml', 'examples/resnet18.yaml',
               'shapes']
# With them every kernel of balancers and of sharing is in one. `every`: a second plan.
for rule in ('famo', '{cagrad: {every: 4}}', '{mgda: {gradient: representation}}', 'db_mtl',
             'excessmtl', 'graddrop'):
    EXPERIMENTS += ['examples/balancing.yaml', 'train.balancer=' + rule]
for name in ('related-tasks', 'soft-sharing', 'cross-stitch', 'mixture', 'task-graph', 'attention'):
    EXPERIMENTS.append(f'examples/{name}.yaml')
CLC_FOLDERS = ['/usr/lib/clc', '/usr/share/clc', '/usr/lib/llvm-19/share/clc']
OPENCL = ['-x', 'cl', '-cl-std=CL1.2', '-Xclang', '-finclude-default-header', '-O3']
MANY = '-DUMB_MANY='
FIELDS = ['registers', 'spill', 'local', 'waves']


class Failed(Exception):
    pass


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, errors='replace')
    if done.returncode:
        lines = (done.stderr + done.stdout).splitlines()
        errors = [line for line in lines if 'error' in line] or lines
        raise Failed('; '.join(errors[:3]))
    return done.stdout + done.stderr


def find_clc(name):
    for folder in CLC_FOLDERS:
        if os.path.exists(f'{folder}/{name}'):
            return f'{folder}/{name}'
    return None


class Clang:
    """What AMD's and NVIDIA's targets share: a command, and libclc's functions as bitcode."""

    def __init__(self, triple, clc):
        self.command = shutil.which('clang-19')
        self.library = find_clc(clc)
        self.triple = triple

    def lacks(self):
        return [name for name, there in (('clang-19', self.command), ('libclc-15', self.library))
                if not there]

    def version(self):
        return 'clang ' + re.search(r'version (\S+)', run(self.command, '--version'))[1]

    def compile(self, target, source, options, output):
        run(self.command, '-target', self.triple, *OPENCL, target, '-nogpulib', '-Xclang',
            '-mlink-bitcode-file', '-Xclang', self.library, *options, '-S', source, '-o', output)


class Amd(Clang):
    """waves: how many a SIMD holds at once."""
    unit = 'waves'

    def __init__(self):
        super().__init__('amdgcn-amd-amdhsa', 'amdgcn--amdhsa.bc')

    def figures(self, target, source, options, stem):
        self.compile(f'-mcpu={target}', source, options, stem + '.s')
        text = pathlib.Path(stem + '.s').read_text()
        found = {}
        for block in re.split(r'\n\t\.amdhsa_kernel ', text)[1:]:
            if re.search(r'\bs_swappc', block):
                raise Failed('calls a function that is nowhere')
            found[block.split()[0]] = tuple(
                int(re.search(pattern + r':?\s*(\d+)', block)[1])
                for pattern in ('; NumVgprs', '; ScratchSize', '; LDSByteSize', '; Occupancy'))
        return found


class Nvidia(Clang):
    """waves: warps of an SM that the registers leave room for, of 64."""
    unit = 'warps'

    def __init__(self):
        super().__init__('nvptx64-unknown-nvidiacl', 'nvptx64--nvidiacl.bc')
        self.ptxas = shutil.which('ptxas') or shutil.which('/usr/local/cuda/bin/ptxas')

    def lacks(self):
        return super().lacks() + ([] if self.ptxas else ['ptxas'])

    def version(self):
        return super().version() + ', ptxas ' + re.search(r'\bV(\d\S+)', run(self.ptxas, '--version'))[1]

    def figures(self, target, source, options, stem):
        self.compile(f'-march={target}', source, options, stem + '.ptx')
        report = run(self.ptxas, f'-arch={target}', '-v', stem + '.ptx', '-o', stem + '.cubin')
        found = {}
        for part in report.split("Compiling entry function '")[1:]:
            registers = int(re.search(r'Used (\d+) registers', part)[1])
            spill = sum(int(n) for n in re.findall(r'(\d+) bytes spill', part))
            frame = int(re.search(r'(\d+) bytes stack frame', part)[1])
            local = re.search(r'(\d+) bytes smem', part)
            by_registers = 65536 // (-(-registers // 8) * 8 * 32)
            found[part.split("'")[0]] = (registers, max(spill, frame), int(local[1]) if local else 0,
                                         min(by_registers, 64))
        return found


class Intel:
    """registers: of 32 bytes, of a thread; spill: how often, as ocloc says, else 1 where there is any;
    waves: numbers side by side (SIMD)."""
    unit = 'SIMD'

    def __init__(self):
        self.command = shutil.which('ocloc')

    def lacks(self):
        return [] if self.command else ['ocloc']

    def version(self):
        query = subprocess.run(['dpkg-query', '-W', '-f', '${Version}', 'intel-opencl-icd'],
                               capture_output=True, text=True)
        return 'ocloc ' + (query.stdout if query.returncode == 0 else 'unknown')

    def figures(self, target, source, options, stem):
        folder = stem + '.ocloc'
        said = run(self.command, 'compile', '-file', source, '-device', target, '-output', 'kernel',
            '-out_dir', folder, '-options', ' '.join(['-cl-std=CL1.2', *options]))
        spilled = {name: int(n) for name, n in
                   re.findall(r'kernel (\S+) +compiled .* spilled around (\d+)', said)}
        return read_intel(next(pathlib.Path(folder).glob('*.bin')).read_bytes(), spilled)


# Of Intel's device binary (its "patch tokens"): the tokens that matter here, and where their fields
# are, in words.
LOCAL_SURFACE, LOCAL_BYTES = 15, 1
ENVIRONMENT, SIMD, SPILLS, GRF_REGISTERS = 23, 3, 13, 20
PROGRAM_HEADER, KERNEL_HEADER = struct.Struct('<7I'), struct.Struct('<IQ7I')


def read_intel(data, spilled):
    at = data.find(b'CTNI')
    if at < 0:
        raise Failed('the device binary is of an unknown kind')
    _, _, _, _, kernels, _, patches = PROGRAM_HEADER.unpack_from(data, at)
    at += PROGRAM_HEADER.size + patches
    found = {}
    for _ in range(kernels):
        _, _, name_size, patches, *heaps, _ = KERNEL_HEADER.unpack_from(data, at)
        at += KERNEL_HEADER.size
        name = data[at:at + name_size].split(b'\0')[0].decode()
        at += name_size + sum(heaps)
        tokens, end = {}, at + patches
        while at < end:
            token, size = struct.unpack_from('<2I', data, at)
            tokens[token] = struct.unpack_from(f'<{size // 4 - 2}I', data, at + 8)
            at += size
        environment = tokens[ENVIRONMENT]
        found[name] = (environment[GRF_REGISTERS], spilled.get(name, environment[SPILLS]),
                       tokens[LOCAL_SURFACE][LOCAL_BYTES] if LOCAL_SURFACE in tokens else 0,
                       environment[SIMD])
    return found


TARGETS = {'gfx906': Amd, 'gfx1030': Amd, 'gfx1100': Amd, 'sm_75': Nvidia, 'sm_90': Nvidia,
           'skl': Intel, 'tgllp': Intel, 'dg2': Intel}


class Kernel:
    """One row: what is compiled for whom, and whether it is hot and chosen."""

    def __init__(self, target, file, entry, options):
        self.key = (target, file, entry, options)
        self.target, self.file, self.entry, self.options = self.key
        self.hot = self.chosen = False
        self.figures = self.error = None

    def source(self):
        """What list_kernels prints the text by."""
        return '--many' if MANY in self.options else '--source', self.file

    def name(self):
        return f'{self.target} {self.file} {self.entry} {self.options}'.rstrip()


def list_kernels(program, root, target):
    kernels = {}
    for line in sorted(set(run(program, target, *EXPERIMENTS).splitlines())):
        file, entry, options, heat, choice = line.split('\t')
        kernel = kernels.setdefault((file, entry, options), Kernel(target, file, entry, options))
        kernel.hot |= heat == 'hot'
        kernel.chosen |= choice == 'chosen'
    return list(kernels.values())


def compile_all(kernels, compilers, program, folder):
    """Fills figures or error of every kernel; a file with its options is compiled once a target."""
    jobs, sources = {}, {}
    for k in kernels:
        jobs.setdefault((k.target, k.source(), k.options), []).append(k)
        text = k.source()
        if text not in sources:
            sources[text] = f'{folder}/{text[0][2:]}-{k.file}'
            pathlib.Path(sources[text]).write_text(run(program, *text))

    def work(numbered):
        number, (target, text, options) = numbered
        try:
            return compilers[target].figures(target, sources[text], options.split(),
                                             f'{folder}/{number}')
        except Failed as failure:
            return failure

    keys = sorted(jobs, key=lambda job: (not job[1][1].startswith('gpu_conv'), job))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for key, result in zip(keys, pool.map(work, enumerate(keys))):
            for k in jobs[key]:
                if isinstance(result, Failed):
                    k.error = f'does not compile: {result}'
                elif k.entry not in result:
                    k.error = 'the compiler made no such kernel'
                else:
                    k.figures = result[k.entry]


# The table.


def read_table(path):
    """Figures by key, and the compilers' versions by target."""
    figures, versions = {}, {}
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith('# compiler '):
            target, version = line[len('# compiler '):].split(': ')
            versions[target] = version
        elif line and not line.startswith('#'):
            target, file, entry, options, *numbers = line.split('\t')
            figures[target, file, entry, options] = tuple(int(n) for n in numbers[:4])
    return figures, versions


def write_table(path, kernels, versions):
    lines = ['# Written by compile.py --update: registers, spilled bytes, bytes of local memory, and',
             '# waves a SIMD holds (AMD), warps an SM holds by registers (NVIDIA), SIMD width (Intel).']
    lines += [f'# compiler {target}: {version}' for target, version in versions.items()]
    for k in sorted(kernels, key=lambda k: (list(TARGETS).index(k.target), k.key)):
        heat = ('hot' if k.hot else 'cold') + (' chosen' if k.chosen else '')
        lines.append('\t'.join([*k.key, *map(str, k.figures), heat]))
    path.write_text('\n'.join(lines) + '\n')


def read_spills(path):
    """Rows of spills.txt: reason by (target, file, entry, option…)."""
    rows = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith('#'):
            key, reason = line.split(': ', 1)
            rows[tuple(key.split())] = reason
    return rows


def page_of(table_path, spills):
    """docs/gpu-kernels.md, from the table alone."""
    figures, versions = read_table(table_path)
    hot = [line.split('\t') for line in table_path.read_text().splitlines() if '\thot' in line]
    lines = ['# Kernels on GPUs', '',
             'What the GPU makers\' compilers make of the kernels of convolutions and dense layers, of'
             ' balancers and of sharing that the examples use, for usual devices. `tests/gpu-compile`'
             ' compiles them and holds these figures; `tests/gpu-compile/compile.py'
             ' BUILD/tests/gpu-compile/list_kernels . --update` writes this page and the table behind'
             ' it, which has every other kernel as well.', '',
             'Registers are those of a work-item (Intel: of a thread, 32 bytes each); spilled are bytes'
             ' (Intel: how often). Local memory is what a kernel declares; kernels that add up what'
             ' their items have get some more as an argument, gram_tiles 64 bytes an item.'
             ' The last column is how many waves a SIMD holds at once (AMD), how many warps an SM holds'
             ' by registers (NVIDIA), how many items go side by side (Intel).']
    for target, kind in TARGETS.items():
        rows = [row for row in hot if row[0] == target]
        if not rows:
            continue
        lines += ['', f'## {target}', '', f'{versions[target]}', '',
                  f'| kernel | options | registers | spilled | local memory | {kind.unit} |',
                  '| --- | --- | ---: | ---: | ---: | ---: |']
        for _, _, entry, options, registers, spill, local, waves, heat in rows:
            mark = '**' if 'chosen' in heat else ''
            short = options.replace('-D', '')
            lines.append(f'| {mark}{entry}{mark} | {short} | {registers} | {spill} | {local} | {waves} |')
    lines += ['', 'In bold: what plans of the examples use where nothing was tuned.']
    if spills:
        lines += ['', '## Known spills', '']
        lines += [f'- {" ".join(key)}: {reason}' for key, reason in spills.items()]
    return '\n'.join(lines) + '\n'


def spill_reason(kernel, spills):
    for (target, file, entry, *pieces), reason in spills.items():
        if (target in ('*', kernel.target) and (file, entry) == (kernel.file, kernel.entry) and
                all('-D' + piece in kernel.options.split() for piece in pieces)):
            return reason
    return None


def fault(kernel, table, spills, same_compiler):
    """What is wrong with a kernel's figures, or None."""
    if kernel.error:
        return kernel.error
    if kernel.hot and kernel.figures[1] > 0 and not spill_reason(kernel, spills):
        return f'spills: {kernel.figures[1]}'
    if same_compiler and table.get(kernel.key) != kernel.figures:
        def text(figures):
            return ', '.join(f'{n} {f}' for n, f in zip(FIELDS, figures)) if figures else 'nothing'
        return f'{text(kernel.figures)}; the table has {text(table.get(kernel.key))}'
    return None


def main(program, root, update=False):
    program = os.path.abspath(program)
    os.chdir(root)
    here = pathlib.Path('tests/gpu-compile')
    table_path, page_path = here / 'table.tsv', pathlib.Path('docs/gpu-kernels.md')
    table, table_versions = read_table(table_path)
    spills = read_spills(here / 'spills.txt')
    compilers = {target: kind() for target, kind in TARGETS.items()}
    lacking = {target: c.lacks() for target, c in compilers.items()}
    versions = {target: c.version() for target, c in compilers.items() if not lacking[target]}
    kernels = [k for target in versions for k in list_kernels(program, root, target)]
    with tempfile.TemporaryDirectory() as folder:
        compile_all(kernels, compilers, program, folder)
    if update:
        broken = [f'{k.name()}: {k.error}' for k in kernels if k.error]
        if broken or len(versions) < len(TARGETS):
            sys.exit('\n'.join(broken) or f'lacking: {lacking}')
        write_table(table_path, kernels, versions)
        page_path.write_text(page_of(table_path, spills))
        return 0
    results = [(k.name(), fault(k, table, spills, versions[k.target] == table_versions.get(k.target)))
               for k in kernels]
    if versions == table_versions:
        gone = sorted(set(table) - {k.key for k in kernels})
        results.append(('the table has no other kernels', '; '.join(map(' '.join, gone)) or None))
    same = page_path.exists() and page_path.read_text() == page_of(table_path, spills)
    results.append((f'{page_path} is what the table says', None if same else 'run --update'))
    failed = 0
    skipped = [(target, names) for target, names in lacking.items() if names]
    print(f'1..{len(results) + len(skipped)}')
    for number, (name, wrong) in enumerate(results, 1):
        failed += wrong is not None
        print(f'{"ok" if wrong is None else "not ok"} {number} - {name}')
        if wrong is not None:
            print(f'# {wrong}')
    for number, (target, names) in enumerate(skipped, len(results) + 1):
        print(f'ok {number} - {target} # SKIP needs {" and ".join(names)}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], sys.argv[2], '--update' in sys.argv[3:]))
