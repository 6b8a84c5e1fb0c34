"""Tasks of the hub and of folders: every layout, what is recorded, and what is refused."""

import json
from contextlib import ExitStack

import pytest

from harness.core.errors import BadInput, DataUnavailable, UnknownName
from harness.core.progress import SilentReporter
from harness.data.candidates import candidate_run
from harness.data.registry import TaskOptions, load_task, resolve_tasks
from tests.helpers import fake_hub
from tests.helpers import ground_layouts as layouts

WANTED_QRELS = {"1": {"d 1": 2, "d2": 0}, "2": {"d2": 1}}
WANTED_TEXTS = ("Tides the moon pulls", "spores fall", "")


class Listener(SilentReporter):
    """Keeps notes and warnings."""

    def __init__(self):
        self.told = []

    def note(self, message):
        self.told.append(message)

    warn = note


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Return a function that serves a folder as a data set, in place of the hub."""
    with ExitStack() as opened:

        def start(folder, repository="org/data"):
            server = fake_hub.serve(folder, repository, "dataset")
            address, asked = opened.enter_context(server)
            fake_hub.use(monkeypatch, address, tmp_path / "hub-cache")
            return asked

        yield start


def load(name, reporter=None, **options):
    return load_task(name, TaskOptions(**options), reporter)


def made(tmp_path, layout, name="mine"):
    folder = tmp_path / name
    folder.mkdir()
    return folder, layout(folder)


@pytest.mark.parametrize("layout", layouts.MTEB_LIKE, ids=lambda each: each.__name__)
@pytest.mark.parametrize("place", ["folder", "hub"])
def test_every_layout_gives_the_same_task(tmp_path, hub, layout, place):
    folder, part = made(tmp_path, layout)
    if place == "hub":
        hub(folder)
    task = load(f"hub:org/data{part}" if place == "hub" else f"{folder}{part}")
    assert task.name == (f"hub:org/data{part}" if place == "hub" else f"mine{part}")
    assert task.revision == fake_hub.COMMIT if place == "hub" else len(task.revision) == 12
    assert task.qrels == WANTED_QRELS
    assert {query.id: query.text for query in task.queries} == layouts.QUERIES
    assert task.corpus.ids == tuple(layouts.DOCUMENTS)
    assert task.corpus.texts == WANTED_TEXTS
    assert (task.group, task.head_metric) == ("hub", "ndcg@10")
    assert f"{task.name}: 1 of 3 queries have no judgements" in task.notes


def test_names_are_checked_before_anything_is_fetched(tmp_path):
    assert resolve_tasks("hub:a/b@v1:en#test,pony") == ("hub:a/b@v1:en#test", "pony")
    with pytest.raises(BadInput, match="not of the form hub:ORG/NAME"):
        resolve_tasks("hub:just-a-name")
    folder, _ = made(tmp_path, layouts.hakari)
    assert resolve_tasks(f"{folder}#NanoTwo") == (f"{folder}#NanoTwo",)


def test_the_commit_is_resolved_kept_and_then_at_hand(tmp_path, hub, monkeypatch):
    folder, part = made(tmp_path, layouts.hakari)
    asked = hub(folder)
    first = load(f"hub:org/data{part}", with_corpus=False)
    assert not any("/corpus/" in path for path in asked)
    load(f"hub:org/data{part}")
    asked.clear()
    for name in (f"hub:org/data{part}", f"hub:org/data@{fake_hub.COMMIT}{part}"):
        again = load(name)
        assert (again.qrels, again.revision) == (first.qrels, fake_hub.COMMIT)
    assert asked == []


def test_an_abbreviated_commit_is_looked_up(tmp_path, hub):
    folder, part = made(tmp_path, layouts.hakari)
    hub(folder)
    task = load(f"hub:org/data@c0ffee0{part}", with_corpus=False)
    assert task.revision == fake_hub.COMMIT
    assert task.name == f"hub:org/data{part}"
    with pytest.raises(DataUnavailable, match="no commit 'abcdef0'"):
        load(f"hub:org/data@abcdef0{part}")


def test_a_ground_that_nobody_pins_is_resolved_and_recorded(tmp_path, hub):
    folder, _ = made(tmp_path, layouts.hakari)
    for config in ("corpus", "queries", "qrels", "bm25"):
        split = folder / config / "NanoOne-00000-of-00001.parquet"
        split.rename(split.with_name("NanoBrightBiology-00000-of-00001.parquet"))
    hub(folder, "hakari-bench/NanoBRIGHT")
    listener = Listener()
    task = load("nano-bright-biology", listener)
    assert (task.group, task.revision) == ("nano-bright", fake_hub.COMMIT)
    assert list(task.candidates) == ["bm25"]
    assert task.prompt_fields.query_kind == "Biology post"
    assert (
        "nano-bright-biology: 2 queries where hakari-bench/NanoBRIGHT has 103; results do not "
        "compare with published ones"
    ) in listener.told


def test_a_data_set_the_hub_lacks_is_told(tmp_path, hub):
    hub(made(tmp_path, layouts.hakari)[0])
    with pytest.raises(DataUnavailable, match="no dataset 'org/other'") as caught:
        load("hub:org/other")
    assert "--tasks FOLDER" in caught.value.fix


def test_candidate_lists_become_runs(tmp_path):
    folder, part = made(tmp_path, layouts.hakari)
    task = load(f"{folder}{part}")
    assert list(task.candidates) == ["bm25", "reranking_hybrid"]
    run = candidate_run(task, "bm25")
    assert {qid: ranking.doc_ids for qid, ranking in run.rankings.items()} == {
        "1": ("d2", "d 1"),
        "2": ("d3",),
    }
    folder, part = made(tmp_path, layouts.subset, "two")
    task = load(f"{folder}{part}")
    assert list(task.candidates) == ["top_ranked"]
    assert any("top_ranked" in note for note in task.notes)


def test_instructions_follow_the_query(tmp_path):
    folder, _ = made(tmp_path, layouts.r2med)
    rows = [{"query-id": 1, "instruction": "Mind the moon."}]
    layouts.write(folder / "instruction.jsonl", rows)
    task = load(str(folder))
    assert task.queries[0].text == "why do the oceans move? Mind the moon."
    assert task.queries[1].text == "what falls from ferns?"
    assert any("1 queries have instructions" in note for note in task.notes)


def test_a_split_is_met_with_a_near_one(tmp_path):
    folder, _ = made(tmp_path, layouts.hakari)
    with pytest.raises(BadInput, match="2 splits, and none is named") as caught:
        load(str(folder))
    assert "NanoOne, NanoTwo" in caught.value.fix
    with pytest.raises(UnknownName, match="Did you mean NanoOne"):
        load(f"{folder}#NanoOen")


def test_a_subset_is_met_with_a_near_one(tmp_path):
    folder, _ = made(tmp_path, layouts.subset)
    with pytest.raises(BadInput, match="2 subsets, and none is named") as caught:
        load(str(folder))
    assert "en, de" in caught.value.fix
    with pytest.raises(UnknownName, match="Did you mean en"):
        load(f"{folder}:enn")
    with pytest.raises(UnknownName, match="It has none"):
        load(f"{made(tmp_path, layouts.hakari, 'nano')[0]}:en#NanoOne")


def test_test_goes_without_saying_and_another_split_is_named(tmp_path):
    folder, _ = made(tmp_path, layouts.mteb)
    assert len(load(str(folder)).queries) == 2
    assert load(f"{folder}#dev").qrels == {"1": {"d 1": 2}}


def damaged(tmp_path, **files):
    """Write R2MED's layout with some files replaced; `None` leaves one out."""
    folder, _ = made(tmp_path, layouts.r2med)
    for name, rows in files.items():
        path = folder / f"{name}.jsonl"
        path.unlink(missing_ok=True)
        if rows is not None:
            layouts.write(path, rows)
    return folder


