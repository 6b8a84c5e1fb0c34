"""BRIGHT from a local folder: its encodings of nothing, odd ids, counts, query sets, bad input."""

import gzip
import json
from pathlib import Path

import pytest

from harness.core.errors import BadInput, DataUnavailable
from harness.core.hashing import task_fingerprint
from harness.core.progress import SilentReporter
from harness.data.bright import load_bright
from harness.data.bright_tasks import TASKS


class Listener(SilentReporter):
    """Keeps the warnings."""

    def __init__(self):
        self.warnings = []

    def warn(self, message):
        self.warnings.append(message)


def example(qid, gold=("g 1",), excluded=("N/A",), long=("N/A",), query="why?"):
    return {
        "id": qid,
        "query": query,
        "reasoning": "SECRET",
        "gold_ids": list(gold),
        "excluded_ids": list(excluded),
        "gold_ids_long": list(long),
        "gold_answer": "SECRET",
    }


def write_rows(folder: Path, config: str, split: str, rows, suffix=".jsonl"):
    place = folder / config
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{split}{suffix}"
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if suffix.endswith(".parquet"):
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        path.write_bytes(gzip.compress(text.encode()) if suffix.endswith(".gz") else text.encode())
    return path


def load(folder, name="biology", *, query_set="original", with_corpus=False, reporter=None):
    return load_bright(
        name,
        data_dir=folder,
        query_set=query_set,
        with_corpus=with_corpus,
        reporter=reporter or SilentReporter(),
    )


@pytest.mark.parametrize("nothing", [["N/A"], []])
def test_both_encodings_of_no_exclusion_are_none(tmp_path, nothing):
    write_rows(tmp_path, "examples", "biology", [example("0", excluded=nothing)])
    assert load(tmp_path).excluded == {}


def test_whole_numbers_are_ids(tmp_path):
    write_rows(tmp_path, "examples", "biology", [example(0, gold=[12, 12], excluded=[3])])
    write_rows(tmp_path, "documents", "biology", [{"id": n, "content": "x"} for n in (3, 12)])
    task = load(tmp_path, with_corpus=True)
    assert (task.qrels, task.excluded) == ({"0": {"12": 1}}, {"0": frozenset({"3"})})
    assert not any("not in the corpus" in note for note in task.notes)


def test_repeated_gold_and_excluded_ids_count_once(tmp_path):
    row = example("0", gold=["a", "b", "a"], excluded=["x", "x", "y"])
    write_rows(tmp_path, "examples", "aops", [row])
    task = load(tmp_path, "aops")
    assert task.qrels == {"0": {"a": 1, "b": 1}}
    assert task.excluded == {"0": frozenset({"x", "y"})}


ODD = [
    "pytorch_torch_tensor_functions/Memory Management_5_0.txt",
    "Earth%27s_inner_core1.txt",
    "L'Hôpital_rule1.json",
    "young’s_modulus1",
    "ProteinΓÇôprotein",
    " two  spaces ",
]


def test_odd_ids_come_through_verbatim(tmp_path):
    write_rows(tmp_path, "examples", "biology", [example("q/1.json", gold=ODD)])
    documents = [{"id": doc, "content": "t"} for doc in ODD]
    write_rows(tmp_path, "documents", "biology", documents)
    task = load(tmp_path, with_corpus=True)
    assert list(task.qrels["q/1.json"]) == ODD
    assert task.corpus.ids == tuple(ODD)
    assert not any("not in the corpus" in note for note in task.notes)


def test_the_long_setting_has_its_own_gold_and_documents(tmp_path):
    write_rows(tmp_path, "examples", "pony", [example("0", gold=["s"], long=["l"])])
    write_rows(tmp_path, "long_documents", "pony", [{"id": "l", "content": "long"}])
    task = load(tmp_path, "pony-long", with_corpus=True)
    assert task.qrels == {"0": {"l": 1}}
    assert task.corpus.ids == ("l",)
    assert task.head_metric == "recall@1"


