"""What a pipeline's file says: one frozen class a kind of stage, checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar, TypeAlias

from harness.core.errors import BadInput, UnknownName
from harness.core.types import Json
from harness.pipelines.fusion import FusionSettings
from harness.pipelines.methods import method_named
from harness.pipelines.rerank import RerankSettings
from models.chat.defaults import CONCURRENCY
from models.chat.dispatch import Budget

ORIGINAL = "original"
METHODS = ("reason", "hyde", "query2doc", "concise")
"""How a chat model rewrites; each is a prompt file of ours. HyDE: Gao et al. 2023; query2doc: Wang
et al. 2023; `reason` asks for the reasoning towards a helpful document, as BRIGHT's rewritten
queries have it (Su et al. 2024); `concise` for the core of the question, as INF-X has it."""

KEEPS = ("replace", "append", "both")


def _check(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UnknownName(what, value, known, listing=f"It is {', '.join(known)}.")


def _at_least(least: int, **values: int) -> None:
    for name, value in values.items():
        if value < least:
            raise BadInput(f"{name} is {value}", fix=f"Give {least} or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatUse:
    """How a stage asks a chat model: where it is, what it is told, how often, and for how much.

    `llm` is what `--llm` of `rebench remix` takes. Prices are per million tokens; `max_cost` and
    `max_tokens_total` (0: none) stop the stage with all replies kept.
    """

    llm: str = ""
    llm_model: str = ""
    dialect: str = "vllm"
    concurrency: int = CONCURRENCY
    prompts: str = ""
    samples: int = 1
    seed: int = 42
    price_prompt: float = 0.0
    price_reply: float = 0.0
    max_cost: float = 0.0
    max_tokens_total: int = 0

    @property
    def budget(self) -> Budget:
        """The limits of asking; raises `BadInput` for a cost without prices."""
        return Budget(self.max_tokens_total, self.max_cost, self.price_prompt, self.price_reply)


@dataclass(frozen=True, slots=True)
class RewriteStage(ChatUse):
    """Rewrites the original queries, by a chat model (`method`) or from a `file`.

    `samples` rewrites are drawn of each query. `keep` says what is searched with: each rewrite
    alone ("replace"), query, newline and rewrite as one text ("append"), or the query and each
    rewrite as separate versions ("both"). With `reads`, a retrieve stage, the model sees the texts
    of that stage's first `documents` (`words` of each); in each further of `rounds` those that the
    same models find for the rewrite so far.
    """

    kind: ClassVar[str] = "rewrite"

    name: str
    method: str = ""
    file: str = ""
    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 2_048
    keep: str = "append"
    rounds: int = 1
    reads: str = ""
    documents: int = 5
    words: int = 300
    inputs: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        _check("keep", self.keep, KEEPS)
        _at_least(
            1, samples=self.samples, rounds=self.rounds, max_tokens=self.max_tokens,
            documents=self.documents, words=self.words, concurrency=self.concurrency,
        )  # fmt: skip
        if bool(self.method) == bool(self.file):
            raise BadInput(
                f"the stage {self.name} needs one of method and file",
                fix=f"Write method = {' or '.join(METHODS)}, or file = the rewrites.",
            )
        if self.method:
            _check("method", self.method, METHODS)
        elif self.samples > 1 or self.rounds > 1 or self.reads or self.llm:
            raise BadInput(
                f"the stage {self.name} reads a file, and asks no chat model",
                fix="Leave samples, rounds, reads and llm out.",
            )
        if not 0 <= self.temperature <= 2 or not 0 < self.top_p <= 1:
            raise BadInput(
                f"temperature is {self.temperature} and top_p {self.top_p}",
                fix="A temperature is from 0 to 2, top_p above 0 up to 1.",
            )
        if self.samples > 1 and not self.temperature:
            raise BadInput(
                f"samples is {self.samples} at temperature 0, where all are the same",
                fix="Give a temperature of 0.6 or so, or samples = 1.",
            )
        if self.rounds > 1 and not self.reads:
            raise BadInput(
                f"the stage {self.name} has {self.rounds} rounds and reads no documents",
                fix='Name a retrieve stage: reads = "NAME".',
            )


@dataclass(frozen=True, slots=True)
class RetrieveStage:
    """Searches with each of `models`, `depth` documents a query.

    Several versions of a query make one list each; they are fused by the method `versions`, which
    adds up scores as they are ("sum") unless it reads ranks.
    """

    kind: ClassVar[str] = "retrieve"

    name: str
    models: tuple[str, ...]
    versions: str = "sum"
    depth: int = 1_000
    inputs: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        _at_least(1, depth=self.depth)
        method = method_named(self.versions)
        if method.weighted or any(value is None for value in (method.parameters or {}).values()):
            raise BadInput(
                f"versions = {self.versions!r} needs weights or a parameter",
                fix="Take sum, max, rrf or another method without.",
            )
        if not self.models:
            raise BadInput(f"the stage {self.name} names no model", fix='models = ["bm25"]')
        twice = [model for model in self.models if self.models.count(model) > 1]
        if twice:
            raise BadInput(f"the stage {self.name} names {twice[0]} twice", fix="Name it once.")


@dataclass(frozen=True, slots=True)
class FuseStage:
    """Fuses the lists of its inputs; `weights` maps a system to a number.

    A list of a retrieve stage is called as its model, any other as its stage; where two would be
    called alike, each is STAGE/MODEL.
    """

    kind: ClassVar[str] = "fuse"

    name: str
    method: str = "rrf"
    norm: str = ""
    missing: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, float] = field(default_factory=dict)
    depth: int = 0
    inputs: tuple[str, ...] | None = None

    def settings(self, systems: tuple[str, ...]) -> FusionSettings:
        """Return the settings for lists of these names; raises for weights that do not fit."""
        for name, weight in self.weights.items():
            if name not in systems:
                listing = f"The stage {self.name} fuses {', '.join(systems)}."
                raise UnknownName("system with a weight", name, systems, listing=listing)
            if isinstance(weight, bool) or not isinstance(weight, int | float):
                raise BadInput(f"the weight of {name} is {weight!r}", fix="Give a number.")
        if self.weights:
            for name in systems:
                if name not in self.weights:
                    raise BadInput(f"{name} has no weight", fix="Give it one, which may be 0.")
        return FusionSettings(
            method=self.method,
            norm=self.norm,
            missing=self.missing,
            weights=tuple(self.weights[name] for name in systems) if self.weights else (),
            parameters=self.parameters,
            depth=self.depth or None,
        )


@dataclass(frozen=True, slots=True)
class RerankStage(ChatUse):
    """Reranks one list; `model` is what `rebench rerank --with` takes.

    `query` is what the reranker reads: the original query, or a rewrite stage's only version.
    The other fields are the options of `rebench rerank` of that name (0 and empty: the card's;
    a temperature below 0 too).
    """

    kind: ClassVar[str] = "rerank"

    name: str
    model: str
    query: str = ORIGINAL
    depth: int = 100
    blend: float = 1.0
    norm: str = "min-max"
    tail: str = "keep"
    long: str = "cut"
    window: int = 20
    step: int = 0
    passes: int = 1
    words: int = 0
    temperature: float = -1.0
    max_tokens: int = 0
    server_model: str = ""
    api_key_env: str = ""
    max_length: int = 0
    device: str = ""
    trust_remote_code: bool = False
    inputs: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Check how candidates are reranked."""
        _ = self.settings

    @property
    def settings(self) -> RerankSettings:
        """How the candidates are reranked."""
        return RerankSettings(self.depth, self.blend, self.norm, self.tail, self.long)


Stage: TypeAlias = RewriteStage | RetrieveStage | FuseStage | RerankStage

STAGE_KINDS: Mapping[str, type[Stage]] = {
    each.kind: each for each in (RewriteStage, RetrieveStage, FuseStage, RerankStage)
}


def stage_json(stage: Stage, without: tuple[str, ...] = ("name", "inputs")) -> dict[str, Json]:
    """Return a stage's fields as JSON, those of no effect on its output left out."""
    values: dict[str, Json] = {"kind": stage.kind}
    for each in fields(stage):
        if each.name not in without and each.name not in _NO_EFFECT:
            values[each.name] = _plain(getattr(stage, each.name))
    return values


_NO_EFFECT = frozenset({
    "llm", "concurrency", "price_prompt", "price_reply", "max_cost", "max_tokens_total", "device",
    "api_key_env", "dialect", "prompts", "trust_remote_code",
})  # fmt: skip
"""Fields that say where and at what price a stage runs; its prompts count by their text."""


def _plain(value: object) -> Json:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    assert value is None or isinstance(value, str | int | float | bool)  # noqa: S101
    return value
