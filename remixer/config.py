"""What a run of ReMixer makes: every setting that changes its output, with the defaults, once."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.core.errors import BadInput
from remixer.prompt_files import OURS, PromptFiles
from remixer.sampling import StageSamplings

MIN_CHARACTERS = 200
MAX_CHARACTERS = 5000
"""Shorter and longer documents are left out (ReasonEmbed's data_synthesis at 1efe855,
1-run_generation)."""

DOCUMENTS_PER_TASK = 10_000
SEED = 42
"""Documents sampled per task, and the seed (same source)."""

DEPTH = 100
"""Candidates per query (same source, 2-mine_docs_for_bright)."""

POSITIVE_FROM = 3
"""Labels from here up are positive, 1 and 2 negative (same source, 4-process)."""

ANNOTATOR = "llm"


@dataclass(frozen=True, slots=True)
class SelectConfig:
    """How documents are chosen: lengths in characters, inclusive; `limit` documents at most."""

    min_characters: int = MIN_CHARACTERS
    max_characters: int = MAX_CHARACTERS
    limit: int = DOCUMENTS_PER_TASK
    seed: int = SEED


@dataclass(frozen=True, slots=True)
class MineOptions:
    """How candidates are mined: at most `depth` per query.

    With `include_source` the source document may be a candidate like any other: only for measuring
    what that does (the triviality ablation). With `without_gold` no candidate is a document that
    the task's own queries judge or exclude, or a near-duplicate of one, so nothing of the
    benchmark's answers is trained on (the released data has no such rule).
    """

    depth: int = DEPTH
    include_source: bool = False
    without_gold: bool = False


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """How labels become training rows.

    `kind` gives the group sizes. `source_positive` is the triviality ablation: the source document
    is the only positive. Labels from `positive_from` (2 to 5) up are positive, those below
    negative. With `drop_near` a negative that is a near-duplicate of a positive of its row is left
    out: the same text cannot be right and wrong. Raises `BadInput`.
    """

    kind: str
    source_positive: bool = False
    positive_from: int = POSITIVE_FROM
    drop_near: bool = True

    def __post_init__(self) -> None:
        """Refuse a threshold that leaves no label on one side."""
        check_positive_from(self.positive_from, "positive_from")


def check_positive_from(value: int, name: str) -> None:
    """Raise `BadInput` if a threshold between positives and negatives is not 2 to 5."""
    if not 2 <= value <= 5:
        raise BadInput(f"{name} = {value}", fix="Give a label from 2 to 5.")


@dataclass(frozen=True, slots=True)
class RemixConfig:
    """Everything that changes a run's output.

    `domain_filter` asks whether documents belong to the domain. `reason` adds reasoning queries,
    which Redapter needs. `sources`, if given, names the only documents to write queries from;
    candidates still come from all. `mine.include_source` makes the trivial set of the ablation: the
    source may be mined, and is the only positive. `max_reply_tokens` lowers the limit of every
    stage's `samplings` (0 does not). `prompts` are the texts to ask with. `positive_from` and
    `drop_near` are those of `FormatOptions`.
    """

    select: SelectConfig = field(default_factory=SelectConfig)
    domain_filter: bool = True
    reason: bool = True
    mine: MineOptions = field(default_factory=MineOptions)
    sources: frozenset[str] | None = None
    max_reply_tokens: int = 0
    samplings: StageSamplings = field(default_factory=StageSamplings)
    prompts: PromptFiles = OURS
    positive_from: int = POSITIVE_FROM
    drop_near: bool = True
