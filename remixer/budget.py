"""How much a run may spend, in tokens and in money."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.errors import BadInput, BudgetReached
from remixer.journal import Totals


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits over all that a run's journal holds, 0 for none.

    `max_tokens` counts prompts and replies; `max_cost` is in the currency of the two prices, which
    are per million tokens. Raises `BadInput` for a negative value or a cost without prices.
    """

    max_tokens: int = 0
    max_cost: float = 0.0
    price_prompt: float = 0.0
    price_reply: float = 0.0

    def __post_init__(self) -> None:
        """Check the limits."""
        if min(self.max_tokens, self.max_cost, self.price_prompt, self.price_reply) < 0:
            raise BadInput(f"a limit or price is negative: {self}", fix="Give 0 or more.")
        if self.max_cost and not (self.price_prompt or self.price_reply):
            raise BadInput(
                f"a limit of {self.max_cost} on cost, but no price is known",
                fix="Give --price-prompt and --price-reply, per million tokens.",
            )

    def cost(self, totals: Totals) -> float:
        """Return what so many tokens cost."""
        return (
            totals.prompt_tokens * self.price_prompt + totals.reply_tokens * self.price_reply
        ) / 1e6

    def reached(self, totals: Totals) -> BudgetReached | None:
        """Return the error to raise when nothing more may be asked, or `None`."""
        tokens = totals.prompt_tokens + totals.reply_tokens
        if self.max_tokens and tokens >= self.max_tokens:
            return _stop(f"{tokens:,} tokens of {self.max_tokens:,}", "--max-tokens-total", totals)
        if self.max_cost and self.cost(totals) >= self.max_cost:
            spent = f"a cost of {self.cost(totals):.4f} of {self.max_cost:.4f}"
            return _stop(spent, "--max-cost", totals)
        return None


def _stop(spent: str, flag: str, totals: Totals) -> BudgetReached:
    """Return the error that says what was spent and how to go on."""
    return BudgetReached(
        f"the budget is reached: {spent} after {totals.replies:,} replies",
        fix=f"All of them are kept; run the same command with a higher {flag} to go on.",
    )
