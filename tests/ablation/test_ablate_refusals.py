"""What an ablation refuses, and a run that fails while the others go on."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def edited(finished, tmp_path):
    """Return a function that writes the small ablation's file with texts replaced or added."""

    def write(*replacements: tuple[str, str], more: str = "") -> str:
        text = finished.file.read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "edited.toml"
        path.write_text(text + more)
        return str(path)

    return write


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("recipe.loss.kind = \"infonce\"", "recipe.loss.knd = \"infonce\"",
         "variant 'infonce': unknown key 'loss.knd'"),
        ("recipe.loss.kind = \"infonce\"", "recipe.los.kind = \"infonce\"", "Did you mean loss"),
        ("title = \"InfoNCE\"", "titel = \"InfoNCE\"", "Did you mean variants.infonce.title"),
        ("baseline = ", "basline = ", "Did you mean baseline"),
        ("baseline = \"infonce\"", "baseline = \"infonec\"", "Did you mean infonce"),
        ("seeds = [1, 2]", "seeds = [1, 1]", "seeds = [1, 1]"),
        ("seeds = [1, 2]", "seeds = []", "Give different numbers"),
        ("seeds = [1, 2]", "seeds = [\"a\"]", "seeds[0] = 'a'"),
        ("seeds = [1, 2]", "seeds = [1, 2]\ncomparisons = [[\"redapter\", \"x\"]]",
         "unknown side of a comparison 'x'"),
        ("seeds = [1, 2]", "seeds = [1, 2]\ncomparisons = [[\"redapter\"]]", "must hold 2 items"),
        ("data.difficulty = \"base-loss\"", "data.difficulty = \"hard\"", "data.difficulty"),
        ("data.difficulty = \"base-loss\"", "data.dificulty = \"base-loss\"",
         "Did you mean data.difficulty"),
        ("data.difficulty = \"base-loss\"", "data.task = \"stdlib\"", "both given"),
    ],
)  # fmt: skip
def test_mistakes_in_the_file_are_named(ablate, edited, old, new, said):
    done = ablate(edited((old, new)), "--variants", "all", "--plan")
    assert done.code == 2, done.out
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("redaptr",), "Did you mean redapter"),
        (("nowhere.toml",), "no ablation at nowhere.toml"),
        (("redapter", "--preset", "paper-8"), "Did you mean paper-8b"),
        (("redapter", "--variants", "kapa-2"), "Did you mean kappa-2"),
        (("redapter", "--seeds", "one"), "--seeds 'one'"),
        (("redapter", "--tasks", "stdlb", "--plan"), "Did you mean stdlib"),
        (("redapter", "--set", "loss.kapa=1", "--plan"), "Did you mean loss.kappa"),
    ],
)
def test_mistakes_on_the_command_line_are_named(ablate, arguments, said):
    done = ablate(*arguments)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""


def test_two_variants_that_are_the_same(ablate, edited, tmp_path):
    twin = '\n[variants.again]\nrecipe.loss.kind = "redapter"\n'
    done = ablate(edited(more=twin), "-o", tmp_path / "out", "--plan")
    assert done.code == 2
    assert "'redapter' and 'again' of 'small' are the same" in done.err
    assert not list(tmp_path.glob("out/runs/*"))


def test_a_warm_up_longer_than_the_run_is_said(ablate, edited, copy):
    late = "\n[variants.late]\nrecipe.loss.warmup_steps = 99\n"
    done = ablate(
        edited(more=late), "-o", copy.root, "--results", copy.store, "--variants", "late",
        "--seeds", "1",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "late: warm-up of 99 steps, but the run has 8" in done.err
    assert "infonce and late ended in the same weights" in (copy.root / "report.md").read_text()


def test_a_loss_that_is_no_number_fails_its_run_alone(ablate, edited, tmp_path):
    wild = "\n[variants.wild]\nrecipe.train.learning_rate = 1e30\n"
    file = edited(more=wild)
    root = tmp_path / "out"
    done = ablate(file, "-o", root)
    assert done.code == 2
    assert "2 of 6 runs failed, the first of them wild with seed 1" in done.err
    assert "is not a number" in done.err
    text = (root / "report.md").read_text()
    assert "Failed: wild, seed 1" in text
    assert "wild − InfoNCE is not shown" in text
    values = json.loads((root / "report.json").read_text())
    assert [bool(run["failure"]) for run in values["runs"]] == [False, False, True] * 2
    compared = [(each["one"], each["other"]) for each in values["differences"]]
    assert ("redapter", "infonce") in compared
    assert all("wild" not in pair for pair in compared)


def test_what_the_paper_preset_needs_is_printed_and_missed(ablate, monkeypatch, tmp_path):
    import httpx2
    import huggingface_hub
    import torch

    def refuse(*_: object, **__: object) -> None:
        raise httpx2.ConnectError("no network")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", refuse)
    done = ablate("redapter", "--preset", "paper-8b")
    assert done.code == 2
    assert "81,659 rows" in done.err
    assert "ASSUMPTION" in done.err
    assert "1 CUDA device(s) (torch sees 0)" in done.err
    assert "dataset hanhainebula/reason-embed-data" in done.err
    assert "rebench ablate redapter" in done.err
    planned = ablate("redapter", "--preset", "paper-8b", "--plan")
    assert planned.code == 0, planned.err
    assert "9 runs, 0 of them reused; training data is made or fetched first" in planned.out
    assert "Hours: not known" in planned.out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pos": []}, "rows.jsonl, line 2: pos is empty"),
        ({"neg": []}, "rows.jsonl, line 2: neg is empty but its group of 4 needs 3"),
        ({"reasoning_query": ""}, "rebench remix reason"),
    ],
)
def test_rows_that_cannot_be_trained_on_are_named_before_any_run(
    ablate, finished, tmp_path, change, said
):
    rows = (finished.file.parent / "rows.jsonl").read_text().splitlines()
    rows[1] = json.dumps({**json.loads(rows[1]), **change})
    (tmp_path / "rows.jsonl").write_text("\n".join(rows) + "\n")
    path = json.dumps(str(tmp_path / "rows.jsonl"))
    done = ablate(finished.file, "-o", tmp_path / "out", "--set", f"data.path={path}")
    assert done.code == 2
    assert said in done.err
    assert not list(tmp_path.glob("out/runs/*"))


def test_a_gpu_recipe_without_a_gpu_stops_at_its_first_run(ablate, finished, tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    done = ablate(finished.file, "-o", tmp_path / "out", "--set", "train.device=cuda")
    assert done.code == 2
    assert "needs a CUDA device and torch sees none" in done.err
    assert not list(tmp_path.glob("out/runs/*/model"))
