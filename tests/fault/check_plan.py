"""check_plan.py JSON SVG DOT: the three forms of `umbel plan` are well-formed and say the same.

The schedule in the JSON is the measure: the picture has a lane a queue, a box a launch, an arrow a
wait, a column a head; the graph has a node a node, a cluster a part, a dashed edge a wait.
"""
import json
import re
import sys
import xml.etree.ElementTree as ElementTree


def check(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: found {found!r}, expected {expected!r}")


def marked(tree, kind, css):
    """Elements of one kind that have the class."""
    svg = "{http://www.w3.org/2000/svg}"
    return [e for e in tree.iter(svg + kind) if css in e.get("class", "").split()]


def check_schedule(plan):
    """Waits are for earlier launches of other queues; times keep to them and to the queues."""
    schedule = plan["schedule"]
    part = {node["name"]: node["part"] for node in plan["nodes"]}
    check("launches", len(schedule), plan["steps"])
    last = {}
    for number, launch in enumerate(schedule):
        check("step", launch["step"], number)
        parts = {part[node] for node in launch["nodes"]}
        check(f"parts of step {number}", set(launch["parts"]), parts)
        before = [schedule[w] for w in launch["waits"]]
        for other in before:
            check("a wait is for another queue", other["queue"] != launch["queue"], True)
        if launch["queue"] in last:
            before.append(schedule[last[launch["queue"]]])
        for times in ("expected_ms", "traced_ms"):
            for other in before:
                check(f"{times} of step {number} begins behind step {other['step']}",
                      other[times]["end"] <= launch[times]["start"] + 1e-4, True)
        last[launch["queue"]] = number
    end = max(s["traced_ms"]["end"] for s in schedule)
    check("makespan", abs(end / plan["makespan_ms"] - 1) < 1e-3, True)
    check("something is critical", any(s["critical"] for s in schedule), True)


def check_svg(path, plan, tasks):
    tree = ElementTree.parse(path)
    labels = ["".join(e.itertext()) for e in marked(tree, "g", "lane")]
    queues = [f"queue {q}" for q in range(plan["queues"])]
    check("lanes", [label for label in labels if label != "upload"], queues)
    boxes = marked(tree, "g", "launch")
    check("boxes", len(boxes), plan["steps"])
    titles = sorted(box[0].text.split("\n")[0] for box in boxes)
    check("tooltips", titles, sorted(launch["nodes"][0] for launch in plan["schedule"]))
    legend = sum(len(marked(g, "path", "s-wait")) for g in marked(tree, "g", "legend"))
    waits = sum(len(launch["waits"]) for launch in plan["schedule"])
    check("arrows", len(marked(tree, "path", "s-wait")) - legend, waits)
    critical = sum(launch["critical"] for launch in plan["schedule"])
    check("critical path", len(marked(tree, "rect", "s-critical")), critical)
    check("heads", [head[0].text for head in marked(tree, "g", "head")], tasks)
    forward = [n["name"] for n in plan["nodes"]
               if n["steps"] and n["phase"] in ("forward", "loss")]
    drawn = [n[0].text.split("\n")[0] for n in marked(tree, "g", "node")]
    check("network", sorted(drawn), sorted(forward))
    numbers = [float(x) for e in tree.iter() for k, x in e.items()
               if k in ("x", "y", "width", "height") and not x.endswith("%")]
    check("coordinates", all(-1e4 < x < 1e5 for x in numbers), True)


TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|[A-Za-z_0-9.]+|->|[{}\[\]=,;]|\s+')


def check_dot(path, plan, tasks):
    """Every character belongs to a token of the language, and brackets close."""
    text = open(path, encoding="utf-8").read()
    at, tokens, depth = 0, [], 0
    while at < len(text):
        token = TOKEN.match(text, at)
        if not token:
            sys.exit(f"{path}: no token at {text[at:at + 40]!r}")
        at = token.end()
        if not token.group().isspace():
            tokens.append(token.group())
            depth += (tokens[-1] == "{") - (tokens[-1] == "}")
            check("braces", depth >= 0, True)
    check("braces", depth, 0)
    check("clusters", sum(t.startswith("cluster_") for t in tokens), 1 + len(tasks))
    labels = [tokens[i + 2][1:-1] for i, t in enumerate(tokens) if t == "label"]
    for task in ["trunk", *tasks]:
        check(f"a cluster of {task}", task in labels, True)
    nodes = [label for label in labels if "\\n" in label]
    check("nodes", len(nodes), len(plan["nodes"]))
    name = {tokens[i - 2]: tokens[i + 2][1:-1].split("\\n")[0] for i, t in enumerate(tokens)
            if t == "label" and tokens[i - 1] == "["}
    dashed = [(name[tokens[i - 6]], name[tokens[i - 4]])
              for i, t in enumerate(tokens) if t == "dashed"]
    first = [launch["nodes"][0] for launch in plan["schedule"]]
    waits = [(first[w], launch["nodes"][0])
             for launch in plan["schedule"] for w in launch["waits"]]
    check("dashed edges", sorted(dashed), sorted(waits))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    tasks = []
    for node in plan["nodes"]:
        if node["op"].endswith(("cross_entropy", "mse")) and node["part"] not in tasks:
            tasks.append(node["part"])
    check("heads of nodes", set(n["part"] for n in plan["nodes"]), {"trunk", *tasks})
    check_schedule(plan)
    check_svg(sys.argv[2], plan, tasks)
    check_dot(sys.argv[3], plan, tasks)
    print("the forms agree on", len(plan["schedule"]), "launches of", len(tasks), "heads")


main()