def test_empty_and_one_character_documents_are_kept(tmp_path):
    write_rows(tmp_path, "examples", "biology", [example("0", gold=["b"])])
    documents = [{"id": "a", "content": ""}, {"id": "b", "content": "x"}]
    write_rows(tmp_path, "documents", "biology", documents)
    assert load(tmp_path, with_corpus=True).corpus.texts == ("", "x")


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".parquet", "-00000-of-00001.parquet"])
def test_every_file_format_gives_the_same_task(tmp_path, suffix):
    rows = [example("0", excluded=["n"]), example("1", gold=["h"], query="two\nlines ")]
    write_rows(tmp_path / "plain", "examples", "biology", rows)
    write_rows(tmp_path / "other", "examples", "biology", rows, suffix)
    documents = [{"id": "g 1", "content": "one"}, {"id": "h", "content": ""}]
    write_rows(tmp_path / "plain", "documents", "biology", documents)
    write_rows(tmp_path / "other", "documents", "biology", documents, suffix)
    plain = load(tmp_path / "plain", with_corpus=True)
    assert load(tmp_path / "other", with_corpus=True) == plain
    assert plain.queries[1].text == "two\nlines "
    assert plain.revision == "local"


def test_counts_that_differ_are_told_and_kept(tmp_path):
    write_rows(tmp_path, "examples", "biology", [example("0")])
    listener = Listener()
    task = load(tmp_path, reporter=listener)
    assert listener.warnings == list(task.notes)
    assert "1 queries where xlangai/BRIGHT" in task.notes[0]
    assert len(task.notes) == 2  # queries and gold; nothing is said of documents not read


def test_reasoning_is_never_read(tmp_path):
    write_rows(tmp_path, "examples", "biology", [example("0")])
    assert "SECRET" not in repr(load(tmp_path))


def test_a_query_set_changes_texts_and_nothing_else(tmp_path):
    rows = [example("0", query="why?"), example("1", query="how?")]
    write_rows(tmp_path, "examples", "biology", rows)
    rewritten = [
        example("1", query="how, at length", gold=["other"]),
        example("0", query="because"),
    ]
    write_rows(tmp_path, "gpt4_reason", "biology", rewritten)
    original, other = load(tmp_path), load(tmp_path, query_set="gpt4")
    assert [query.text for query in other.queries] == ["because", "how, at length"]
    assert other.query_set == "gpt4"
    assert task_fingerprint(other) == task_fingerprint(original)


def test_a_query_set_must_cover_every_judged_query(tmp_path):
    write_rows(tmp_path, "examples", "biology", [example("0"), example("1")])
    write_rows(tmp_path, "grit_reason", "biology", [example("1")])
    with pytest.raises(BadInput, match="1 of 2 judged queries have no text, such as '0'"):
        load(tmp_path, query_set="grit")


def bad(message, rows, documents=(), **options):
    return pytest.param(message, rows, documents, options, id=message[:40])


@pytest.mark.parametrize(
    ("message", "rows", "documents", "options"),
    [
        bad("line 2: query id '0' again", [example("0"), example("0")]),
        bad("excludes 'g 1', which is relevant", [example("0", excluded=["g 1"])]),
        bad("has no gold_ids", [example("0", gold=[])]),
        bad("has no gold_ids_long", [example("0")], name="biology-long"),
        bad("holds no queries", []),
        bad("line 1: no 'id' field", [{"query": "q"}]),
        bad("line 1: 'query' must be a text", [{**example("0"), "query": None}]),
        bad("must be a list of ids, found str", [{**example("0"), "excluded_ids": "N/A"}]),
        bad("control character", [example("0", gold=["a\tb"])]),
        bad("an id must be a text, not 5.5", [example("0", gold=[5.5])]),
        bad("holds no documents", [example("0")], [], with_corpus=True),
        bad(
            "line 3: the document id 'g 1' is already at line 1",
            [example("0")],
            [
                {"id": "g 1", "content": "a"},
                {"id": "h", "content": ""},
                {"id": "g 1", "content": "b"},
            ],
            with_corpus=True,
        ),
    ],
)
def test_bad_rows_are_named(tmp_path, message, rows, documents, options):
    path = write_rows(tmp_path, "examples", "biology", rows)
    if options.get("with_corpus"):
        path = write_rows(tmp_path, "documents", "biology", documents)
    with pytest.raises(BadInput) as caught:
        load(tmp_path, **options)
    assert message in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.fix