JUDGED = {"q_id": "1", "p_id": "d 1", "score": 1}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"qrels": None}, "no configuration default or qrels, so no judgements"),
        ({"query": None}, "no configuration queries or query, so no queries"),
        ({"qrels": []}, "has no column query-id"),
        ({"qrels": [{**JUDGED, "q_id": "9"}]}, "qrels.jsonl, line 1: there is no query '9'"),
        ({"qrels": [{**JUDGED, "p_id": "d9"}]}, "names 1 gold documents that the corpus lacks"),
        ({"qrels": [{**JUDGED, "score": 0.5}]}, "line 1: the score 0.5 is no whole number"),
        ({"qrels": [{**JUDGED, "score": None}]}, "line 1: the score None is no whole number"),
        ({"qrels": [JUDGED, {**JUDGED, "score": 2}]}, "line 2: 'd 1' has grade 2 and 1"),
        ({"qrels": [{"q_id": "1", "p_id": "d 1"}]}, "has no column score; it has q_id, p_id"),
        ({"query": [{"id": "1", "text": "a"}, {"id": "1", "text": "b"}]}, "line 2: query id '1'"),
        ({"query": [{"id": "1", "text": None}]}, "line 1: 'text' must be a text"),
        ({"corpus": [{"id": "d 1", "text": "a"}, {"id": "d 1", "text": "b"}]},
         "line 2: the document id 'd 1' is already at line 1"),
        ({"corpus": [{"id": "", "text": "a"}]}, "line 1: the id is empty"),
        ({"bm25": [{"query-id": "9", "corpus-ids": ["d2"]}]}, "line 1: there is no query '9'"),
        ({"bm25": [{"query-id": "1", "corpus-ids": ["d9"]}]}, "names 1 candidate (bm25) documents"),
        ({"bm25": [{"query-id": "1", "corpus-ids": ["d2", "d2"]}]}, "lists a document twice"),
        ({"bm25": [{"query-id": "1", "corpus-ids": "d2"}]}, "must be a list of ids"),
        ({"instruction": [{"query-id": "7", "instruction": "x"}]}, "there is no query '7'"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(tmp_path, files, message):
    folder = damaged(tmp_path, **files)
    with pytest.raises(BadInput) as caught:
        load(str(folder))
    assert message in caught.value.message
    assert str(folder) in caught.value.message


def test_other_files_are_refused_by_name(tmp_path):
    folder, _ = made(tmp_path, layouts.r2med)
    (folder / "qrels.jsonl").unlink()
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("1\td 1\t1\n")
    with pytest.raises(BadInput, match=r"'qrels' is in qrels/test\.tsv, which is not read"):
        load(str(folder))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\nconfigs: [\n---\n", "its head is no YAML"),
        ("---\nconfigs: 3\n---\n", "'configs' is no list of configurations"),
        ("---\nconfigs:\n- config_name: corpus\n  data_files: 7\n---\n", "not read"),
        ("---\nconfigs:\n- config_name: corpus\n  data_files: c/*\n---\n", "no judgements"),
    ],
)
def test_an_odd_card_is_named(tmp_path, text, message):
    folder, _ = made(tmp_path, layouts.r2med)
    (folder / "README.md").write_text(text)
    with pytest.raises(BadInput) as caught:
        load(str(folder))
    assert message in caught.value.message


