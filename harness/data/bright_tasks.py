"""BRIGHT as a table: 12 tasks with short documents, 8 with long ones, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.core.types import PromptFields

REPOSITORY = "xlangai/BRIGHT"
REVISION = "3066d29c9651a576c8aba4832d249807b181ecae"
"""The hub commit that is read. Public code that pins this commit counts 107,081 documents and 117
queries in stackoverflow, 61,961 and 101 in robotics, 800 gold pairs in economics and 692 in
psychology, which are the counts below; the file sizes it lists are those in the download table of
ir_datasets 0.6.3 (examples/stackoverflow 250,458 bytes, documents/stackoverflow 39,493,317). The
revision `a75a0eb` of July 2024 holds older judgements, which give other scores."""

LOCAL = "local"
"""The revision of a task read from a folder; its counts tell which version that holds."""

LICENCE = "CC-BY-4.0"
"""Of the dataset, by its card; the documents are web pages and problems of other owners."""

ORIGINAL = "original"
EXAMPLES = "examples"
QUERY_SETS = {
    ORIGINAL: EXAMPLES,
    "gpt4": "gpt4_reason",
    "claude-3-opus": "claude-3-opus_reason",
    "gemini-1.0": "Gemini-1.0_reason",
    "llama3-70b": "llama3-70b_reason",
    "grit": "grit_reason",
}
"""Query set -> configuration on the hub (dataset card)."""


HEAVY_FLOOR = 0.10
"""A task with a floor above this is floor-heavy; group means are also given without such tasks."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the known version of a task holds; pairs are distinct (query, document) ones."""

    queries: int
    documents: int
    gold_pairs: int
    excluded_pairs: int


@dataclass(frozen=True, slots=True)
class BrightTask:
    """One task: where its rows are on the hub, how it is worded, scored and counted.

    `floor` is nDCG@10 of one fixed list for all queries (`harness.metrics.floor`), to four places.
    `split` is the hub's name of it in every configuration, `documents` the configuration of its
    corpus, `gold_key` the field of a query's gold ids.
    """

    name: str
    group: str
    split: str
    documents: str
    gold_key: str
    head_metric: str
    prompt_fields: PromptFields
    counts: Counts
    floor: float = 0.0


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the table; a task without long documents has 0 in the last two columns."""

    prompt_fields: PromptFields
    queries: int
    documents: int
    gold: int
    excluded: int
    long_documents: int = 0
    long_gold: int = 0
    floor: float = 0.0
    long_floor: float = 0.0


def _post(slug: str, name: str) -> PromptFields:
    """Return the wording of a StackExchange task."""
    return PromptFields(slug, name, f"{name} post", "post", "passages", f"{slug} post")


def _problem(slug: str, name: str, kind: str, documents: str, slug_kind: str = "") -> PromptFields:
    """Return the wording of a task whose queries are problems."""
    return PromptFields(slug, name, kind, "problem", documents, slug_kind)


_PONY = PromptFields("pony", "Pony", "Pony question", "question", "passages", "pony question")

_TABLE = (
    _Row(_post("biology", "Biology"), 103, 57_359, 372, 0, 524, 134),
    _Row(_post("earth_science", "Earth Science"), 116, 121_249, 585, 0, 601, 187),
    _Row(_post("economics", "Economics"), 103, 50_220, 800, 0, 516, 109),
    _Row(_post("psychology", "Psychology"), 101, 52_835, 692, 0, 512, 116),
    _Row(_post("robotics", "Robotics"), 101, 61_961, 520, 0, 508, 106),
    _Row(
        _post("stackoverflow", "Stack Overflow"),
        117, 107_081, 478, 0, 1_858, 129, long_floor=0.0162,
    ),
    _Row(_post("sustainable_living", "Sustainable Living"), 108, 60_792, 576, 0, 554, 129),
    _Row(
        _problem("leetcode", "LeetCode", "Coding problem", "examples", "coding problem"),
        142, 413_932, 262, 33_485, floor=0.0077,
    ),
    _Row(_PONY, 112, 7_894, 2_219, 0, 577, 769, floor=0.9256, long_floor=0.9533),
    _Row(
        _problem("aops", "AoPS", "Math problem", "examples"),
        111, 188_002, 524, 622_653, floor=0.0059,
    ),
    _Row(
        _problem("theoremqa_questions", "TheoremQA Questions", "Math problem", "examples"),
        194, 188_002, 439, 606_523, floor=0.0361,
    ),
    _Row(
        _problem("theoremqa_theorems", "TheoremQA Theorems", "Math problem", "theorems"),
        76, 23_839, 151, 0, floor=0.1350,
    ),
)  # fmt: skip
"""Floors: what `harness.metrics.floor` makes of the `examples` rows, which a test holds them to.
Counts: documents from the dataset card, pairs and queries from the `examples` rows; those of
queries, documents and gold agree with ir_datasets 0.6.3 (etc/metadata.json), which counts a
repeated id in aops' exclusions (622,756) and theoremqa_questions' gold (617) each time.
Wording: kinds and names as in ReasonEmbed's prompts (FlagEmbedding 7ed43d67, prompts.py),
`slug_kind` as BRIGHT's own configs fill it in (xlang-ai/BRIGHT d99e8391, configs/)."""


def _short(row: _Row) -> BrightTask:
    """Return a line's task with short documents, headed by nDCG@10."""
    return BrightTask(
        name=row.prompt_fields.slug,
        group="bright",
        split=row.prompt_fields.slug,
        documents="documents",
        gold_key="gold_ids",
        head_metric="ndcg@10",
        prompt_fields=row.prompt_fields,
        counts=Counts(row.queries, row.documents, row.gold, row.excluded),
        floor=row.floor,
    )


def _long(row: _Row) -> BrightTask:
    """Return a line's task with long documents, headed by recall@1 and asking for documents."""
    return BrightTask(
        name=f"{row.prompt_fields.slug}-long",
        group="bright-long",
        split=row.prompt_fields.slug,
        documents="long_documents",
        gold_key="gold_ids_long",
        head_metric="recall@1",
        prompt_fields=replace(row.prompt_fields, document_noun="documents"),
        counts=Counts(row.queries, row.long_documents, row.long_gold, row.excluded),
        floor=row.long_floor,
    )


TASKS = {
    task.name: task
    for task in (
        *(_short(row) for row in _TABLE),
        *(_long(row) for row in _TABLE if row.long_documents),
    )
}
"""All 20 tasks by name, in the order in which results on BRIGHT are printed."""
