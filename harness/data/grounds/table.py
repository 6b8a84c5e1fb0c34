"""Tasks of the hub by name: where they lie, how they are worded, and what they hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.core.types import PromptFields
from harness.data import bright_tasks


@dataclass(frozen=True, slots=True)
class GroundCounts:
    """What the known version holds; `None` where nobody wrote it down.

    `documents` are distinct ids, `gold_pairs` distinct (query, relevant document) pairs.
    """

    queries: int
    documents: int
    gold_pairs: int | None = None


@dataclass(frozen=True, slots=True)
class DataSource:
    """What the tasks of a group have in common.

    `excludes_itself`: a document with a query's own id is never ranked for it. `last_counts`: of
    several texts of a document id the last counts. `mteb` is mteb's name of a task, with `{}` for
    the word that tells them apart.
    """

    group: str
    licence: str
    excludes_itself: bool = False
    last_counts: bool = False
    mteb: str = ""


@dataclass(frozen=True, slots=True)
class Ground:
    """One task. An empty `revision` is the newest, which is resolved and recorded when loaded.

    `related` is a task of BRIGHT on the same queries, and `difference` what keeps the two apart;
    `note` is worth saying with each result.
    """

    name: str
    source: DataSource
    repository: str
    revision: str
    split: str
    prompt_fields: PromptFields
    counts: GroundCounts
    mteb_name: str = ""
    related: str = ""
    difference: str = ""
    note: str = ""

    @property
    def group(self) -> str:
        """Return the group's name."""
        return self.source.group


HEAD_METRIC = "ndcg@10"

R2MED = DataSource(
    "r2med", "CC-BY-4.0", excludes_itself=True, last_counts=True, mteb="R2MED{}Retrieval"
)
"""Its code drops a document that has the query's id (R2MED 62b7074, src/). mteb's count of some
corpora is below the README's, as if ids came twice: mteb keeps the last text of an id."""
BRIGHT_PRO = DataSource("bright-pro", "MIT", mteb="BrightPro{}Retrieval")
TEMPO = DataSource("tempo", "CC-BY-4.0")
NANO_BRIGHT = DataSource("nano-bright", bright_tasks.LICENCE)
NANO_R2MED = DataSource("nano-r2med", "CC-BY-4.0")

OLDER_GOLD = (
    "R2MED's Biology has BRIGHT's older judgements (July 2024: 374 pairs, where BRIGHT's biology "
    "has 372 today), so numbers on the two do not compare"
)


@dataclass(frozen=True, slots=True)
class _Medical:
    """One line of R2MED; `nano_gold` is 0 where NanoR2MED has as many pairs."""

    name: str
    hub: str
    revision: str
    prompt_fields: PromptFields
    queries: int
    documents: int
    gold: int
    nano_gold: int = 0


def _post(slug: str, name: str, kind: str = "") -> PromptFields:
    """Return the wording of a forum's questions."""
    return PromptFields(slug, name, f"{kind or name} post", "post", "passages")


_EXAM = PromptFields("medical_exam", "Medical Exam", "Medical Exam", "exam", "passages")
_TREATMENT = PromptFields("clinical_case", "Clinical Case", "Clinical Case", "case", "passages")
_CASE = PromptFields(
    "clinical_case", "Clinical Case", "Clinical Case", "case", "cases",
    document_kind="similar", purpose="diagnose",
)  # fmt: skip

