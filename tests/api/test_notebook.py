"""What a notebook does in five lines, and what every result offers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rebench
from tests.helpers.small_task import write_beir

MEASURE = """
import rebench, numpy as np
def encode(texts):
    return np.array([[text.count(letter) for letter in "aeioustr"] for text in texts])
entry = rebench.evaluate(encode, "tides", name="letters")["tides"]
value = entry.metrics["ndcg@10"]
"""
COMPARE = """
import rebench
rebench.evaluate("bm25", "tides")
comparison = rebench.compare("bm25", "letters", tasks="tides")
p = comparison.overall[0].p_corrected
print(comparison.markdown())
"""


@pytest.fixture
def tides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a small task's folder, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return write_beir(tmp_path / "tides")


def letters(texts: list[str]) -> np.ndarray:
    return np.array([[text.count(letter) for letter in "aeioustr"] for text in texts])


def test_five_lines_to_a_row_and_five_to_a_corrected_p(
    tides: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(MEASURE.strip().splitlines()) == len(COMPARE.strip().splitlines()) == 5
    names: dict[str, object] = {}
    exec(MEASURE, names)
    assert capsys.readouterr().out == ""
    assert 0 <= names["value"] <= 1  # type: ignore[operator]
    exec(COMPARE, names)
    assert 0 < names["p"] <= 1  # type: ignore[operator]
    assert "| tides |" in capsys.readouterr().out
    (row,) = [r for r in rebench.leaderboard(kinds=["measured"]).rows() if r["model"] == "letters"]
    assert row["mean"] == names["value"]


def test_importing_rebench_loads_nothing_heavy() -> None:
    code = (
        "import sys, rebench; heavy = {'torch', 'numpy', 'ranx', 'matplotlib', 'transformers', "
        "'harness', 'models'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_public_name_has_a_home() -> None:
    for name in rebench.__all__:
        assert getattr(rebench, name) is not None
    assert set(rebench.__all__) == {each for names in rebench._HOMES.values() for each in names}
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        _ = rebench.evalute


def test_every_result_is_a_table(tides: Path) -> None:
    results = [rebench.evaluate(letters, tides, name="letters"), rebench.evaluate("bm25", tides)]
    results += [rebench.compare("bm25", "letters"), rebench.leaderboard(), rebench.verify()]
    for result in results:
        rows = result.rows()
        assert result.to_pandas().shape == (len(rows), len(rows[0]))
        assert json.loads(json.dumps(result.to_dict(), allow_nan=False))
        assert "|" in result.markdown()
        assert result._repr_html_().startswith("<table>")
    assert rebench.verify().sound


def test_results_cannot_be_changed(tides: Path) -> None:
    evaluation = rebench.evaluate("bm25", tides)
    with pytest.raises(AttributeError):
        evaluation.outcomes = ()  # type: ignore[misc]


def test_folders_are_arguments(tides: Path, tmp_path: Path) -> None:
    rebench.evaluate(letters, tides, name="l", version="1", results="r", cache="c")
    assert list((tmp_path / "r").rglob("entry.json"))
    assert list((tmp_path / "c").rglob("space.json"))
    rebench.evaluate("bm25", tides, record=False, results="none")
    assert not (tmp_path / "none").exists()


def test_a_loaded_task_is_a_task(tides: Path) -> None:
    task = rebench.load_task(tides)
    assert rebench.evaluate("bm25", task).metrics == rebench.evaluate("bm25", tides).metrics
    retriever = rebench.load_model("bm25")
    assert retriever.name == "bm25"


def test_score_and_report(tides: Path, tmp_path: Path) -> None:
    run = tmp_path / "run.trec"
    run.write_text("q1 Q0 moon.txt 1 0.9 x\nq2 Q0 engine 1 0.5 x\n", encoding="utf-8")
    scored = rebench.score(run, tides, name="theirs", record=True)
    assert scored.metrics["ndcg@10"] == 0.5
    rebench.evaluate("bm25", tides)
    written = rebench.report("out", "theirs", "bm25", tasks=str(tides))
    assert "# theirs against bm25" in written.paths[0].read_text(encoding="utf-8")


def test_errors_are_ours_and_warnings_are_python_warnings(tides: Path, tmp_path: Path) -> None:
    with pytest.raises(rebench.RebenchError, match="Did you mean bm25"):
        rebench.evaluate("bm52", tides)
    with pytest.raises(rebench.RebenchError, match="one system has nothing"):
        rebench.compare("bm25")
    run = tmp_path / "run.trec"
    run.write_text("q1 Q0 moon.txt 1 0.9 x\n", encoding="utf-8")
    with pytest.warns(rebench.RebenchWarning, match="not in the run and score 0"):
        rebench.score(run, tides, name="theirs")
