"""Live objects as rerankers: anything with `predict(pairs)` or `rank(query, documents)`.

An object has no card, so the caller says what it is (`name`) and which one (`version`). Only with a
version are its scores kept: the same name could be another model tomorrow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.core.errors import BadInput, MissingExtra, ModelError
from harness.core.protocols import Reporter
from harness.core.types import Json
from harness.core.weight_files import weight_errors
from harness.pipelines.rerank_ports import CandidateList, ListScores, Scorer

if TYPE_CHECKING:
    from harness.core.types import FloatVector
    from models.backends.cross_encoder import LocalOptions
from models.devices import find_device
from models.rerankers.card import RerankerCard

_PLACES = ("corpus_id", "index")
_SCORES = ("score", "relevance_score")
"""Keys of a ranking's rows: sentence-transformers', and those of Jina and Cohere."""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What the caller says of an object; without a version no two objects are the same."""

    name: str
    version: str = ""
    stamp: str = field(default_factory=lambda: str(time.time_ns()))

    def identity(self, model: object) -> dict[str, Json]:
        """Return what stands in an entry for the object."""
        kind = type(model)
        said: dict[str, Json] = {
            "object": f"{kind.__module__}.{kind.__qualname__}",
            "name": self.name,
            "version": self.version or None,
        }
        return said if self.version else {**said, "evaluated": self.stamp}


def object_reranker(model: object, facts: ObjectFacts) -> Scorer:
    """Return the reranker around an object; raises `BadInput` for one that scores nothing.

    `predict(pairs)` goes before `rank(query, documents)`, since it leaves scores to be kept. A
    sentence-transformers `CrossEncoder` is asked for its logits.
    """
    predict, rank = getattr(model, "predict", None), getattr(model, "rank", None)
    if callable(predict):
        return ObjectPairScorer(model, _logits(model, predict), facts)
    if callable(rank):
        return ObjectListScorer(facts.name, facts.identity(model), rank)
    raise BadInput(
        f"a {type(model).__name__} is neither a reranker's name nor an object that reranks",
        fix="Give a name, a folder, or an object with predict(pairs) or rank(query, documents).",
    )


@dataclass(frozen=True, slots=True)
class ObjectPairScorer:
    """A `PairScorer` around `predict(pairs)`."""

    model: object
    predict: Callable[[list[tuple[str, str]]], Any]
    facts: ObjectFacts

    @property
    def name(self) -> str:
        """The caller's name for it."""
        return self.facts.name

    @property
    def identity(self) -> Mapping[str, Json]:
        """Name, version and class."""
        return self.facts.identity(self.model)

    def scores(self, pairs: Sequence[tuple[str, str]]) -> FloatVector:
        """Return float32 `[n]`; raises `ModelError` for anything but one number a pair."""
        return _numbers(self.predict(list(pairs)), len(pairs), self.name)


@dataclass(frozen=True, slots=True)
class ObjectListScorer:
    """A `ListScorer` around `rank(query, documents)`."""

    name: str
    identity: Mapping[str, Json]
    rank: Callable[[str, list[str]], Any]
    side_by_side: bool = True

    def score_lists(self, lists: Sequence[CandidateList], reporter: Reporter) -> ListScores:
        """Return the scores of each list; raises `ModelError` for a ranking that does not fit."""
        found = []
        with reporter.bar(f"{self.name}: reranking", len(lists), "queries") as advance:
            for each in lists:
                found.append(_ranked(self.rank(each.query, list(each.texts)), each, self.name))
                advance(1)
        return ListScores(tuple(found), {"calls": len(lists)})


