#!/usr/bin/env python3
"""check_balancer.py METRICS NAME: every step's row has a weight for each task, and what NAME's rule sees of gradients."""
import json
import math
import sys

TASKS = {"shape": 2, "colour": 1, "position": 10, "mask": 3}
LOSSES = {"equal", "fixed", "random", "uncertainty", "dwa", "gls", "stch", "famo", "imtl_l"}
UNSEEN = LOSSES | {"excessmtl", "graddrop"}  # no products of gradients reach the host
GIVEN = {"equal": TASKS, "graddrop": TASKS, "fixed": {"shape": 2, "colour": 2, "position": 5, "mask": 3}}


def check(row, name):
    weights = row["weights"]
    assert set(weights) == set(TASKS), weights
    assert all(math.isfinite(w) for w in weights.values()), weights
    assert sum(abs(w) for w in weights.values()) > 0, weights
    if name in GIVEN:
        assert weights == GIVEN[name], weights
    conflict = row.get("conflict")
    assert (conflict is None) == (name in UNSEEN), conflict
    if conflict is None:
        return
    assert -1.001 <= conflict["least_cosine"] <= conflict["mean_cosine"] <= 1.001, conflict
    assert 0 <= conflict["share"] <= 1, conflict
    assert (conflict["share"] > 0) == (conflict["least_cosine"] < 0), conflict
    assert all(conflict["norms"][task] > 0 for task in TASKS), conflict


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        rows = [row for row in map(json.loads, file) if row["event"] == "step"]
    assert len(rows) >= 4, rows
    for row in rows:
        check(row, sys.argv[2])
    print(f"{sys.argv[2]}: {len(rows)} steps are told")


main()
