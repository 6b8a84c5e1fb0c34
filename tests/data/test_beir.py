"""A folder in BEIR layout: what is read, what is left out with a note, what is refused."""

import gzip
import json
from pathlib import Path

import pytest

from harness.core.errors import BadInput
from harness.core.progress import SilentReporter
from harness.data.beir import load_beir

CORPUS = [
    {"_id": "d 1", "title": "One", "text": "first "},
    {"_id": "d2", "title": "", "text": ""},
    {"_id": "d3", "text": "x"},
]
QUERIES = [{"_id": "q1", "text": "why?"}, {"_id": "q2", "text": "how?"}]
QRELS = "query-id\tcorpus-id\tscore\nq1\td 1\t2\nq1\td2\t0\nq2\td3\t1\n"


class Listener(SilentReporter):
    """Keeps the notes."""

    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)


def jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def make(folder: Path, **files):
    """Write a good folder, with some files replaced; `None` leaves one out."""
    texts = {
        "corpus.jsonl": jsonl(CORPUS),
        "queries.jsonl": jsonl(QUERIES),
        "qrels/test.tsv": QRELS,
        **{name.replace("__", "/").replace("_", "."): text for name, text in files.items()},
    }
    for name, text in texts.items():
        if text is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return folder


def load(folder, *, with_corpus=True, reporter=None):
    return load_beir(folder, with_corpus=with_corpus, reporter=reporter or SilentReporter())


def test_a_folder_becomes_a_task(tmp_path):
    task = load(make(tmp_path / "mine"))
    assert (task.name, task.group, task.head_metric) == ("mine", "beir", "ndcg@10")
    assert task.corpus.ids == ("d 1", "d2", "d3")
    assert task.corpus.texts == ("One first", "", "x")
    assert task.qrels == {"q1": {"d 1": 2, "d2": 0}, "q2": {"d3": 1}}
    assert [(query.id, query.text) for query in task.queries] == [("q1", "why?"), ("q2", "how?")]
    assert task.excluded == {}
    assert task.prompt_fields.document_noun == "documents"


def test_whole_numbers_are_ids_everywhere(tmp_path):
    rows = [{"_id": number, "text": "x"} for number in (1, 2, 3)]
    files = {"corpus_jsonl": jsonl(rows), "queries_jsonl": jsonl(rows[:1])}
    excluded = jsonl([{"_id": 1, "excluded_ids": [3, "2"]}])
    task = load(
        make(tmp_path / "mine", **files, qrels__test_tsv="1\t1\t1\n", excluded_jsonl=excluded)
    )
    assert task.corpus.ids == ("1", "2", "3")
    assert task.excluded == {"1": frozenset({"2", "3"})}


def test_a_query_that_stands_in_its_own_document_is_told(tmp_path):
    corpus = [{"_id": "a", "title": "T", "text": "why? said he"}, {"_id": "7", "text": "seven"}]
    queries = [{"_id": "a", "text": "why?"}, {"_id": "7", "text": "how?"}]
    files = {"corpus_jsonl": jsonl(corpus), "queries_jsonl": jsonl(queries)}
    files["qrels__test_tsv"] = "a\t7\t1\n7\ta\t1\n"
    (note,) = load(make(tmp_path / "one", **files)).notes
    assert note.startswith("one: 1 queries stand in the document of their own id")
    excluded = jsonl([{"_id": "a", "excluded_ids": ["a"]}])
    assert load(make(tmp_path / "two", **files, excluded_jsonl=excluded)).notes == ()


def test_the_header_is_optional_and_files_may_be_gzipped(tmp_path):
    plain = load(make(tmp_path / "a" / "mine"))
    folder = make(tmp_path / "b" / "mine", qrels__test_tsv=QRELS.partition("\n")[2])
    for name in ("corpus.jsonl", "queries.jsonl"):
        text = (folder / name).read_bytes()
        (folder / f"{name}.gz").write_bytes(gzip.compress(text))
        (folder / name).unlink()
    other = load(folder)
    assert (other.qrels, other.queries, other.corpus) == (plain.qrels, plain.queries, plain.corpus)


def test_the_revision_follows_the_content(tmp_path):
    first = load(make(tmp_path / "a"))
    assert load(make(tmp_path / "b")).revision == first.revision
    changed = make(tmp_path / "c", qrels__test_tsv=QRELS.replace("\t2\n", "\t1\n"))
    assert load(changed).revision != first.revision
    assert len(first.revision) == 12


def test_queries_without_judgements_are_left_out_with_a_note(tmp_path):
    listener = Listener()
    task = load(make(tmp_path, qrels__test_tsv="q2\td3\t1\n"), reporter=listener)
    assert [query.id for query in task.queries] == ["q2"]
    assert listener.notes == list(task.notes)
    assert "1 of 2 queries have no judgements" in task.notes[0]


def test_exclusions_are_read(tmp_path):
    rows = [{"_id": "q1", "excluded_ids": ["d3"]}, {"query-id": "q2", "excluded_ids": []}]
    task = load(make(tmp_path, excluded_jsonl=jsonl(rows)))
    assert task.excluded == {"q1": frozenset({"d3"})}


