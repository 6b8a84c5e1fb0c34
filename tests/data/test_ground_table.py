"""The table of grounds: what it adds up to, what is read for each, and what is told."""

import re

import pytest

from harness.core.progress import SilentReporter
from harness.data.bright_tasks import TASKS
from harness.data.grounds.table import GROUNDS, OLDER_GOLD
from harness.data.registry import TaskOptions, group_members, load_task, task_wordings
from models.prompts import render
from models.registry import shipped_cards
from results.published import GROUPS
from tests.helpers import ground_layouts as layouts


class Listener(SilentReporter):
    """Keeps warnings."""

    def __init__(self):
        self.warnings = []

    def warn(self, message):
        self.warnings.append(message)


@pytest.mark.parametrize(
    ("group", "tasks", "queries", "documents", "gold"),
    [
        ("r2med", 8, 876, 356_859, 2_679),
        ("bright-pro", 7, 739, 526_319, 5_272),
        ("tempo", 13, 1_730, 1_654_055, None),
        ("nano-bright", 20, 2_245, 121_771, 9_287),
        ("nano-r2med", 8, 876, 80_000, 2_678),
    ],
)
def test_groups_add_up_to_what_their_makers_print(group, tasks, queries, documents, gold):
    rows = [GROUNDS[name].counts for name in group_members(group)]
    assert len(rows) == tasks
    assert sum(row.queries for row in rows) == queries
    assert sum(row.documents for row in rows) == documents
    if gold is not None:
        assert sum(row.gold_pairs for row in rows) == gold


def test_revisions_are_whole_commits():
    for ground in GROUNDS.values():
        assert ground.revision == "" or re.fullmatch("[0-9a-f]{40}", ground.revision), ground.name
        assert ground.related == "" or ground.related in TASKS
        assert bool(ground.related) == bool(ground.difference)


def test_published_groups_have_the_tasks_that_are_measured():
    for group, members in GROUPS.items():
        assert set(members) == set(group_members(group))


@pytest.mark.parametrize(
    ("task", "wanted"),
    [
        ("r2med-biology", "Given a Biology post, retrieve relevant passages that help answer the "
         "post."),
        ("r2med-bioinf", "Given a Bioinformatics post, retrieve relevant passages that help answer "
         "the post."),
        ("r2med-medsci", "Given a Medical Science post, retrieve relevant passages that help "
         "answer the post."),
        ("r2med-medexam", "Given a Medical Exam, retrieve relevant passages that help answer the "
         "exam."),
        ("nano-r2med-meddiag", "Given a Medical Exam, retrieve relevant passages that help answer "
         "the exam."),
        ("r2med-pmc-tr", "Given a Clinical Case, retrieve relevant passages that help answer the "
         "case."),
        ("r2med-pmc-cl", "Given a Clinical Case, retrieve similar cases that help diagnose the "
         "case."),
        ("r2med-iiyi-cl", "Given a Clinical Case, retrieve similar cases that help diagnose the "
         "case."),
        ("bright-pro-earth_science", "Given an Earth Science post, retrieve relevant passages that "
         "help answer the post."),
        ("nano-bright-leetcode", "Given a Coding problem, retrieve relevant examples that help "
         "answer the problem."),
    ],
)  # fmt: skip
def test_instructions_are_their_authors(task, wanted):
    text = render(shipped_cards()["reasonembed-qwen3-8b"], "query", task_wordings()[task])
    assert text == f"Instruct: {wanted}\nQuery: "


def data(tmp_path, name, layout):
    folder = tmp_path / GROUNDS[name].repository
    folder.mkdir(parents=True)
    layout(folder)
    return TaskOptions(data_dir=tmp_path)


def test_counts_that_differ_are_told_and_kept(tmp_path):
    options = data(tmp_path, "r2med-biology", layouts.r2med)
    reporter = Listener()
    task = load_task("r2med-biology", options, reporter)
    assert (task.group, task.revision) == ("r2med", "local")
    assert [re.sub("; results.*", "", text) for text in reporter.warnings] == [
        "r2med-biology: 2 queries where R2MED/Biology at 8b9fec2 has 103",
        "r2med-biology: 3 documents where R2MED/Biology at 8b9fec2 has 57,359",
        "r2med-biology: 2 gold pairs where R2MED/Biology at 8b9fec2 has 374",
    ]
    assert set(reporter.warnings) <= set(task.notes)
    assert f"r2med-biology: {OLDER_GOLD}" in task.notes


def test_r2med_never_ranks_a_document_of_the_querys_id(tmp_path):
    options = data(tmp_path, "r2med-iiyi-cl", layouts.r2med)
    task = load_task("r2med-iiyi-cl", options)
    assert task.excluded == {"1": frozenset({"1"}), "2": frozenset({"2"})}


def test_of_several_texts_of_a_document_of_r2med_the_last_counts(tmp_path):
    def layout(folder):
        layouts.r2med(folder)
        rows = layouts.corpus("id", title=False)
        layouts.write(folder / "corpus.jsonl", [*rows, {"id": "d2", "text": "later"}])

    task = load_task("r2med-medsci", data(tmp_path, "r2med-medsci", layout))
    assert task.corpus.text_of["d2"] == "later"
    assert len(task.corpus) == 3


def test_gold_outside_the_corpus_is_told(tmp_path):
    def layout(folder):
        layouts.r2med(folder)
        layouts.write(folder / "corpus.jsonl", [{"id": "d2", "text": "x"}])

    task = load_task("r2med-medsci", data(tmp_path, "r2med-medsci", layout))
    assert "r2med-medsci: 1 gold documents are not in the corpus, such as 'd 1'" in task.notes


@pytest.mark.parametrize(
    ("name", "layout", "lists"),
    [
        ("bright-pro-economics", layouts.bright_pro, []),
        ("tempo-bitcoin", layouts.tempo, []),
    ],
)
def test_grounds_are_read_from_a_folder_of_data(tmp_path, name, layout, lists):
    task = load_task(name, data(tmp_path, name, layout))
    assert task.name == name
    assert task.excluded == {"1": frozenset({"d3"})}
    assert list(task.candidates) == lists
    assert task.prompt_fields == GROUNDS[name].prompt_fields
