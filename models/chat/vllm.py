"""A language model inside this process: vLLM's offline engine, many requests at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from harness.core.errors import MissingExtra
from models.chat.completion import finish_of
from models.chat.logprobs import LISTED, Place, answer_logprobs
from models.chat.protocol import (
    CONTEXT_OVERFLOW,
    ChatReply,
    ChatRequest,
    Replies,
    Sampling,
)
from models.chat.thinking import without_surrogates

BATCH = 256
"""Requests handed over at once: what a killed run loses at most. The engine schedules within it."""


class VllmChat:
    """A `ChatModel` on vLLM's `LLM` (0.12 or newer); loaded when the first request comes.

    `model` is a folder or a hub name, `name` what rows and keys call it; `engine` goes to
    `vllm.LLM` as it is (tensor_parallel_size, max_model_len, dtype, …). Chat templates that know
    thinking are told to leave it. Raises `MissingExtra` without vLLM.
    """

    def __init__(
        self,
        model: str,
        name: str = "",
        engine: Mapping[str, Any] | None = None,
        batch: int = BATCH,
    ) -> None:
        self._model = model
        self._name = name or model
        self._options = dict(engine or {})
        self._batch = batch
        self._engine: Any = None

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self._name

    def replies(self, requests: Iterator[tuple[str, ChatRequest]]) -> Replies:
        """Yield the replies of one batch after another, each in the order of its requests."""
        while batch := list(islice(requests, self._batch)):
            fitting: list[tuple[str, ChatRequest]] = []
            for key, request in batch:
                if self._fits(request):
                    fitting.append((key, request))
                else:
                    yield ChatReply(key=key, text="", finish=CONTEXT_OVERFLOW)
            if fitting:
                yield from self._generate(fitting)

    def _load(self) -> Any:
        """Return the engine, started on first use."""
        if self._engine is None:
            try:
                import vllm
            except ImportError as error:
                raise MissingExtra("vllm", "vllm") from error
            self._engine = vllm.LLM(self._model, **{**_cpu_options(), **self._options})
        return self._engine

    def _fits(self, request: ChatRequest) -> bool:
        """Tell whether prompt and at least one token of reply fit the model's context."""
        engine = self._load()
        tokens = engine.get_tokenizer().apply_chat_template(
            _messages(request), add_generation_prompt=True, enable_thinking=False, return_dict=False
        )
        return len(tokens) < int(engine.model_config.max_model_len)

    def _generate(self, batch: list[tuple[str, ChatRequest]]) -> Iterator[ChatReply]:
        """Yield the replies to requests that fit."""
        outputs = self._load().chat(
            [_messages(request) for _, request in batch],
            [_sampling(request.sampling, request.seed) for _, request in batch],
            use_tqdm=False,
            chat_template_kwargs={"enable_thinking": False},
        )
        for (key, request), output in zip(batch, outputs, strict=True):
            reply = output.outputs[0]
            places = _places(reply) if request.sampling.answers else []
            yield ChatReply(
                key=key,
                text=without_surrogates(reply.text),
                finish=finish_of(reply.finish_reason),
                prompt_tokens=len(output.prompt_token_ids or ()),
                reply_tokens=len(reply.token_ids),
                logprobs=answer_logprobs(places, request.sampling.answers),
            )


def _places(reply: Any) -> list[Place]:
    """Return the places of a reply with the tokens that the engine lists there."""
    return [
        (
            listed[token].decoded_token or "",
            [(each.decoded_token or "", each.logprob) for each in listed.values()],
        )
        for token, listed in zip(reply.token_ids, reply.logprobs or (), strict=True)
    ]


def _cpu_options() -> dict[str, Any]:
    """Return what the CPU build needs: prompts in one piece.

    vLLM 0.32 winds a request's random generator back when its prompt was taken in pieces, which
    PyTorch's CPU generator refuses ("CPU Generator does not use offset"): the engine dies.
    """
    from vllm.platforms import current_platform

    return {"enable_chunked_prefill": False} if current_platform.is_cpu() else {}


def _messages(request: ChatRequest) -> list[dict[str, str]]:
    """Return a request's turns as the engine takes them."""
    return [
        {"role": each.role, "content": without_surrogates(each.content)}
        for each in request.messages
    ]


def _sampling(sampling: Sampling, seed: int) -> Any:
    """Return vLLM's form of a request's settings."""
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    guide = None
    if sampling.choices:
        guide = StructuredOutputsParams(choice=list(sampling.choices))
    elif sampling.pattern:
        guide = StructuredOutputsParams(regex=sampling.pattern)
    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        max_tokens=sampling.max_tokens,
        repetition_penalty=sampling.repetition_penalty,
        seed=seed,
        structured_outputs=guide,
        logprobs=LISTED if sampling.answers else None,
    )
