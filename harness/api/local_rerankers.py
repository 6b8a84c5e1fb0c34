"""Rerankers that score pairs on this machine, and how each reranker is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.errors import BadInput

if TYPE_CHECKING:
    from models.backends.cross_encoder import CrossEncoderReranker, LocalOptions
    from models.rerankers.card import RerankerCard


def local_reranker(card: RerankerCard, options: LocalOptions | None = None) -> CrossEncoderReranker:
    """Return a reranker that scores pairs on this machine; raises `BadInput` for another."""
    from models.backends.cross_encoder import CrossEncoderReranker
    from models.rerankers.card import CROSS_ENCODER, SERVED, YES_NO

    if card.method in (CROSS_ENCODER, YES_NO):
        return CrossEncoderReranker(card, options)
    if card.method == SERVED:
        raise BadInput(f"nothing here runs {card.name}: {card.notes}", fix=_SERVE)
    raise BadInput(
        f"{card.name} gives no scores of pairs on this machine (method {card.method})",
        fix=how_to_run(card)[0],
    )


_SERVE = "Give the server's address: --with http://HOST:PORT/v1/rerank --server-model NAME"


def how_to_run(card: RerankerCard) -> tuple[str, ...]:
    """Return the commands that run a reranker, the usual one first."""
    from models.rerankers.card import CHAT_METHODS, SERVED, YES_NO

    served = f"--server-model {card.hub_id or 'NAME'}"
    if card.method in CHAT_METHODS:
        prompts = " --prompts DIR" if card.own_prompt else ""
        named = f"--llm-model {card.hub_id or 'NAME'}"
        return (
            f"rebench rerank RUN --with {card.name} --llm http://HOST:PORT/v1 {named}{prompts}",
        )
    behind = f"rebench rerank RUN --with http://HOST:PORT/v1/rerank {served}"
    if card.method == SERVED:
        return (behind,)
    code = " --trust-remote-code" if card.remote_code else ""
    here = f"rebench rerank RUN --with {card.name}{code}"
    if card.method != YES_NO:
        return (here, behind)
    import json

    overrides = json.dumps(dict(card.hf_overrides))
    serve = (
        f"vllm serve {card.hub_id} --runner pooling --hf-overrides '{overrides}' "
        f"--chat-template FILE    # FILE: rebench models {card.name} --template"
    )
    return (here, serve, behind)
