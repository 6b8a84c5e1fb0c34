"""One board with all kinds of rows on it, and names that every format would like to misread."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.leaderboard.build import Sources, build_boards
from harness.leaderboard.rank import QueryValues, rank_board, read_values
from harness.leaderboard.rows import Board, ModelFacts
from results.imported import ImportedRow
from results.published import PublishedRow
from results.store import ResultStore
from tests.helpers.stored_boards import Made, store_entry

EVIL = "<script>boom('x')</script>|&_*{50%}$^~#\\"
EVIL_NOTE = '"><img src=x onerror=boom()>\u2028</script><!--'

MEMBERS = {"bright": ("biology", "pony"), "other": ("one",)}
PUBLISHED = PublishedRow(
    model="bm25", kind="sparse", group="bright", metric="ndcg@10", query_set="original",
    gold="current", values={"biology": 0.2, "pony": 0.4}, average=0.3, mean=0.3,
    average_mismatch=False, source="a paper", date="2024", protocol="its own", note="",
    trained_on_bright=True, file="f.toml", row=1,
)  # fmt: skip
IMPORTED = ImportedRow(
    model="org/dense", revision="abc", layout="mteb", group="bright", query_set="original",
    gold="current", head_metric="ndcg@10",
    metrics={"biology": {"ndcg@10": 0.5, "mrr": 0.9}, "pony": {"ndcg@10": 0.1}},
    dataset_revision="c26", protocol="mteb 2", date="", files=(),
    imported="2026-01-01T00:00:00+00:00",
)  # fmt: skip


def sample(root: Path) -> tuple[Board, QueryValues]:
    """Return a ranked board: two measured rows (one with an evil name), a published, an imported.

    A second published row has only a printed mean, and every text in it is evil.
    """
    store = ResultStore(root)
    command = ("rebench", "eval", "--model", EVIL_NOTE)
    for task in MEMBERS["bright"]:
        store_entry(store, EVIL, task, [0.9, 0.8, 0.7, 0.95, 0.85, 0.8], Made(command=command))
        store_entry(store, "bm25", task, [0.1, 0.15, 0.2, 0.1, 0.05, 0.1])
    facts = {
        "bm25": ModelFacts(
            parameters=1_234_000_000, dimension=1024, licence=EVIL_NOTE, family="lexical",
            trained_on_bright=False, price=0.13, card={"name": "bm25", "title": EVIL_NOTE},
        ),
    }  # fmt: skip
    printed = replace(
        PUBLISHED, model="poster", values={}, average=0.876, mean=None, source=EVIL_NOTE,
        protocol=EVIL_NOTE,
    )  # fmt: skip
    entries = store.entries().entries
    sources = Sources(entries, (PUBLISHED, printed), (IMPORTED,), MEMBERS, facts)
    (board,) = build_boards(sources)
    values = read_values(board, store.values)
    return rank_board(board, values), values
