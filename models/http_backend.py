"""Models behind an OpenAI-compatible embeddings endpoint, hosted or one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING

from harness.core.errors import BadInput
from harness.core.types import Json, PromptFields, Role, Usage, VectorSpace
from models.card import ModelCard
from models.http_client import EmbeddingsClient
from models.http_options import read_options
from models.http_requests import EmbeddingRequests
from models.http_retry import Clock, SystemClock
from models.http_tokens import open_tokens
from models.prompts import render
from models.registry import LoadOptions, apply_options

if TYPE_CHECKING:
    import numpy as np

    from harness.core.types import FloatMatrix, IntVector

BACKEND = "http"
SPACE_OPTIONS = (
    "dimensions_field",
    "input_type_field",
    "extra_body",
    "empty_text",
    "length_field",
    "server_truncates",
    "reported_model",
)
"""Options that change vectors and have no field of their own in `VectorSpace`."""


class HttpEmbedder:
    """Embeds through `POST {base_url}/embeddings` (OpenAI, vLLM, TEI, Ollama, llama.cpp, …).

    See `models.http_options.HttpOptions` for what a card may say. Nothing is asked of the server,
    and no key is read, before `encode`. `clock` and `rng` (jitter of the back-off) are for tests.
    Raises `BadInput` for options that do not fit.
    """

    def __init__(
        self,
        card: ModelCard,
        options: LoadOptions,
        *,
        clock: Clock | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        import numpy as np

        _check_load(card, options)
        self.card = apply_options(card, options)
        self._options = read_options(self.card)
        self._batch_tokens = options.batch_tokens
        told = options.max_length or options.max_query_length or options.max_document_length
        self._check_lengths(told=bool(told))
        self._tokens = open_tokens(self._options.tokenizer)
        self._client = EmbeddingsClient(
            self._options, clock or SystemClock(), rng or np.random.default_rng()
        )
        self._requests = EmbeddingRequests(self._options, self._client, self._dimension)

    @property
    def name(self) -> str:
        """Return the card's name."""
        return self.card.name

    @cached_property
    def identity(self) -> Mapping[str, Json]:
        """Return card, weights (see `space`), and what is asked of the server."""
        return {
            "card": self.card.name,
            "model": self._options.model,
            "weights": self._weights,
            "backend": BACKEND,
            "dtype": self.card.dtype,
            "pooling": self.card.pooling,
            "normalize": self.card.normalize,
            "query_instruction": self.card.query_instruction,
            "document_instruction": self.card.document_instruction,
            "max_query_length": self._limit("query"),
            "max_document_length": self._limit("document"),
            "truncation_side": "right",
            "dimension": self._dimension,
            "options": self._space_options,
        }

    @property
    def batch_tokens(self) -> int:
        """Return the tokens of one `encode` call: enough to keep all connections busy."""
        return self._batch_tokens or 4 * self._options.request_tokens * self._options.concurrency

    @property
    def usage(self) -> Usage:
        """Return requests, retries, tokens and cost so far."""
        return self._requests.usage

    def instruction(self, role: Role, prompt_fields: PromptFields) -> str:
        """Return the card's instruction for a task."""
        return render(self.card, role, prompt_fields)

    def space(self, role: Role, instruction: str) -> VectorSpace:
        """Return the vector space.

        The endpoint is part of it only where the card does not vouch for the weights with a
        `revision`: then nothing but the address tells two servers of one name apart.
        """
        extra = {**self._space_options, "input_type": self._options.input_type(role)}
        return VectorSpace(
            model=self._options.model,
            weights=self._weights,
            backend=BACKEND,
            pooling=self.card.pooling,
            normalize=self.card.normalize,
            role=role,
            instruction=instruction,
            max_length=self._limit(role),
            dtype=self.card.dtype,
            truncation_side="right",
            tokenizer=self._tokens.identity,
            dimension=self._dimension,
            options=extra,
        )

    def token_counts(self, texts: Sequence[str], role: Role, instruction: str) -> IntVector:
        """Return tokens per text, instruction included: int64 `[n]`.

        An estimate where the card names no tokenizer; `usage` has what the server counted.
        """
        import numpy as np

        counts = self._tokens.count([self._filled(instruction + text) for text in texts])
        return np.array(counts, dtype=np.int64)

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> FloatMatrix:
        """Return float32 `[n, d]` in the order of the texts, rows of norm 1 where so meant.

        Raises `ModelError` for a server that fails or answers with something unusable.
        """
        import numpy as np

        inputs = [self._fitted(instruction + text, role) for text in texts]
        vectors = self._requests.embed(inputs, self._tokens.count(inputs), self._fields(role))
        if self.card.normalize:
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms != 0)
        return vectors

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _fields(self, role: Role) -> dict[str, Json]:
        """Return what a request's body holds beside the texts."""
        options = self._options
        fields: dict[str, Json] = {**options.extra_body, "model": options.model}
        if options.encoding_format:
            fields["encoding_format"] = options.encoding_format
        if options.dimensions:
            fields[options.dimensions_field] = options.dimensions
        if options.input_type(role):
            fields[options.input_type_field] = options.input_type(role)
        if options.length_field and self._limit(role):
            fields[options.length_field] = self._limit(role)
        return fields

    def _fitted(self, text: str, role: Role) -> str:
        """Return the input as it is sent: never empty, cut where it is cut here."""
        limit = self._limit(role)
        filled = self._filled(text)
        return self._tokens.cut(filled, limit) if limit and self._options.tokenizer else filled

    def _filled(self, text: str) -> str:
        """Return the text, or what stands in for an empty one; half a surrogate pair as U+FFFD."""
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text or self._options.empty_text

    def _limit(self, role: Role) -> int:
        """Return the tokens a text of that role is cut to (0: no limit but the server's)."""
        card = self.card
        return card.max_query_length if role == "query" else card.max_document_length

    @property
    def _space_options(self) -> dict[str, Json]:
        """Return the options that change vectors, whatever the role."""
        said = asdict(self._options)
        return {key: said[key] for key in SPACE_OPTIONS}

    @property
    def _dimension(self) -> int:
        """Return the components asked for, or the card's (0: unknown)."""
        return self._options.dimensions or self.card.dimension

    @property
    def _weights(self) -> str:
        """Return the revision that the card vouches for, else model and endpoint."""
        if self.card.revision:
            return self.card.revision
        return f"api:{self._options.model}@{self._options.host}"

    def _check_lengths(self, *, told: bool) -> None:
        """Refuse a length that nothing would enforce; `told`: the command line names one."""
        lengths = {"query": self._limit("query"), "document": self._limit("document")}
        options = self._options
        # The length the server cuts at by itself is the card's, not one from the command line.
        by_itself = options.server_truncates and not told
        if any(lengths.values()) and not (options.tokenizer or options.length_field or by_itself):
            raise BadInput(
                f"model {self.card.name!r} has lengths {lengths} and nothing to cut texts with",
                fix="Set options.tokenizer, options.length_field (vLLM: truncate_prompt_tokens) "
                "or, where the server cuts at just the card's length, options.server_truncates.",
            )


def _check_load(card: ModelCard, options: LoadOptions) -> None:
    """Refuse options that only the server could follow."""
    for flag, value in (
        ("--weights", options.weights),
        ("--dtype", options.dtype),
        ("--truncation-side", options.truncation_side),
    ):
        if value:
            raise BadInput(
                f"model {card.name!r} runs on a server, which {flag} {value} cannot reach",
                fix=f"Leave {flag} out; the card's options say which server and model.",
            )