def test_a_row_repeated_word_for_word_is_merged_with_a_note(tmp_path):
    write_rows(tmp_path, "examples", "biology", [example("0")])
    write_rows(tmp_path, "documents", "biology", [{"id": "g 1", "content": "a"}] * 3)
    task = load(tmp_path, with_corpus=True)
    assert task.corpus.ids == ("g 1",)
    assert any("2 documents repeat another word for word" in note for note in task.notes)
    assert any(note.startswith("biology: 3 documents where") for note in task.notes)


def test_gold_outside_the_corpus_is_told(tmp_path):
    write_rows(tmp_path, "examples", "biology", [example("0", gold=["a", "b"], excluded=["c"])])
    write_rows(tmp_path, "documents", "biology", [{"id": "a", "content": "a"}])
    notes = load(tmp_path, with_corpus=True).notes
    assert any("1 gold documents are not in the corpus, such as 'b'" in note for note in notes)
    assert any("1 excluded documents are not in the corpus, such as 'c'" in note for note in notes)


def test_a_folder_without_the_file_says_what_the_layout_is(tmp_path):
    write_rows(tmp_path, "examples", "biology", [example("0")])
    with pytest.raises(DataUnavailable) as caught:
        load(tmp_path, with_corpus=True)
    assert "documents/biology.parquet" in caught.value.message
    assert "DIR/<config>/<split>.parquet" in caught.value.fix


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".parquet"])
def test_a_file_cut_short_is_refused_by_name(tmp_path, suffix):
    rows = [example(str(number), query=f"why {number}") for number in range(300)]
    path = write_rows(tmp_path, "examples", "biology", rows, suffix)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BadInput, match=r"examples.biology.*(cannot be read)"):
        load(tmp_path)


def test_a_malformed_line_is_named(tmp_path):
    path = write_rows(tmp_path, "examples", "biology", [example("0")])
    path.write_text(path.read_text() + "\n{broken\n")
    with pytest.raises(BadInput, match=r"biology\.jsonl, line 3: not JSON"):
        load(tmp_path)


def test_a_parquet_file_without_a_column_is_refused(tmp_path):
    write_rows(tmp_path, "examples", "biology", [{"id": "0", "query": "q"}], ".parquet")
    with pytest.raises(BadInput, match="has no column excluded_ids, gold_ids"):
        load(tmp_path)


@pytest.mark.parametrize("name", TASKS)
def test_the_real_examples_load_with_the_known_counts(shared_data, name):
    """Notes would say otherwise; also no query is lost and no list keeps "N/A"."""
    task = load(shared_data / "bright", name)
    assert task.notes == ()
    assert len(task.queries) == len(task.qrels) == TASKS[name].counts.queries
    assert not any("N/A" in ids for ids in task.excluded.values())
    assert not any("N/A" in gold for gold in task.qrels.values())


@pytest.mark.parametrize("name", ["aops", "theoremqa_questions"])
def test_queries_that_are_documents_exclude_themselves(shared_data, name):
    task = load(shared_data / "bright", name)
    assert all(query.id in task.excluded[query.id] for query in task.queries)


def test_equal_ids_are_one_object(shared_data):
    """aops lists 622,653 exclusions of 29,296 documents; copies would cost some 45 MB."""
    task = load(shared_data / "bright", "aops")
    objects = {id(doc) for ids in task.excluded.values() for doc in ids}
    assert len(objects) == len(frozenset().union(*task.excluded.values()))
