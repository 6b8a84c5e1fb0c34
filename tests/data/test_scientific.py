"""The embedded tasks over numpy and scipy: their corpus, their gold, and the versions they take."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version

import pytest

from harness.core.errors import DataUnavailable
from harness.core.hashing import task_fingerprint
from harness.core.types import Corpus, Task
from harness.data import embedded_task
from harness.data.embedded import TASKS
from harness.data.scientific.modules import MODULES
from harness.data.scientific.task import (
    LEAST,
    LEVELS,
    SCIENTIFIC,
    build_corpus,
    documents_of,
)
from harness.data.situations import read_judged, read_situations
from tests.helpers.lowest import lowest_scientific, lowest_versions

VERSIONS = f"numpy-{version('numpy')}, scipy-{version('scipy')}"
SITUATIONS = read_situations(SCIENTIFIC.collection)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Return the corpus of what is installed."""
    return build_corpus()


@pytest.fixture(scope="module")
def lowest() -> frozenset[str]:
    """Return what the lowest versions document that the project takes."""
    return frozenset(documents_of([lowest_scientific()]))


@pytest.fixture(scope="module", params=SCIENTIFIC.tasks)
def task(request: pytest.FixtureRequest) -> Task:
    """Return each task as it ships."""
    return TASKS[request.param].load()


def gold() -> set[str]:
    """Return every relevant document."""
    return {name for each in SITUATIONS for name in each.grades}


def test_documents_are_long_and_distinct(corpus: Corpus):
    bodies = [text.partition("\n\n")[2] for text in corpus.texts]
    assert 2700 <= len(corpus) <= 3300
    assert list(corpus.ids) == sorted(set(corpus.ids))
    assert len(set(bodies)) == len(bodies)
    assert min(map(len, bodies)) > LEAST
    lengths = sorted(len(body.split()) for body in bodies)
    assert lengths[len(lengths) // 2] > 150


@pytest.mark.parametrize(
    "name",
    [
        "numpy.linalg.lstsq", "numpy.random.Generator.choice", "scipy.signal.savgol_filter",
        "scipy.stats.norm", "scipy.optimize.linear_sum_assignment", "scipy.sparse.csr_array",
    ],
)  # fmt: skip
def test_holds(corpus: Corpus, name: str):
    assert name in corpus.ids


@pytest.mark.parametrize("name", ["numpy.abs", "scipy.linalg.blas.dgemm", "numpy.pi"])
def test_leaves_out_other_names_wrappers_and_values(corpus: Corpus, name: str):
    assert name not in corpus.ids


def test_every_document_is_where_it_says(corpus: Corpus):
    for name, text in zip(corpus.ids, corpus.texts, strict=True):
        parts = name.split(".")
        depth = max(n for n in range(1, len(parts) + 1) if ".".join(parts[:n]) in MODULES)
        value: object = import_module(".".join(parts[:depth]))
        for part in parts[depth:]:
            value = getattr(value, part)
        assert text.startswith(f"{name}\n\n")


def test_texts_are_the_same_at_every_import(corpus: Corpus):
    """SciPy orders sets by the hash seed and draws random examples when it is imported."""
    assert build_corpus() == corpus
    assert not [text for text in corpus.texts if re.search(r" at 0x[0-9a-f]{9,}\b.*vary", text)]


def test_gold_is_in_the_lowest_and_in_the_installed_versions(
    corpus: Corpus, lowest: frozenset[str]
):
    assert len(SITUATIONS) >= 150
    assert gold() - lowest == set()
    assert gold() - set(corpus.ids) == set()


def test_the_lowest_versions_are_others(corpus: Corpus, lowest: frozenset[str]):
    assert lowest_versions().keys() == {"numpy", "scipy"}
    assert lowest != set(corpus.ids)
    assert len(lowest & set(corpus.ids)) > 0.9 * len(corpus)


def test_each_describes_itself(task: Task):
    level = SCIENTIFIC.tasks[task.name]
    assert (task.group, task.revision) == ("scientific", f"gold-1, {VERSIONS}")
    assert task.corpus_key == VERSIONS
    assert [query.text for query in task.queries] == [each.wordings[level] for each in SITUATIONS]
    assert task.notes == ()


def test_the_fingerprint_names_both_versions(task: Task, monkeypatch: pytest.MonkeyPatch):
    assert task_fingerprint(task).startswith(f"{VERSIONS}:")
    other = replace(task, corpus_key="numpy-2.0.0, scipy-1.13.0")
    assert task_fingerprint(other) != task_fingerprint(task)


def test_the_levels_go_from_less_reasoning_to_more():
    assert tuple(SCIENTIFIC.tasks.values()) == LEVELS == ("paraphrase", "oblique")


def test_judgements_have_two_grades_and_keep_what_does_not_help(task: Task):
    judged = read_judged(SCIENTIFIC.collection)
    for each in SITUATIONS:
        grades = task.qrels[each.id]
        assert {name for name, grade in grades.items() if grade == 2} == set(each.answers)
        assert {name for name, grade in grades.items() if grade == 1} == set(each.helps)
        assert grades.keys() == set(judged[each.id])
        assert len(grades) > 40


def test_a_version_without_a_relevant_object_is_refused(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
):
    gone = SITUATIONS[3].answers[0]
    rest = tuple(name for name in corpus.ids if name != gone)
    monkeypatch.setattr(embedded_task, "_built", lambda build: Corpus(rest, rest))
    with pytest.raises(DataUnavailable) as caught:
        TASKS["scientific-oblique"].load()
    assert gone in caught.value.message
    assert VERSIONS in caught.value.message
    assert "version" in caught.value.fix
