"""From rows of a step to padded token tensors, in the columns that the loss reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redapter.batches import Drawn, Step, draw
from redapter.config import BatchConfig, DataConfig
from redapter.data import Example


@dataclass(frozen=True, slots=True)
class DrawnRows:
    """A map-style data set whose keys are (step number, row): drawing is pure, so order is free."""

    examples: Sequence[Example]
    steps: Sequence[Step]
    seed: int

    def __len__(self) -> int:
        """Return the number of rows over all steps."""
        return sum(len(step.rows) for step in self.steps)

    def __getitem__(self, key: tuple[int, int]) -> tuple[int, Drawn]:
        """Return (step number, the row with its texts drawn)."""
        number, row = key
        return number, draw(self.examples[row], row, self.steps[number], seed=self.seed)


@dataclass(frozen=True, slots=True)
class Collator:
    """Tokenises one process's share of a step.

    Columns: `anchor`, `reasoning_anchor` (when the loss reads it), `passage`, whose rows are the
    queries' positives, then everybody's first negative, then the second, and so on. `label` is
    each row's difficulty, `step_number` an int, and `tokens` counts the tokens that are embedded,
    without padding: reasoning queries count from the step `reasoning_from` on (`None`: the loss
    reads none).
    """

    tokenizer: Any
    data: DataConfig
    batch: BatchConfig
    reasoning_from: int | None

    def __call__(self, rows: Sequence[tuple[int, Drawn]]) -> dict[str, Any]:
        """Return the columns of one share."""
        import torch

        number = rows[0][0]
        drawn = [each for _, each in rows]
        groups = zip(*(each.passages for each in drawn), strict=True)
        passages = [text for group in groups for text in group]
        columns = {"anchor": ([each.query for each in drawn], self.data.max_query_length)}
        if self.reasoning_from is not None:
            columns["reasoning_anchor"] = (
                [each.reasoning for each in drawn],
                self.data.max_reasoning_length,
            )
        columns["passage"] = (passages, self.data.max_passage_length)
        batch: dict[str, Any] = {"step_number": number, "tokens": 0}
        for column, (texts, max_length) in columns.items():
            tokens = self.tokenizer(
                texts,
                padding=True,
                truncation=True,
                max_length=max_length,
                pad_to_multiple_of=self.batch.pad_to_multiple_of or None,
                return_tensors="pt",
            )
            if column != "reasoning_anchor" or number >= (self.reasoning_from or 0):
                batch["tokens"] += int(tokens["attention_mask"].sum())
            batch |= {f"{column}_{key}": value for key, value in tokens.items()}
        batch["label"] = torch.tensor([each.difficulty for each in drawn])
        return batch
