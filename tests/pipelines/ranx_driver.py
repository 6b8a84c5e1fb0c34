"""Fuses with ranx, uncompiled: cases as JSON on stdin, fused scores as JSON on stdout.

Run with NUMBA_DISABLE_JIT=1 (compiling ranx's fusion takes minutes).
"""

from __future__ import annotations

import json
import sys

import numpy as np
import ranx
from ranx.fusion import fusion_switch
from ranx.normalization import norm_switch


def as_run(scores: dict[str, dict[str, float]]) -> ranx.Run:
    run = ranx.Run()
    run.run = {
        qid: dict(sorted(docs.items(), key=lambda each: each[1], reverse=True))
        for qid, docs in scores.items()
    }
    return run


def fuse(case: dict) -> dict[str, dict[str, float]]:
    runs = [as_run(each) for each in case["runs"]]
    norm = case["norm"]
    if norm == "borda":
        runs = norm_switch(norm)(runs)
    elif norm:
        runs = [norm_switch(norm)(run) for run in runs]
    fused = fusion_switch(case["method"])(runs, **case["params"])
    return {qid: {doc: float(s) for doc, s in docs.items()} for qid, docs in fused.run.items()}


if __name__ == "__main__":
    np.seterr(all="ignore")
    json.dump([fuse(case) for case in json.load(sys.stdin)], sys.stdout)
