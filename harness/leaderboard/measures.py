"""Speed, cost, cut-off texts and machines of measured entries, over all of their tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.core.types import Json
from results.schema import Entry


def documents_per_second(entries: Sequence[Entry]) -> float | None:
    """Return documents encoded (or indexed) per second over all entries; `None` if unknown.

    Documents whose vectors were stored already say nothing and are left out.
    """
    pairs = [pair for entry in entries if (pair := _documents_and_seconds(entry)) is not None]
    seconds = sum(each for _, each in pairs)
    return sum(each for each, _ in pairs) / seconds if seconds > 0 else None


def _documents_and_seconds(entry: Entry) -> tuple[float, float] | None:
    """Return how many documents an entry worked through and how long that took."""
    found = entry.facts.get("documents")
    if isinstance(found, Mapping):
        encoded, rate = _number(found, "encoded"), _number(found, "texts_per_second")
        return (encoded, encoded / rate) if encoded and rate else None
    seconds = entry.timings.get("index")
    documents = _number(entry.facts, "documents")
    return (documents, seconds) if documents and seconds else None


def truncation_rate(entries: Sequence[Entry]) -> float | None:
    """Return the share of documents that were cut at the length limit, 0 to 1."""
    texts = truncated = 0.0
    for entry in entries:
        found = entry.facts.get("documents")
        if isinstance(found, Mapping) and "truncated" in found:
            texts += _number(found, "texts")
            truncated += _number(found, "truncated")
    return truncated / texts if texts else None


def billed(entries: Sequence[Entry]) -> float | None:
    """Return what a server billed for the entries, in the card's currency; `None` if unknown.

    Of texts that two tasks share, the first pays; vectors that were stored already cost nothing.
    """
    costs = [cost for entry in entries if (cost := _usage(entry).get("cost")) is not None]
    complete = costs and len(costs) == len(entries)
    return sum(float(cost) for cost in costs if isinstance(cost, int | float)) if complete else None


def price(entries: Sequence[Entry], card_price: float | None) -> float | None:
    """Return the price per million tokens: as it was when measured, else the card's."""
    for entry in entries:
        if found := _number(_usage(entry), "price"):
            return found
    return card_price


def _usage(entry: Entry) -> Mapping[str, Json]:
    """Return what an entry says of a server's bill; empty for a model that ran here."""
    found = entry.facts.get("usage")
    return found if isinstance(found, Mapping) else {}


def hardware(entries: Sequence[Entry]) -> str | None:
    """Return the GPUs, or else the processors, that the entries were measured on."""
    names: dict[str, None] = {}
    for entry in entries:
        gpus = entry.environment.get("gpus")
        if isinstance(gpus, list) and gpus:
            names.update({_gpu_name(str(gpu)): None for gpu in gpus})
        elif entry.environment.get("cpu"):
            names[str(entry.environment["cpu"])] = None
    return ", ".join(names) or None


def _gpu_name(text: str) -> str:
    """Return the name in `name, memory, driver`."""
    return text.partition(",")[0].strip()


def _number(values: Mapping[str, Json], key: str) -> float:
    """Return a number of a mapping, 0 where there is none."""
    found = values.get(key)
    return float(found) if isinstance(found, int | float) else 0.0
