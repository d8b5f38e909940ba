"""What the standalone program promises: check_binary.py PROGRAM KERNEL_FOLDER. Speaks TAP."""
import pathlib
import re
import subprocess
import sys

LIMIT_BYTES = 10 * 1000 * 1000
# glibc's own parts, which every Linux system with this C library has, and the OpenCL loader.
ALLOWED = re.compile(r'(libOpenCL|libc|libm|libdl|libpthread|librt|linux-vdso|'
                     r'/lib\S*/ld-linux\S*)\.so(\.\d+)*$')


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def foreign_libraries(program):
    needed = [line.split()[0] for line in output('ldd', program).splitlines() if line.strip()]
    return [library for library in needed if not ALLOWED.match(library)]


def sources_outside(program, folder):
    inside = pathlib.Path(program).read_bytes()
    sources = sorted(pathlib.Path(folder).glob('*.cl'))
    if not sources:
        return [f'no .cl file in {folder}']
    return [file.name for file in sources if file.read_bytes() not in inside]


def main(program, folder):
    size = pathlib.Path(program).stat().st_size
    cases = [
        ('needs only libOpenCL and the C library', foreign_libraries(program)),
        (f'is under {LIMIT_BYTES} bytes', [size] if size >= LIMIT_BYTES else []),
        ('is stripped', re.findall(r'\.symtab|\.debug_info', output('readelf', '-SW', program))),
        ('holds every kernel source', sources_outside(program, folder)),
    ]
    print(f'1..{len(cases)}')
    for number, (name, wrong) in enumerate(cases, 1):
        print(f'{"not ok" if wrong else "ok"} {number} - {name}')
        for item in wrong:
            print(f'# found: {item}')
    return 1 if any(wrong for _, wrong in cases) else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