_MEDICAL = (
    _Medical("biology", "Biology", "8b9fec2db9eda4b5742d03732213fbaee8169556",
             _post("biology", "Biology"), 103, 57_359, 374),
    _Medical("bioinf", "Bioinformatics", "6021fce366892cbfd7837fa85a4128ea93315e18",
             _post("bioinformatics", "Bioinformatics"), 77, 47_471, 227, nano_gold=226),
    _Medical("medsci", "Medical-Sciences", "1b48911514c80bf9182222d99752ad75e23b4b47",
             _post("medical_science", "Medical Sciences", "Medical Science"), 88, 34_792, 244),
    _Medical("medexam", "MedXpertQA-Exam", "b457ea43db9ae5db74c3a3e5be0a213d0f85ac3a",
             _EXAM, 97, 61_379, 292),
    _Medical("meddiag", "MedQA-Diag", "78b585990279cc01a493f876c1b0cf09557fba57",
             _EXAM, 118, 56_194, 522),
    _Medical("pmc-tr", "PMC-Treatment", "53c489a44a3664ba352c07550b72b4525a5968d5",
             _TREATMENT, 150, 28_809, 315),
    _Medical("pmc-cl", "PMC-Clinical", "812829522f7eaa407ef82b96717be85788a50f7e",
             _CASE, 114, 60_406, 248),
    _Medical("iiyi-cl", "IIYi-Clinical", "974abbc9bc281c3169180a6aa5d7586cfd2f5877",
             _CASE, 129, 10_449, 457),
)  # fmt: skip
"""Revisions and counts: those that mteb pins and counted (a905523, r2_med_retrieval.py and
descriptive_stats). NanoR2MED's gold: hakari-bench 13a07cf, docs/benchmark_tasks/NanoR2MED.
Wording: ReasonEmbed's evaluation of R2MED (VectorSpaceLab/agentic-search), which is R2MED's own
but for the period."""

_PRO_REVISION = "dbdc22babbef310210e267b99249e7cec86d5edf"
_PRO = {
    "biology": GroundCounts(103, 59_513, 804),
    "earth_science": GroundCounts(115, 123_575, 856),
    "economics": GroundCounts(99, 52_240, 773),
    "psychology": GroundCounts(100, 54_741, 707),
    "robotics": GroundCounts(101, 63_920, 623),
    "stackoverflow": GroundCounts(115, 109_188, 529),
    "sustainable_living": GroundCounts(106, 63_142, 980),
}
"""The revision that mteb pinned before it made copies without aspects; counts of those copies
(mteb 4d430a9 and later, descriptive_stats/Retrieval). They add up to the paper's 739 queries,
526,319 documents and 5,272 pairs (arXiv 2605.04018)."""

_TEMPO_REVISION = "1dba7027d0afa628993c6dd794e9b68c657a6fac"
_TEMPO = {
    "bitcoin": ("Bitcoin", GroundCounts(100, 153_291)),
    "cardano": ("Cardano", GroundCounts(51, 87_201)),
    "economics": ("Economics", GroundCounts(83, 93_756)),
    "genealogy": ("Genealogy", GroundCounts(115, 156_228)),
    "history": ("History", GroundCounts(801, 356_493)),
    "hsm": ("History of Science and Mathematics", GroundCounts(150, 213_818)),
    "iota": ("Iota", GroundCounts(10, 10_372)),
    "law": ("Law", GroundCounts(35, 43_288)),
    "monero": ("Monero", GroundCounts(65, 85_093)),
    "politics": ("Politics", GroundCounts(150, 183_394)),
    "quant": ("Quantitative Finance", GroundCounts(34, 28_785)),
    "travel": ("Travel", GroundCounts(100, 177_677)),
    "workplace": ("Workplace", GroundCounts(36, 64_659)),
}
"""Revision and counts of rows: jylusAus/jylus 7c85013, benchmarks/tempo/config.json, which counts
documents at the commit before. 1,730 queries as in the paper (arXiv 2601.09523)."""

_NANO = {
    "biology": ("Biology", 10_000, 372),
    "earth_science": ("EarthScience", 10_000, 579),
    "economics": ("Economics", 10_000, 800),
    "psychology": ("Psychology", 10_000, 692),
    "robotics": ("Robotics", 10_000, 518),
    "stackoverflow": ("Stackoverflow", 10_000, 478),
    "sustainable_living": ("SustainableLiving", 10_000, 575),
    "leetcode": ("Leetcode", 10_000, 262),
    "pony": ("Pony", 6_183, 2_219),
    "aops": ("Aops", 10_000, 524),
    "theoremqa_questions": ("TheoremQAQuestions", 10_000, 439),
    "theoremqa_theorems": ("TheoremQATheorems", 10_000, 151),
    "biology-long": ("BiologyLong", 498, 134),
    "earth_science-long": ("EarthScienceLong", 587, 186),
    "economics-long": ("EconomicsLong", 515, 109),
    "psychology-long": ("PsychologyLong", 509, 116),
    "robotics-long": ("RoboticsLong", 505, 106),
    "stackoverflow-long": ("StackoverflowLong", 1_846, 129),
    "sustainable_living-long": ("SustainableLivingLong", 551, 129),
    "pony-long": ("PonyLong", 577, 769),
}
"""Splits and counts: hakari-bench 13a07cf, docs/benchmark_tasks/NanoBRIGHT. No public code pins a
revision. Queries are BRIGHT's, and so are their words."""
_NANO_DOCUMENTS = 10_000
"""Documents of each task of NanoR2MED (hakari-bench 13a07cf, docs/benchmark_tasks/NanoR2MED)."""


