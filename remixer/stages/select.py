"""Stage `select`: the documents to write queries from, and the conditions drawn for each."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from harness.core.errors import BadInput
from harness.core.hashing import sha256_parts
from harness.core.types import Corpus, Json
from remixer.config import SelectConfig
from remixer.context import RemixRun, StagePlan, require_rows
from remixer.corpus import reserved_documents
from remixer.rows import SourceRow
from remixer.stages.domain_filter import fitting_rows

LENGTH_CLASSES = (
    ("fewer than 100 words", 1),
    ("100 to 200 words", 2),
    ("200 to 300 words", 3),
    ("300 to 400 words", 3),
    ("400 to 500 words", 2),
    ("at least 500 words", 1),
)
"""Length of a query and its weight of 12 (ReasonEmbed, data_synthesis at 1efe855, constant.py)."""

EDUCATION_LEVELS = (("high school", 1), ("college", 2), ("PhD", 2))
"""Education needed to understand a query and its weight of 5 (same source)."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions on a query: `length` and `education` are texts for the prompt."""

    length: str
    education: str


@dataclass(frozen=True, slots=True)
class DocumentSelection:
    """Rows of the corpus in drawn order, and how many others were left out for which reason."""

    rows: tuple[int, ...]
    reserved: int
    too_short: int
    too_long: int
    over_limit: int


def select_documents(
    corpus: Corpus, reserved: Collection[str], config: SelectConfig
) -> DocumentSelection:
    """Choose the documents to write queries for.

    `reserved` names documents that queries of the benchmark judge or exclude. The order is that of
    a hash of seed and id, not of a random generator's stream: a document's rank depends on nothing
    else, so a corpus that gains or loses documents keeps the rest of its sample.
    """
    kept = []
    dropped = {"reserved": 0, "short": 0, "long": 0}
    for row, (key, text) in enumerate(zip(corpus.ids, corpus.texts, strict=True)):
        if key in reserved:
            dropped["reserved"] += 1
        elif len(text) < config.min_characters:
            dropped["short"] += 1
        elif len(text) > config.max_characters:
            dropped["long"] += 1
        else:
            kept.append(row)
    kept.sort(key=lambda row: (_draw(config.seed, "document", corpus.ids[row]), corpus.ids[row]))
    return DocumentSelection(
        rows=tuple(kept[: config.limit]),
        reserved=dropped["reserved"],
        too_short=dropped["short"],
        too_long=dropped["long"],
        over_limit=max(0, len(kept) - config.limit),
    )


def draw_conditions(document_id: str, seed: int) -> Conditions:
    """Draw length and education for a document's query, independently and by weight."""
    return Conditions(
        length=_weighted(LENGTH_CLASSES, _draw(seed, "length", document_id)),
        education=_weighted(EDUCATION_LEVELS, _draw(seed, "education", document_id)),
    )


def source_row(document_id: str, seed: int) -> SourceRow:
    """Return a document with the conditions drawn for its query."""
    drawn = draw_conditions(document_id, seed)
    return SourceRow(document_id, drawn.length, drawn.education)


def _draw(seed: int, purpose: str, document_id: str) -> int:
    """Return 64 uniform bits that depend on the arguments alone, on any machine."""
    text = f"{seed}\0{purpose}\0{document_id}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")


def _weighted(choices: Sequence[tuple[str, int]], bits: int) -> str:
    """Return the choice that 64 uniform bits select, in proportion to the weights."""
    place = bits * sum(weight for _, weight in choices) >> 64
    for choice, weight in choices:
        if place < weight:
            return choice
        place -= weight
    raise AssertionError("the weights add up to the range of the draw")


def plan(run: RemixRun) -> StagePlan:
    """Plan the choice of documents and the draw of their conditions."""
    config = run.config
    settings: dict[str, Json] = {"kind": run.profile.name, **asdict(config.select)}
    if config.sources is not None:
        settings["sources"] = sha256_parts(sorted(config.sources))
    if config.domain_filter:
        asked = run.llm_settings("domain_filter")
        settings["clean"] = {"domain": run.profile.domain, **asked}
    return StagePlan(settings, (), lambda: _select(run))


def _select(run: RemixRun) -> Mapping[str, int]:
    """Choose the documents, filter them by domain if asked to, and write the stage's file."""
    corpus, config = run.corpus, run.config
    reserved = reserved_documents(run.task)
    if config.sources is not None:
        reserved |= set(corpus.ids) - config.sources
    limit = config.select.limit
    unlimited = replace(config.select, limit=len(corpus))
    chosen = select_documents(
        corpus, reserved, unlimited if config.domain_filter else config.select
    )
    if not chosen.rows:
        raise _nothing_to_select(run, chosen)
    counts = {
        "documents": len(corpus),
        "reserved": chosen.reserved,
        "too_short": chosen.too_short,
        "too_long": chosen.too_long,
        "over_limit": chosen.over_limit,
    }
    rows = chosen.rows
    if config.domain_filter:
        dispatcher = run.dispatcher("domain_filter")
        rows, more = fitting_rows(dispatcher, run.prompts(), rows, corpus.texts, limit)
        counts.update(more, over_limit=len(chosen.rows) - more["asked"])
    require_rows(rows, "no document fits the domain", "Name the domain with --domain.")
    sources = [source_row(corpus.ids[row], config.select.seed) for row in rows]
    run.folder.write("select", sources)
    return {**counts, "selected": len(sources)}


def _nothing_to_select(run: RemixRun, chosen: DocumentSelection) -> BadInput:
    select = run.config.select
    return BadInput(
        f"no document of {run.task.name!r} can be used: of {len(run.corpus):,}, "
        f"{chosen.reserved:,} are reserved, {chosen.too_short:,} shorter than "
        f"{select.min_characters:,} characters, {chosen.too_long:,} longer than "
        f"{select.max_characters:,}",
        fix="Give another corpus, or other limits with --min-chars and --max-chars.",
    )
