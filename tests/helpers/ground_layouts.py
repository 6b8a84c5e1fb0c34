"""One small task in every layout that data sets of the hub come in."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Rows = Sequence[Mapping[str, Any]]

DOCUMENTS = {"d 1": ("Tides", "the moon pulls"), "d2": ("", "spores fall"), "d3": ("", "")}
QUERIES = {"1": "why do the oceans move?", "2": "what falls from ferns?"}
GOLD = {("1", "d 1"): 2, ("1", "d2"): 0, ("2", "d2"): 1}
LISTS = {"1": ["d2", "d 1"], "2": ["d3"]}


def write(path: Path, rows: Rows) -> None:
    """Write rows as the suffix says: parquet, jsonl or jsonl.gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith(".parquet"):
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
        return
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


def corpus(key: str = "_id", *, title: bool = True) -> Rows:
    """Return the documents; without titles these stand in the text."""
    if title:
        return [{key: i, "title": t, "text": text} for i, (t, text) in DOCUMENTS.items()]
    return [{key: i, "text": f"{t} {text}".strip()} for i, (t, text) in DOCUMENTS.items()]


def queries(key: str = "_id", *, number: bool = False) -> Rows:
    """Return the queries, with an idle third; ids may be numbers."""
    rows = {**QUERIES, "3": "nobody judged this"}
    return [{key: int(qid) if number else qid, "text": text} for qid, text in rows.items()]


def qrels(query: str = "query-id", document: str = "corpus-id", grade: type = int) -> Rows:
    """Return the judgements."""
    return [{query: q, document: d, "score": grade(score)} for (q, d), score in GOLD.items()]


def lists() -> Rows:
    """Return the candidate lists."""
    return [{"query-id": qid, "corpus-ids": ids} for qid, ids in LISTS.items()]


def card(folder: Path, configs: Sequence[Mapping[str, Any]]) -> None:
    """Write a dataset card with these configurations."""
    import yaml

    head = yaml.safe_dump({"license": "mit", "configs": list(configs)})
    (folder / "README.md").write_text(f"---\n{head}---\n# A data set\n", encoding="utf-8")


def config(name: str, files: object) -> dict[str, Any]:
    """Return one configuration of a card."""
    return {"config_name": name, "data_files": files}


def mteb(folder: Path) -> str:
    """Write mteb's jsonl layout: the judgements are `default`, with three splits."""
    write(folder / "corpus.jsonl", corpus())
    write(folder / "queries.jsonl", queries())
    for split in ("train", "dev"):
        write(folder / "qrels" / f"{split}.jsonl", qrels()[:1])
    write(folder / "qrels" / "test.jsonl", qrels(grade=float))
    splits = [{"split": s, "path": f"qrels/{s}.jsonl"} for s in ("train", "dev", "test")]
    card(folder, [
        config("default", splits),
        config("corpus", [{"split": "corpus", "path": "corpus.jsonl"}]),
        config("queries", [{"split": "queries", "path": "queries.jsonl"}]),
    ])  # fmt: skip
    return ""


def mteb_parquet(folder: Path) -> str:
    """Write mteb's parquet layout, in shards named by globs; its split is `standard`."""
    write(folder / "corpus" / "standard-00000-of-00002.parquet", corpus("id")[:2])
    write(folder / "corpus" / "standard-00001-of-00002.parquet", corpus("id")[2:])
    write(folder / "queries" / "standard-00000-of-00001.parquet", queries("id", number=True))
    write(folder / "qrels" / "standard-00000-of-00001.parquet", qrels())
    card(folder, [
        config(name, [{"split": "standard", "path": f"{name}/standard-*"}])
        for name in ("corpus", "queries", "qrels")
    ])  # fmt: skip
    return ""


def subset(folder: Path) -> str:
    """Write a layout of two subsets with lists and instructions of their own."""
    for name in ("en", "de"):
        place = folder / name
        write(place / "corpus.jsonl.gz", corpus())
        write(place / "queries.jsonl.gz", queries())
        write(place / "qrels.jsonl.gz", qrels())
        write(place / "top_ranked.jsonl.gz", lists())
    card(folder, [
        config(f"{name}-{role}", f"{name}/{role}.jsonl.gz")
        for name in ("en", "de")
        for role in ("corpus", "queries", "qrels", "top_ranked")
    ])  # fmt: skip
    return ":en"


def r2med(folder: Path) -> str:
    """Write R2MED's layout, without a card: `query`, and other column names."""
    write(folder / "corpus.jsonl", corpus("id", title=False))
    write(folder / "query.jsonl", queries("id"))
    write(folder / "qrels.jsonl", qrels("q_id", "p_id"))
    return ""


def hakari(folder: Path) -> str:
    """Write hakari-bench's layout, without a card: tasks are splits, with candidate lists."""
    for split in ("NanoOne", "NanoTwo"):
        write(folder / "corpus" / f"{split}-00000-of-00001.parquet", corpus(title=False))
        write(folder / "queries" / f"{split}-00000-of-00001.parquet", queries())
        write(folder / "qrels" / f"{split}-00000-of-00001.parquet", qrels())
        for name in ("bm25", "reranking_hybrid"):
            write(folder / name / f"{split}-00000-of-00001.parquet", lists())
    return "#NanoOne"


def converted(folder: Path) -> str:
    """Write the hub's own conversion: a folder per configuration and split."""
    write(folder / "corpus" / "corpus" / "0000.parquet", corpus())
    write(folder / "queries" / "queries" / "0000.parquet", queries())
    write(folder / "default" / "test" / "0000.parquet", qrels())
    return ""


MTEB_LIKE = (mteb, mteb_parquet, subset, r2med, hakari, converted)


def examples(excluded: str = "excluded_ids", nothing: str = "N/A") -> Rows:
    """Return rows of BRIGHT's kind; the first query excludes a document."""
    return [
        {"id": 1, "query": QUERIES["1"], "gold_ids": ["d 1", "d2"], excluded: ["d3"]},
        {"id": 2, "query": QUERIES["2"], "gold_ids": ["d2"], excluded: [nothing]},
    ]


def contents() -> Rows:
    """Return documents of BRIGHT's kind."""
    return [{"id": i, "content": f"{t} {text}".strip()} for i, (t, text) in DOCUMENTS.items()]


def bright_pro(folder: Path, aspects: Rows | None = None) -> None:
    """Write BRIGHT-Pro's layout for two tasks."""
    given = aspects or [
        {"id": "1-aspect-1", "weight": 3, "supporting_docs": ["d 1"]},
        {"id": "1-aspect-2", "weight": 1, "supporting_docs": ["d3"]},
        {"id": "2-a1", "weight": 2, "supporting_docs": ["d2"]},
    ]
    for split in ("biology", "economics"):
        write(folder / "examples" / f"{split}-00000-of-00001.parquet", examples())
        write(folder / "documents" / f"{split}-00000-of-00001.parquet", contents())
        write(folder / "aspects" / f"{split}.jsonl", given)


def tempo(folder: Path) -> None:
    """Write TEMPO's layout for one task: `negative_ids`, and steps that are not read."""
    write(folder / "examples" / "bitcoin.parquet", examples("negative_ids", "NA"))
    write(folder / "documents" / "bitcoin.parquet", contents())
    write(folder / "steps" / "bitcoin.parquet", [{"q_id": "1", "step_id": 1, "step": "x"}])
