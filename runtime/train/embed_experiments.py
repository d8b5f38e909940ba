#!/usr/bin/env python3
"""Writes the built-in experiments as a C file: embed_experiments.py OUTPUT.c NAME.yaml …"""
import pathlib
import sys

LOOKUP = """
const char *umb__builtin_experiment(const char *name)
{
    for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++) {
        if (strcmp(builtin[i].name, name) == 0) { return (const char *)builtin[i].text; }
    }
    return NULL;
}
"""


def main():
    output, inputs = pathlib.Path(sys.argv[1]), [pathlib.Path(p) for p in sys.argv[2:]]
    lines = ['#include "experiment.h"', "#include <string.h>", ""]
    for index, path in enumerate(inputs):
        data = path.read_bytes() + b"\0"
        lines.append(f"static const unsigned char text_{index}[] = {{")
        lines += ["    " + ",".join(str(b) for b in data[i:i + 24]) + "," for i in range(0, len(data), 24)]
        lines.append("};")
    lines.append("static const struct {\n    const char *name;\n    const unsigned char *text;\n} builtin[] = {")
    lines += [f'    {{"{path.stem}", text_{index}}},' for index, path in enumerate(inputs)]
    lines.append("};")
    output.write_text("\n".join(lines) + LOOKUP)


if __name__ == "__main__":
    main()
