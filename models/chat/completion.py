"""The body of a chat completion request, and what a server's answer to it means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.core.http import Answer, Failure, Trouble
from models.chat.logprobs import LISTED, answer_logprobs, server_places
from models.chat.protocol import LENGTH, STOP, ChatReply, ChatRequest, Sampling
from models.chat.thinking import without_surrogates

SHOWN = 300
WHOLE = frozenset(
    ("stop", "eos", "eos_token", "end_turn", "stop_sequence", "stop_token", "stop_str", "completed",
     "complete", "end_of_turn", "finish_reason_stop", "eos_token_id")
)  # fmt: skip
"""Servers' names of an end that the model chose."""
CUT = frozenset(("length", "max_tokens", "max_output_tokens", "model_length", "token_limit"))
"""Servers' names of an end at the limit of tokens."""
OVERFLOW = (
    "context length", "context_length", "context window", "context size", "context limit",
    "context_window", "exceed_context_size", "exceeds the context", "max_model_len",
    "maximum model length", "max_seq_len", "maximum sequence length", "max_total_tokens",
    "max_input_length", "max_input_tokens", "maximum number of tokens", "maximum prompt length",
    "maximum input length", "too long", "too many tokens", "too many input tokens",
    "prompt is longer", "input is longer", "longer than the model", "n_ctx",
    "larger than the maximum", "exceeds max length", "input token count", "request too large",
    "reduce the length", "string_above_max_length",
)  # fmt: skip
"""How servers say that a prompt does not fit: OpenAI, vLLM, SGLang, TGI, llama.cpp (two forms),
LM Studio, Ollama, Mistral, Anthropic, Gemini, Cohere, TensorRT-LLM, LMDeploy."""


def request_body(request: ChatRequest, dialect: str) -> dict[str, Any]:
    """Return the body of a chat completion request."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [
            {"role": message.role, "content": without_surrogates(message.content)}
            for message in request.messages
        ],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": request.seed,
    }
    if sampling.answers:
        body |= {"logprobs": True, "top_logprobs": LISTED}
    if dialect == "openai":
        return {**body, "max_completion_tokens": sampling.max_tokens}
    return {**body, "max_tokens": sampling.max_tokens, **_extras(sampling, dialect)}


def _extras(sampling: Sampling, dialect: str) -> dict[str, Any]:
    """Return settings beyond the standard, as vLLM's or SGLang's server names them.

    Templates that know thinking are told to leave it. vLLM takes `structured_outputs` with `choice`
    or `regex` (0.12 and newer), SGLang a `regex` of its own and no choices.
    """
    extras: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": False}}
    if sampling.top_k:
        extras["top_k"] = sampling.top_k
    if sampling.repetition_penalty != 1.0:
        extras["repetition_penalty"] = sampling.repetition_penalty
    if dialect == "sglang":
        choices = "|".join(re.escape(choice) for choice in sampling.choices)
        pattern = f"({choices})" if choices else sampling.pattern
        if pattern:
            extras["regex"] = pattern
    elif sampling.choices:
        extras["structured_outputs"] = {"choice": list(sampling.choices)}
    elif sampling.pattern:
        extras["structured_outputs"] = {"regex": sampling.pattern}
    return extras


def says_overflow(reason: str) -> bool:
    """Return True if a server's refusal means that the prompt was too long."""
    lowered = reason.lower()
    return any(words in lowered for words in OVERFLOW)


def finish_of(reason: object) -> str:
    """Return `stop` for an end of the model's own, `length`, or the server's name of another.

    A server that names no reason is taken to have ended by itself.
    """
    if reason is None or reason == "":
        return STOP
    name = str(reason).lower()
    if name in WHOLE:
        return STOP
    return LENGTH if name in CUT else name


def read_completion(key: str, request: ChatRequest, answer: Answer) -> ChatReply | Failure:
    """Return the reply in a completion's body; what another try cannot change is said at once."""
    if answer.text.lstrip().startswith(("data:", "event:", ": ")):
        return Failure(
            Trouble.REPLY, "streams its reply, although it was not asked to: turn streaming off"
        )
    try:
        value = answer.json()
        choice = value["choices"][0]
        text = _text(choice["message"].get("content"))
        usage = value.get("usage") or {}
        asked, given = usage.get("prompt_tokens"), usage.get("completion_tokens")
        finish = finish_of(choice.get("finish_reason"))
        answers = answer_logprobs(server_places(choice), request.sampling.answers)
    except _NoText as error:
        return Failure(Trouble.REPLY, str(error))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        reason = f"no chat completion in {answer.text[:SHOWN]!r} ({error!r:.100})"
        return Failure(Trouble.REPLY, reason, attempts=0)
    if isinstance(asked, int) and isinstance(given, int) and min(asked, given) >= 0:
        return ChatReply(key, text, finish, asked, given, logprobs=answers)
    characters = sum(len(message.content) for message in request.messages)
    return ChatReply(
        key,
        text,
        finish,
        -(-characters // 4),
        -(-len(text) // 4),
        estimated=True,
        logprobs=answers,
    )


class _NoText(Exception):
    """Parts of a content that are none of text."""


def _text(content: object) -> str:
    """Return the text of a message's content, a list of parts joined without its thinking."""
    if content is None:
        return ""
    if isinstance(content, str):
        return without_surrogates(content)
    if not isinstance(content, list):
        raise ValueError(f"the content is {content!r:.100}")
    parts = []
    for part in content:
        if isinstance(part, str):
            parts.append(part)
        elif isinstance(part, Mapping) and isinstance(part.get("text"), str):
            parts.append(part["text"])
        elif not (isinstance(part, Mapping) and part.get("type") in ("thinking", "reasoning")):
            raise _NoText(f"sends content in parts that are no text: {part!r:.100}")
    return without_surrogates("".join(parts))
