"""check_trace.py JSON [--spoil]: a trace is what Perfetto expects; --spoil gives it hostile names.
"""
import json
import sys


def check(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: found {found!r}, expected {expected!r}")


def check_trace(trace):
    events, about = trace["traceEvents"], trace["otherData"]
    bars = [e for e in events if e["ph"] == "X"]
    rows = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    order = [e["tid"] for e in events if e["name"] == "thread_sort_index"]
    check("processes", sum(e["name"] == "process_name" for e in events), 1)
    check("rows of bars", {b["tid"] for b in bars} <= set(rows), True)
    check("order of rows", sorted(order), sorted(rows))
    starts = {e["id"]: e for e in events if e["ph"] == "s"}
    ends = {e["id"]: e for e in events if e["ph"] == "f"}
    waits = sum(len(b["args"].get("waits", [])) for b in bars)
    check("arrows", (len(starts), len(ends)), (waits, waits))
    for number, start in starts.items():
        for end in (start, ends[number]):
            inside = [b for b in bars if b["tid"] == end["tid"]
                      and b["ts"] <= end["ts"] <= b["ts"] + b["dur"]]
            check(f"bars at an end of arrow {number}", len(inside) > 0, True)
        check(f"rows of arrow {number} differ", start["tid"] != ends[number]["tid"], True)
    names = [b["name"] for b in bars if b["cat"] == "transfer"]
    check("transfers", names, ["upload", "read-back"])
    for key in ("bound_ms", "makespan_ms"):
        check(key, about[key] > 0, True)
    steps = [b for b in bars if b["cat"] != "transfer"]
    first = min(b["ts"] for b in steps)
    last = max(b["ts"] + b["dur"] for b in steps)
    check("makespan", abs((last - first) * 1e-3 - about["makespan_ms"]) < 1e-4, True)
    marks = [e["name"] for e in events if e["ph"] == "i"]
    check("marks", marks, ["lower bound", "end of the step"])


HOSTILE = ["</title><script>alert('x')</script>", "&amp;&\"'<>]]>", "a\u0001b\u001f\uffff\ufffe",
           "größe🌼", "n" * 200, ""]


def spoil(trace):
    trace["otherData"].update(experiment=HOSTILE[0], device=HOSTILE[1], tasks=[*HOSTILE, 7, None])
    for number, event in enumerate(trace["traceEvents"]):
        event["name"] = event["name"] if event["ph"] == "M" else HOSTILE[number % len(HOSTILE)]
        args = event.get("args", {})
        if "name" in args:
            args["name"] = HOSTILE[number % len(HOSTILE)]
        if "nodes" in args:
            args.update(nodes=[HOSTILE[(number + i) % len(HOSTILE)] for i in range(3)],
                        kernel=HOSTILE[2], solver=HOSTILE[0],
                        parts=[HOSTILE[number % len(HOSTILE)], "none", 3])
        if "waits" in args:
            args["waits"] += [-1, 10**12, "x", number % 5]
    trace["traceEvents"] += [7, None, {"ph": "X", "ts": 0, "dur": 1e3, "tid": 63, "cat": "loss"},
                             {"ph": "X", "ts": -1, "dur": 1, "tid": 0},
                             {"ph": "X", "tid": 1e9, "dur": 1}]


with open(sys.argv[1], encoding="utf-8") as file:
    read = json.load(file)
check_trace(read)
if sys.argv[2:] == ["--spoil"]:
    spoil(read)
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(read, file)
print(sys.argv[1], "is whole")
