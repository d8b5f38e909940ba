"""check_relate.py DIR JSON: relate.html and relate.svg of DIR are well-formed, and show what JSON says.

The page loads nothing: it has no script, and no address outside of it.
"""
import json
import math
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

SVG = "{http://www.w3.org/2000/svg}"
folder = pathlib.Path(sys.argv[1])
said = json.load(open(sys.argv[2], encoding="utf-8"))
page = (folder / "relate.html").read_text(encoding="utf-8")
for stray in ("<script", "http:", "https:", "url("):
    if stray in page:
        sys.exit(f"the page has {stray}")
maps = [ElementTree.fromstring(drawing) for drawing in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
maps = [tree for tree in maps if tree.find("g") is not None]
names = [task["task"] for task in said["tasks"]]
for task in said["tasks"]:
    if f"<th>{task['task']}</th>" not in page:
        sys.exit(f"the page has no row for {task['task']}")
    if sum(task["counts"]) not in (0, task["labelled"]) and task["kind"] == "class":
        sys.exit(f"{task['task']}: {task['counts']} are not {task['labelled']} labels")


def defined(relation):
    return any(value is not None for s, row in enumerate(relation["matrix"])
               for t, value in enumerate(row) if s != t)


def number(text):
    return math.inf if text == "∞" else None if text == "–" else float(text.replace("−", "-"))


shown = [relation for relation in said["relations"] if defined(relation)]
if len(shown) != len(maps):
    sys.exit(f"{len(maps)} heat maps; expected {len(shown)}")
for relation, tree in zip(shown, maps):
    cells = {}
    for group in tree.iter("g"):
        if group.get("class") == "cell":
            pair, value = group.find("title").text.rsplit(": ", 1)
            cells[tuple(pair.split(", "))] = number(value)
    for s, row in enumerate(relation["matrix"]):
        for t, value in enumerate(row):
            value = math.inf if value == "infinite" else value
            cell = cells.get((names[s], names[t]), "missing")
            if s == t and cell == "missing":
                continue
            same = cell == value or (None not in (cell, value) and abs(cell - value) <= 0.006)
            if not same:
                sys.exit(f"{relation['measure']}: {names[s]}, {names[t]} is drawn as {cell}; "
                         f"expected {value}")
drawn = ElementTree.parse(folder / "relate.svg").getroot() if shown else None
whole = [relation for relation in shown if relation["part"] is None]
if shown and sum(g.get("class") == "heat-map" for g in drawn.iter(SVG + "g")) != len(whole):
    sys.exit("relate.svg has another number of maps")
print(len(maps), "heat maps show what is said")
