"""How each stage's replies are sampled: the released settings, ours, and changes to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from harness.core.errors import BadInput
from models.chat.protocol import Sampling

DOMAIN_FILTER = Sampling(temperature=0.0, top_p=1.0, max_tokens=8, choices=("Yes", "No"))
"""Ours. The released code asks the same question with its client's defaults: temperature 1.0, top-p
0.6, 8,192 tokens (llm.py)."""

GENERATE = Sampling(temperature=1.0, top_p=0.6, max_tokens=8192)
"""ReasonEmbed's data_synthesis at 1efe855, llm.py."""

REASON = Sampling(temperature=0.7, top_p=0.95, max_tokens=1024)
"""Ours: how the authors made reasoning queries is not public."""

ANNOTATE = Sampling(
    temperature=0.7,
    top_p=0.95,
    max_tokens=2048,
    top_k=40,
    pattern=r"[\s\S]*<score>[1-5]</score>\s*",
)
"""ReasonEmbed's data_synthesis/3-label; the pattern is ours, for engines that can enforce one."""

_NUMBERS = {
    "temperature": float, "top_p": float, "top_k": int, "max_tokens": int,
    "repetition_penalty": float,
}  # fmt: skip
_LEAST = {
    "temperature": 0.0,
    "top_p": 1e-9,
    "top_k": 0,
    "max_tokens": 1,
    "repetition_penalty": 1e-9,
}


@dataclass(frozen=True, slots=True)
class StageSamplings:
    """The sampling of every stage that asks a model."""

    domain_filter: Sampling = DOMAIN_FILTER
    generate: Sampling = GENERATE
    reason: Sampling = REASON
    annotate: Sampling = ANNOTATE

    def limited(self, max_reply_tokens: int) -> StageSamplings:
        """Return the samplings with replies of at most so many tokens; 0 changes nothing."""
        if not max_reply_tokens:
            return self
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        return StageSamplings(
            **{
                name: replace(each, max_tokens=min(each.max_tokens, max_reply_tokens))
                for name, each in own.items()
            }
        )


def parse_samplings(texts: Iterable[str]) -> StageSamplings:
    """Return the samplings changed by texts `STAGE.SETTING=NUMBER`.

    Stages are the fields of `StageSamplings`, settings the numbers of `Sampling`. Raises `BadInput`
    for another stage or setting, and for a value out of range.
    """
    samplings = StageSamplings()
    stages = [each.name for each in fields(StageSamplings)]
    for text in texts:
        name, _, value = text.partition("=")
        stage, _, setting = name.strip().partition(".")
        if stage not in stages or setting not in _NUMBERS:
            raise BadInput(
                f"--sampling {text!r} names no setting",
                fix=f"Write it as annotate.temperature=0: stages are {', '.join(stages)}; "
                f"settings {', '.join(_NUMBERS)}.",
            )
        try:
            number = _NUMBERS[setting](value)
        except ValueError as error:
            raise BadInput(f"--sampling {text!r} gives no number", fix="Write it as "
                           "annotate.temperature=0.") from error  # fmt: skip
        most = 1.0 if setting == "top_p" else float("inf")
        if not _LEAST[setting] <= number <= most or number == float("inf"):
            raise BadInput(
                f"--sampling {text!r} is out of range",
                fix="temperature and top_k are 0 or more, top_p is above 0 and at most 1, "
                "max_tokens and repetition_penalty are above 0.",
            )
        changed = replace(getattr(samplings, stage), **{setting: number})
        samplings = replace(samplings, **{stage: changed})
    return samplings