def _camel(text: str) -> str:
    """Return `EarthScience` of `earth_science` or `Earth-Science`."""
    return "".join(word[:1].upper() + word[1:] for word in text.replace("-", "_").split("_"))


def _r2med(row: _Medical) -> Ground:
    """Return a task of R2MED."""
    return Ground(
        name=f"r2med-{row.name}",
        source=R2MED,
        repository=f"R2MED/{row.hub}",
        revision=row.revision,
        split="",
        prompt_fields=row.prompt_fields,
        counts=GroundCounts(row.queries, row.documents, row.gold),
        mteb_name=R2MED.mteb.format(_camel(row.hub)),
        related="biology" if row.name == "biology" else "",
        difference=OLDER_GOLD if row.name == "biology" else "",
        note=OLDER_GOLD if row.name == "biology" else "",
    )


def _nano_r2med(row: _Medical) -> Ground:
    """Return a task of NanoR2MED."""
    return Ground(
        name=f"nano-r2med-{row.name}",
        source=NANO_R2MED,
        repository="hakari-bench/NanoR2MED",
        revision="",
        split=f"NanoR2MED{_camel(row.hub)}",
        prompt_fields=row.prompt_fields,
        counts=GroundCounts(row.queries, _NANO_DOCUMENTS, row.nano_gold or row.gold),
    )


def _bright_pro(slug: str, counts: GroundCounts) -> Ground:
    """Return a task of BRIGHT-Pro, from its authors' data set, which has the aspects."""
    return Ground(
        name=f"bright-pro-{slug}",
        source=BRIGHT_PRO,
        repository="yale-nlp/Bright-Pro",
        revision=_PRO_REVISION,
        split=slug,
        prompt_fields=bright_tasks.TASKS[slug].prompt_fields,
        counts=counts,
        mteb_name=BRIGHT_PRO.mteb.format(_camel(slug)),
        related=slug,
        difference="BRIGHT-Pro judges anew and adds documents, so numbers on the two do not "
        "compare",
    )


def _tempo(slug: str, name: str, counts: GroundCounts) -> Ground:
    """Return a task of TEMPO."""
    return Ground(
        name=f"tempo-{slug}",
        source=TEMPO,
        repository="tempo26/Tempo",
        revision=_TEMPO_REVISION,
        split=slug,
        prompt_fields=_post(slug, name),
        counts=counts,
    )


def _nano_bright(task: str, split: str, documents: int, gold: int) -> Ground:
    """Return a task of NanoBRIGHT: BRIGHT's queries on a sample of its documents."""
    bright = bright_tasks.TASKS[task]
    return Ground(
        name=f"nano-bright-{task}",
        source=NANO_BRIGHT,
        repository="hakari-bench/NanoBRIGHT",
        revision="",
        split=f"NanoBright{split}",
        prompt_fields=bright.prompt_fields,
        counts=GroundCounts(bright.counts.queries, documents, gold),
        related=task,
        difference="NanoBRIGHT searches a sample of the documents and excludes none, so numbers on "
        "the two do not compare",
    )


GROUNDS = {
    ground.name: ground
    for ground in (
        *map(_r2med, _MEDICAL),
        *(_bright_pro(slug, counts) for slug, counts in _PRO.items()),
        *(_tempo(slug, name, counts) for slug, (name, counts) in _TEMPO.items()),
        *(_nano_bright(task, *row) for task, row in _NANO.items()),
        *map(_nano_r2med, _MEDICAL),
    )
}
"""All tasks by name, in the order of their groups."""


def kinship(tasks: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """Return why numbers on some tasks do not compare with those on others of the same queries."""
    there, elsewhere = set(tasks), set(others)
    return tuple(
        f"{ground.name} and {ground.related}: {ground.difference}"
        for ground in GROUNDS.values()
        if (ground.name in there and ground.related in elsewhere)
        or (ground.name in elsewhere and ground.related in there)
    )
