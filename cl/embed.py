#!/usr/bin/env python3
"""Writes the .cl files as C arrays: embed.py OUTPUT.c FILE.cl …"""
import pathlib
import sys


def main():
    output, inputs = pathlib.Path(sys.argv[1]), [pathlib.Path(p) for p in sys.argv[2:]]
    lines = ['#include "embedded.h"', ""]
    for index, path in enumerate(inputs):
        data = path.read_bytes() + b"\0"
        lines.append(f"static const unsigned char source_{index}[] = {{ /* {path.name} */")
        lines += ["    " + ",".join(str(b) for b in data[i:i + 24]) + "," for i in range(0, len(data), 24)]
        lines.append("};")
    lines.append("const struct umb_embedded_source umb__embedded_sources[] = {")
    for index, path in enumerate(inputs):
        lines.append(f'    {{"{path.name}", (const char *)source_{index}, sizeof source_{index} - 1}},')
    lines += ["};", f"const size_t umb__n_embedded_sources = {len(inputs)};", ""]
    output.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
