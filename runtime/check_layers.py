#!/usr/bin/env python3
"""Refuses an include that climbs, and OpenCL outside the layers that may call it.

Usage: check_layers.py ROOT. Prints each offence as FILE:LINE: what; exits 1 if there is any. The
build runs it first, so that an upward include does not build.
"""
import pathlib
import re
import sys

# Who may include whom, lowest first. data stands beside task: it knows nothing of devices.
BELOW = {
    "base": set(),
    "device": {"base"},
    "program": {"base", "device"},
    "tensor": {"base", "device", "program"},
    "ops": {"base", "device", "program", "tensor"},
    "graph": {"base", "device", "program", "tensor", "ops"},
    "task": {"base", "device", "program", "tensor", "ops", "graph"},
    "data": {"base"},
    "train": {"base", "device", "program", "tensor", "ops", "graph", "task", "data"},
}
# The layer that each public header belongs to. umbel.h includes all and is for users only.
PUBLIC = {"status.h": "base", "context.h": "base", "device.h": "device", "shape.h": "base",
          "net.h": "task", "data.h": "data", "train.h": "train", "soft_sharing.h": "task",
          "umbel.h": "user"}
OPENCL_FILES = {"runtime/ops/gemm_clblast.c", "runtime/ops/clblast_sets.c"}
OPENCL_LAYERS = {"device", "program"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
OPENCL_CALL = re.compile(r"\bcl[A-Z]\w+\s*\(")


def layer_headers(root):
    """File name → layer, over the internal headers; names are unique across layers."""
    found, problems = {}, []
    for layer in BELOW:
        for header in sorted((root / "runtime" / layer).glob("*.h")):
            if header.name in found:
                problems.append(f"{header}:1: a header of this name is in {found[header.name]} too")
            found[header.name] = layer
    return found, problems


def check_file(root, path, layer, headers):
    relative = path.relative_to(root).as_posix()
    opencl = layer in OPENCL_LAYERS or relative in OPENCL_FILES
    allowed = BELOW[layer] | {layer}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            name = match.group(2)
            if ".." in name:
                yield f"{relative}:{number}: include of {name}: no '..' in includes"
            elif name.startswith("CL/") or name in ("cl_handles.h", "clblast_c.h"):
                if not opencl:
                    yield f"{relative}:{number}: include of {name}: OpenCL belongs to device and program"
            elif name.startswith("umbel/"):
                owner = PUBLIC.get(name[len("umbel/"):])
                if owner is None:
                    yield f"{relative}:{number}: include of {name}: add it to PUBLIC in check_layers.py"
                elif owner not in allowed:
                    yield f"{relative}:{number}: include of {name}: {layer} may not know {owner}"
            elif match.group(1) == '"' and name in headers and headers[name] not in allowed:
                yield f"{relative}:{number}: include of {name}: {layer} may not know {headers[name]}"
        elif not opencl and OPENCL_CALL.search(line.split("//")[0]):
            yield f"{relative}:{number}: an OpenCL call outside device, program and the CLBlast provider"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    headers, problems = layer_headers(root)
    for layer in BELOW:
        for path in sorted((root / "runtime" / layer).glob("*.[ch]")):
            problems.extend(check_file(root, path, layer, headers))
    for path in sorted((root / "include" / "umbel").glob("*.h")):
        owner = PUBLIC.get(path.name)
        if owner is None:
            problems.append(f"include/umbel/{path.name}:1: add it to PUBLIC in check_layers.py")
        elif owner != "user":
            problems.extend(check_file(root, path, owner, headers))
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