def test_without_corpus_the_documents_are_not_parsed(tmp_path):
    folder = make(tmp_path, corpus_jsonl="{broken\n")
    task = load(folder, with_corpus=False)
    assert task.corpus is None
    assert len(task.queries) == 2


def test_whole_numbers_are_ids_too(tmp_path):
    queries = [{"_id": 1, "text": "why?"}]
    folder = make(tmp_path, queries_jsonl=jsonl(queries), qrels__test_tsv="1\td 1\t1\n")
    assert load(folder).queries[0].id == "1"


def bad(message, **files):
    return pytest.param(message, files, id=message[:45])


@pytest.mark.parametrize(
    ("message", "files"),
    [
        bad("corpus.jsonl, line 4: not JSON", corpus_jsonl=jsonl(CORPUS) + "{x\n"),
        bad("line 4: expected an object", corpus_jsonl=jsonl([*CORPUS, 5])),
        bad(
            "line 4: the document id 'd2' is already at line 2",
            corpus_jsonl=jsonl([*CORPUS, CORPUS[1]]),
        ),
        bad("line 1: no '_id' field", corpus_jsonl=jsonl([{"text": "x"}])),
        bad("control character", corpus_jsonl=jsonl([{"_id": "a\nb", "text": "x"}])),
        bad("the id is empty", corpus_jsonl=jsonl([{"_id": "", "text": "x"}])),
        bad("'text' must be a text, found no such field", corpus_jsonl=jsonl([{"_id": "a"}])),
        bad("'title' must be a text", corpus_jsonl=jsonl([{"_id": "a", "title": 5, "text": ""}])),
        bad("corpus.jsonl holds no documents", corpus_jsonl="\n"),
        bad("holds no corpus.jsonl", corpus_jsonl=None),
        bad("holds no queries", queries_jsonl=""),
        bad("line 3: query id 'q1' again", queries_jsonl=jsonl([*QUERIES, QUERIES[0]])),
        bad("holds no queries.jsonl", queries_jsonl=None),
        bad("holds no judgements", qrels__test_tsv="query-id\tcorpus-id\tscore\n"),
        bad("test.tsv, line 2: there is no query 'q9'", qrels__test_tsv="q1\td2\t1\nq9\td2\t1\n"),
        bad("names 1 documents that the corpus lacks", qrels__test_tsv="q1\td9\t1\n"),
        bad("line 1: 2 tab-separated fields", qrels__test_tsv="q1\td2\n"),
        bad("line 1: 1 tab-separated fields", qrels__test_tsv="q1 d2 1\n"),
        bad("line 1: grade 'yes' is no whole number", qrels__test_tsv="q1\td2\tyes\n"),
        bad("has grade 1 and 2 for query", qrels__test_tsv="q1\td2\t2\nq1\td2\t1\n"),
        bad(
            "line 1: 'q9' is no query",
            excluded_jsonl=jsonl([{"_id": "q9", "excluded_ids": []}]),
        ),
        bad(
            "excludes 'd 1', which is relevant",
            excluded_jsonl=jsonl([{"_id": "q1", "excluded_ids": ["d 1"]}]),
        ),
        bad(
            "excluded.jsonl names 1 documents that the corpus lacks",
            excluded_jsonl=jsonl([{"_id": "q1", "excluded_ids": ["d9"]}]),
        ),
        bad(
            "line 1: in 'excluded_ids', an id must be a text, not None",
            excluded_jsonl=jsonl([{"_id": "q1", "excluded_ids": [None]}]),
        ),
    ],
)
def test_bad_input_is_named(tmp_path, message, files):
    with pytest.raises(BadInput) as caught:
        load(make(tmp_path, **files))
    assert message in caught.value.message
    assert caught.value.fix


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"no gzip" + data])
def test_a_damaged_gzip_is_refused_by_name(tmp_path, damage):
    folder = make(tmp_path, corpus_jsonl=None)
    text = jsonl([{"_id": str(n), "text": str(n * n)} for n in range(500)]).encode()
    (folder / "corpus.jsonl.gz").write_bytes(damage(gzip.compress(text)))
    with pytest.raises(BadInput, match=r"corpus\.jsonl\.gz cannot be read to its end"):
        load(folder)


@pytest.mark.parametrize(
    ("name", "queries", "documents", "pairs", "empty"),
    [
        ("cranfield", 225, 1400, 1837, 2),
        ("vaswani", 93, 11429, 2083, 0),
        ("theoremqa-mini", 194, 7704, 439, 0),
    ],
)
def test_real_collections_load(shared_data, name, queries, documents, pairs, empty):
    task = load(shared_data / "collections" / name)
    assert len(task.queries) == queries
    assert len(task.corpus) == documents
    assert sum(len(grades) for grades in task.qrels.values()) == pairs
    assert sum(not text for text in task.corpus.texts) == empty
    assert [note for note in task.notes if "own id" not in note] == []


def test_grades_of_a_real_collection_are_kept(shared_data):
    grades = load(shared_data / "collections" / "cranfield", with_corpus=False).qrels
    assert {grade for row in grades.values() for grade in row.values()} == {0, 1, 3}


def test_a_byte_order_mark_in_the_judgements_is_left_out(tmp_path):
    task = load(make(tmp_path / "marked", qrels__test_tsv=f"\ufeff{QRELS}"))
    assert task.qrels == load(make(tmp_path / "plain")).qrels
