"""rebench beside every peer: `python -m benchmarks.peers [--quick] [--only NAME,…]`.

Each row is written as soon as it is measured, into `benchmarks/results/bench.json` (with `--quick`
`bench-quick.json`), over an older row of its name; then `docs/bench.md` is made anew from all such
files. `--page` makes only the page.
"""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime

from benchmarks.peers.measure import ROOT, compare
from benchmarks.peers.page import FILES, page, read_results
from benchmarks.peers.table import COMPARISONS, Comparison
from results.environment import environment, package_versions

PEERS = (
    "mteb", "FlagEmbedding", "sentence-transformers", "transformers", "torch", "ranx",
    "ir-measures", "bm25s", "gensim", "faiss-cpu", "numpy", "scipy", "numba",
)  # fmt: skip


def measured(comparison: Comparison, *, quick: bool) -> dict[str, object]:
    """Return the row, with when and on what it was measured."""
    sizes = comparison.sizes
    size, runs = (sizes.quick, sizes.quick_runs) if quick else (sizes.full, sizes.full_runs)
    machine = environment()
    return {
        **compare(comparison, size, runs),
        "date": datetime.now(UTC).date().isoformat(),
        "processor": machine.get("cpu"),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "python": machine.get("python"),
        "versions": package_versions(PEERS),
    }


def main() -> None:
    """Measure what is asked for and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, fewer runs")
    parser.add_argument("--only", default="", help="names of comparisons, with commas")
    parser.add_argument("--page", action="store_true", help="only write the page")
    options = parser.parse_args()
    file = ROOT / "benchmarks" / "results" / FILES["quick" if options.quick else "full"]
    known = {each.name: each for each in COMPARISONS}
    chosen = options.only.split(",") if options.only else list(known)
    if unknown := set(chosen) - known.keys():
        parser.error(f"no comparison is called {', '.join(unknown)}; known: {', '.join(known)}")
    rows = read_results(file)
    for name in [] if options.page else chosen:
        rows[name] = measured(known[name], quick=options.quick)
        print(name, rows[name].get("failed") or rows[name]["processor_time"], flush=True)
        kept = [rows[each] for each in known if each in rows]
        file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    (ROOT / "docs" / "bench.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