def own_code_reranker(card: RerankerCard, options: LocalOptions | None) -> ObjectListScorer:
    """Return a model whose repository brings its own `rank` or `rerank`; loaded on first use.

    Raises `BadInput` unless its code is trusted.
    """
    from models.backends.cross_encoder import LocalOptions, check_remote_code
    from models.weights import find_weights

    how = options or LocalOptions()
    check_remote_code(card, how)
    if how.max_length or how.instruction:
        raise BadInput(
            f"{card.name} decides its window and wording itself",
            fix="Leave --max-length and --instruction out.",
        )
    weights = find_weights(card.weights_card)
    loaded: list[Callable[[str, list[str]], Any]] = []

    def rank(query: str, documents: list[str]) -> Any:
        if not loaded:
            loaded.append(_own_rank(weights.fetch(), card.name, how))
        return loaded[0](query, documents)

    identity: dict[str, Json] = {
        "model": card.name,
        "weights": weights.identity,
        "backend": card.method,
        "dtype": how.dtype or "float32",
    }
    return ObjectListScorer(card.name, identity, rank)


def _own_rank(folder: Any, name: str, how: LocalOptions) -> Callable[[str, list[str]], Any]:
    """Load a model with its own code and return its method."""
    try:
        import torch
        from transformers import AutoModel
    except ImportError as error:
        raise MissingExtra("transformers", "torch") from error
    with weight_errors(name, folder):
        # A folder, not a name on the hub: it has no revision.
        model = AutoModel.from_pretrained(  # nosec B615
            str(folder),
            local_files_only=True,
            trust_remote_code=True,
            dtype=getattr(torch, how.dtype or "float32"),
        )
    model = model.to(find_device(how.device)).eval()
    method = getattr(model, "rerank", None) or getattr(model, "rank", None)
    if not callable(method):
        raise ModelError(
            f"the code of {name!r} has no method rerank(query, documents)",
            fix="Serve it and give its URL.",
        )
    found: Callable[[str, list[str]], Any] = method
    return found


def _logits(model: object, predict: Callable[..., Any]) -> Callable[[list[tuple[str, str]]], Any]:
    """Return what scores pairs: of a `CrossEncoder` its logits, before any activation."""
    if not any(kind.__name__ == "CrossEncoder" for kind in type(model).__mro__):
        return predict
    from torch.nn import Identity

    def logits(pairs: list[tuple[str, str]]) -> Any:
        return predict(pairs, activation_fn=Identity(), show_progress_bar=False)

    return logits


def _numbers(scores: Any, count: int, name: str) -> FloatVector:
    """Return an array, tensor or list as float32 `[count]`; raises `ModelError`."""
    import numpy as np

    if hasattr(scores, "detach"):
        scores = scores.detach().float().cpu().numpy()
    try:
        found = np.asarray(scores, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"{name!r} gave no numbers: {error}", fix="It must give one number for each text."
        ) from error
    if found.shape != (count,):
        raise ModelError(
            f"{name!r} gave scores of shape {found.shape} for {count} texts",
            fix="It must give one number for each text.",
        )
    return found


def _ranked(answer: Any, asked: CandidateList, name: str) -> FloatVector:
    """Return the scores in a ranking by the place of the text: rows, pairs, or plain numbers."""
    rows = list(answer)
    if not rows or not isinstance(rows[0], Mapping | tuple | list):
        return _numbers(rows, len(asked.texts), name)
    found: dict[int, float] = {}
    try:
        for row in rows:
            place, score = _row(row)
            found[int(place)] = float(score)
    except (KeyError, StopIteration, TypeError, ValueError) as error:
        raise _no_ranking(name, f"a row that cannot be read ({error!r})") from error
    if len(rows) != len(asked.texts) or sorted(found) != list(range(len(asked.texts))):
        raise _no_ranking(name, f"{len(rows)} rows for {len(asked.texts)} documents")
    return _numbers([found[at] for at in range(len(found))], len(found), name)


def _row(row: Any) -> tuple[Any, Any]:
    """Return the place and the score of one row."""
    if not isinstance(row, Mapping):
        place, score = row
        return place, score
    place_key = next(key for key in _PLACES if key in row)
    return row[place_key], row[next(key for key in _SCORES if key in row)]


def _no_ranking(name: str, what: str) -> ModelError:
    return ModelError(
        f"{name!r} gave {what}",
        fix="rank(query, documents) must give, for each document once, its place and a score.",
    )
