#!/bin/sh
# same_page.sh PROGRAM PAGE: what PROGRAM prints is PAGE.
"$1" | diff -u "$2" - || {
    echo "docs/layers.md is not what docs/layers_page.c prints: build layers_page and run it > docs/layers.md"
    exit 1
}