def test_a_damaged_parquet_file_is_named(tmp_path):
    folder, part = made(tmp_path, layouts.hakari)
    path = folder / "qrels" / "NanoOne-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadInput, match=r"NanoOne-00000-of-00001\.parquet cannot be read"):
        load(f"{folder}{part}")


def test_repeated_rows_count_once_with_a_note(tmp_path):
    rows = [*layouts.corpus("id", title=False), layouts.corpus("id", title=False)[0]]
    task = load(str(damaged(tmp_path, corpus=rows)))
    assert task.corpus.ids == tuple(layouts.DOCUMENTS)
    assert "mine: 1 rows repeat the id of another document, which counts once" in task.notes


def test_the_real_sliver_of_r2med(shared_data):
    folder = shared_data / "r2med" / "Biology-demo"
    task = load(str(folder), with_corpus=False)
    rows = [json.loads(line) for line in (folder / "query.jsonl").read_text().splitlines()]
    judged = [json.loads(line) for line in (folder / "qrels.jsonl").read_text().splitlines()]
    texts = {str(row["id"]): row["text"] for row in rows}
    assert all(texts[query.id] == query.text for query in task.queries)
    assert {(q, d) for q, grades in task.qrels.items() for d in grades} == {
        (row["q_id"], row["p_id"]) for row in judged
    }
    with pytest.raises(BadInput, match="gold documents that the corpus lacks"):
        load(str(folder))


def test_the_layout_of_bright_pro(tmp_path):
    folder = tmp_path / "Bright-Pro"
    layouts.bright_pro(folder)
    task = load(f"{folder}#biology")
    assert task.qrels == {"1": {"d 1": 1, "d2": 1}, "2": {"d2": 1}}
    assert task.excluded == {"1": frozenset({"d3"})}
    assert task.aspects["1"].of_document == {"d 1": "1-aspect-1"}
    assert task.aspects["1"].weights == {"1-aspect-1": 0.75, "1-aspect-2": 0.25}
    assert task.aspects["2"].weights == {"2-a1": 1.0}
    assert any("1 gold documents support no aspect" in note for note in task.notes)
    with pytest.raises(BadInput, match="2 tasks, and none is named"):
        load(str(folder))
    with pytest.raises(UnknownName, match="Did you mean economics"):
        load(f"{folder}#economic")


@pytest.mark.parametrize("weight", [None, 0, -1, "2", float("nan"), True])
def test_an_aspect_without_a_weight_is_refused(tmp_path, weight):
    row = {"id": "1-a1", "supporting_docs": ["d 1"]} | (
        {} if weight is None else {"weight": weight}
    )
    folder = tmp_path / "Bright-Pro"
    layouts.bright_pro(folder, [{"id": "1-a0", "weight": 1, "supporting_docs": []}, row])
    with pytest.raises(BadInput, match="line 2"):
        load(f"{folder}#biology")


def test_aspects_without_the_column_of_weights_are_refused(tmp_path):
    folder = tmp_path / "Bright-Pro"
    layouts.bright_pro(folder, [{"id": "1-a1", "supporting_docs": ["d 1"]}])
    with pytest.raises(BadInput, match="has no column weight; it has id, supporting_docs"):
        load(f"{folder}#biology")


def test_the_layout_of_tempo(tmp_path):
    folder = tmp_path / "Tempo"
    layouts.tempo(folder)
    task = load(str(folder))
    assert task.qrels == {"1": {"d 1": 1, "d2": 1}, "2": {"d2": 1}}
    assert task.excluded == {"1": frozenset({"d3"})}
    assert task.aspects == {}
