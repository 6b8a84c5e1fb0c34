"""`rebench ablate` from files to report: reuse, seeds, variants, failures, what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from results.store import ResultStore


def models(root: Path) -> dict[str, int]:
    """Return every run's weights and when they were written, in nanoseconds."""
    found = root.glob("runs/*/model/model.safetensors")
    return {path.parent.parent.name: path.stat().st_mtime_ns for path in found}


def stored(store: Path, variant: str, seed: int) -> dict[str, float]:
    """Return a run's per-query values as the store has them."""
    results = ResultStore(store)
    entries = [e for e in results.entries().entries if e.model == f"small-{variant}-s{seed}"]
    (entry,) = entries
    return dict(results.per_query(entry)["ndcg@10"])


def test_the_table_is_what_the_stored_values_say(finished):
    values = {
        name: np.array([list(stored(finished.store, name, seed).values()) for seed in (1, 2)])
        for name in ("infonce", "redapter")
    }
    means = {each["side"]: each for each in finished.values["means"]}
    for name, rows in values.items():
        by_seed = rows.mean(axis=1)
        assert means[name]["mean"] == pytest.approx(rows.mean())
        assert means[name]["deviation"] == pytest.approx(abs(by_seed[0] - by_seed[1]) / 2**0.5)
        assert list(means[name]["seeds"].values()) == pytest.approx(list(by_seed))
    (found,) = [
        each
        for each in finished.values["differences"]
        if (each["one"], each["other"]) == ("redapter", "infonce")
    ]
    gaps = values["redapter"] - values["infonce"]
    assert found["delta"] == pytest.approx(gaps.mean())
    assert found["queries"] == 12
    # The same mean squares as written out in loops.
    seeds, queries = gaps.shape
    square_q = seeds * sum((gaps[:, q].mean() - gaps.mean()) ** 2 for q in range(queries)) / 11
    square_s = queries * sum((gaps[s].mean() - gaps.mean()) ** 2 for s in range(seeds)) / 1
    square_e = sum(
        (gaps[s, q] - gaps[s].mean() - gaps[:, q].mean() + gaps.mean()) ** 2
        for s in range(seeds)
        for q in range(queries)
    ) / 11  # fmt: skip
    total = max(square_s, square_e) + max(square_q, square_e) - square_e
    assert found["error"] == pytest.approx((total / gaps.size) ** 0.5)
    low, high = found["interval"]
    reach = stats.t.ppf(0.975, found["degrees"]) * found["error"]
    assert (low, high) == pytest.approx((gaps.mean() - reach, gaps.mean() + reach))


def test_a_second_call_reuses_every_run(copy, ablate, monkeypatch):
    before = models(copy.root)
    assert len(before) == 4
    monkeypatch.setattr("redapter.train.train", None)
    done = ablate(copy.file, "-o", copy.root, "--results", copy.store, "--json")
    assert done.code == 0, done.err
    assert models(copy.root) == before
    assert all(run["reused"] for run in done.json["runs"])
    assert done.json["differences"] == copy.values["differences"]


def test_plan_says_what_is_reused_and_makes_nothing(copy, ablate):
    shutil.rmtree(next(copy.root.glob("runs/*")))
    before = sorted(copy.root.rglob("*"))
    done = ablate(copy.file, "-o", copy.root, "--results", copy.store, "--plan", "--json")
    assert done.code == 0, done.err
    states = [row["state"] for row in done.json["runs"]]
    assert sorted(states) == ["finished"] * 3 + ["to do"]
    assert done.json["seconds"] > 0
    assert sorted(copy.root.rglob("*")) == before


def test_more_seeds_train_only_the_new_runs(copy, ablate):
    before = models(copy.root)
    done = ablate(copy.file, "-o", copy.root, "--results", copy.store, "--seeds", "1,2,5", "--json")
    assert done.code == 0, done.err
    after = models(copy.root)
    assert len(after) == 6
    assert before.items() <= after.items()
    assert sorted(run["reused"] for run in done.json["runs"]) == [False] * 2 + [True] * 4


def test_other_code_is_another_run(copy, ablate, monkeypatch):
    from harness.ablation.redapter import RedapterTrainer

    monkeypatch.setattr(RedapterTrainer, "code", "other code")
    done = ablate(copy.file, "-o", copy.root, "--results", copy.store, "--plan", "--json")
    assert [row["state"] for row in done.json["runs"]] == ["to do"] * 4


def test_entries_name_what_they_were_trained_from(finished):
    entries = ResultStore(finished.store).entries().entries
    (own,) = [entry for entry in entries if entry.model == "small-redapter-s2"]
    (run,) = [
        each
        for each in finished.values["runs"]
        if (each["variant"], each["seed"]) == ("redapter", 2)
    ]
    lineage = own.identity["lineage"]
    assert lineage == {
        "run": run["key"], "data": run["data"], "code": finished.values["code"], "seed": 2,
    }  # fmt: skip
    assert own.facts["trained"] == {
        "ablation": "small", "variant": "redapter", "rows": 16, "steps": 8,
    }  # fmt: skip
    assert sum(entry.model == "base" for entry in entries) == 1  # the reference, once


def test_only_models_logs_and_reports_stay(finished):
    assert not list(finished.root.glob("runs/*/checkpoint-*"))
    assert not list(finished.root.glob("runs/*/vectors"))


def test_one_seed_is_said_to_be_one(copy, ablate):
    done = ablate(copy.file, "-o", copy.root, "--results", copy.store, "--seeds", "1")
    assert done.code == 0, done.err
    assert "One seed" in done.out
    text = (copy.root / "report.md").read_text()
    assert "over queries only" in text
    assert "queries only |" in text
    values = json.loads((copy.root / "report.json").read_text())
    assert values["means"][-1]["deviation"] is None
    assert all(each["p_mixed"] is not None for each in values["differences"])


def test_static_weights_read_the_loss_of_the_untrained_base(copy, ablate):
    done = ablate(
        copy.file, "-o", copy.root, "--results", copy.store, "--variants", "static", "--json"
    )
    assert done.code == 0, done.err
    assert [run["variant"] for run in done.json["runs"]] == ["infonce", "static"] * 2
    assert next(each["one"] for each in done.json["differences"]) == "static"
