"""check_report.py HTML: every drawing of a report is well-formed, and the timeline has its marks.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree

drawings = re.findall(r"<svg.*?</svg>", open(sys.argv[1], encoding="utf-8").read(), re.DOTALL)
trees = [ElementTree.fromstring(drawing) for drawing in drawings]
timelines = [tree for tree in trees if tree.get("class") == "timeline"]
if len(timelines) != 1:
    sys.exit(f"{len(timelines)} timelines among {len(drawings)} drawings; expected 1")
classes = [e.get("class", "") for e in timelines[0].iter()]
for mark in ("lane", "launch", "s-end", "s-bound", "s-critical"):
    if mark not in classes:
        sys.exit(f"the timeline has no {mark}")
print(len(drawings), "drawings are well-formed")
