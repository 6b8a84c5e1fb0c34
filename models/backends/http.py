"""Models behind an OpenAI-compatible embeddings endpoint, hosted or one's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING

from harness.core.errors import BadInput, ModelError
from harness.core.http import Endpoint, HttpClient
from harness.core.retry import Clock, RetryPolicy
from harness.core.secrets import NO_KEY, key_from
from harness.core.types import Json, Role, Usage, VectorSpace
from models.backends.http_batching import EmbeddingRequests
from models.backends.http_options import read_options
from models.backends.local import CardEmbedder
from models.backends.pooling import unit_rows
from models.backends.server_tokens import open_tokens
from models.spec import ModelSpec

if TYPE_CHECKING:
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


class HttpEmbedder(CardEmbedder):
    """Embeds through `POST {base_url}/embeddings` (OpenAI, vLLM, TEI, Ollama, llama.cpp, …).

    See `models.backends.http_options.HttpOptions` for what a card may say. Nothing is asked of
    the server, and no key is read, before `encode`. `clock` and `draw` (jitter of the back-off,
    uniform in [0, 1)) are for tests.
    Raises `BadInput` for options that do not fit.
    """

    def __init__(
        self,
        spec: ModelSpec,
        *,
        clock: Clock | None = None,
        draw: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(spec)
        self._options = read_options(spec.card)
        self._check_lengths(given=spec.runtime.lengths_given)
        self._tokens = open_tokens(self._options.tokenizer)
        self._clock = clock
        self._draw = draw

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
            "max_query_length": self.card.max_length("query"),
            "max_document_length": self.card.max_length("document"),
            "truncation_side": "right",
            "dimension": self._dimension,
            "options": self._space_options,
        }

    @property
    def batch_tokens(self) -> int:
        """Return the tokens of one `encode` call: enough to keep all connections busy."""
        return (
            self._runtime.batch_tokens
            or 4 * self._options.request_tokens * self._options.concurrency
        )

    @property
    def usage(self) -> Usage:
        """Return requests, retries, tokens and cost so far."""
        return (
            self._requests.usage
            if "_requests" in self.__dict__
            else Usage(price=self._options.price_per_million_tokens)
        )

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
            max_length=self.card.max_length(role),
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

        if not texts:
            return np.zeros((0, self._dimension), dtype=np.float32)
        inputs = [self._fitted(instruction + text, role) for text in texts]
        vectors = self._requests.embed(inputs, self._tokens.count(inputs), self._fields(role))
        return unit_rows(vectors) if self.card.normalize else vectors

    def close(self) -> None:
        """Close the connections."""
        if "_requests" in self.__dict__:
            self._client.close()

    @cached_property
    def _client(self) -> HttpClient:
        """Open nothing yet, but read the key; raises `ModelError` if there is none."""
        options = self._options
        key = key_from(os.environ, (options.api_key_env,)) if options.api_key_env else NO_KEY
        if options.api_key_env and not key:
            raise ModelError(
                f"model {options.model!r} needs an API key and the environment variable "
                f"{options.api_key_env} is not set",
                fix=f"Run: export {options.api_key_env}=…",
            )
        endpoint = Endpoint(
            options.base_url, options.timeout, options.concurrency, key, options.api_key_header
        )
        return HttpClient(endpoint, RetryPolicy(options.attempts), self._clock, self._draw)

    @cached_property
    def _requests(self) -> EmbeddingRequests:
        return EmbeddingRequests(self._options, self._client)

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
        if options.length_field and self.card.max_length(role):
            fields[options.length_field] = self.card.max_length(role)
        return fields

    def _fitted(self, text: str, role: Role) -> str:
        """Return the input as it is sent: never empty, cut where it is cut here."""
        limit = self.card.max_length(role)
        filled = self._filled(text)
        return self._tokens.cut(filled, limit) if limit and self._options.tokenizer else filled

    def _filled(self, text: str) -> str:
        """Return the text, or what stands in for an empty one; half a surrogate pair as U+FFFD."""
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text or self._options.empty_text

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

    def _check_lengths(self, *, given: bool) -> None:
        """Refuse a length that nothing would enforce; `given` on the command line."""
        lengths = {
            "query": self.card.max_length("query"),
            "document": self.card.max_length("document"),
        }
        options = self._options
        # The length the server cuts at by itself is the card's, not one from the command line.
        by_itself = options.server_truncates and not given
        if any(lengths.values()) and not (options.tokenizer or options.length_field or by_itself):
            raise BadInput(
                f"model {self.card.name!r} has lengths {lengths} and nothing to cut texts with",
                fix="Set options.tokenizer, options.length_field (vLLM: truncate_prompt_tokens) "
                "or, where the server cuts at just the card's length, options.server_truncates.",
            )
