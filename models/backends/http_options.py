"""What a card's `options` may say about an embeddings endpoint, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.core.config import dataclass_from_table
from harness.core.errors import BadInput
from harness.core.http import check_url, host_of
from harness.core.types import Json, Role
from models.card import ModelCard


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """The `[options]` table of a card whose backend is `http`.

    Where and who: `base_url` ends before `/embeddings`; `model` is the name sent (empty: the
    card's hub id, or its name); `api_key_env` names the environment variable that holds the key
    (empty: no key), `api_key_header` the header it goes into.

    What is sent: `dimensions` (0: not sent) in the field `dimensions_field`; the input type of
    either role in `input_type_field`; `extra_body` is added as it stands; `encoding_format`
    (`float`, `base64`, or empty: the server's own); `empty_text` stands in for an empty input,
    which some servers refuse.

    Length: `tokenizer` (`tiktoken:NAME`, a hub id, or a folder with tokenizer.json) cuts texts
    here; `length_field` names the body field that makes the server cut at the card's length;
    `server_truncates` says that the server cuts at the card's length by itself.

    Load: texts and tokens in one request, requests at a time, seconds to wait for a reply, tries.

    Identity: `reported_model` is the name the server gives itself where it is not the one asked
    for; `price_per_million_tokens` (any currency; 0: unknown) turns tokens into cost.
    """

    base_url: str
    model: str = ""
    api_key_env: str = ""
    api_key_header: str = "Authorization"
    dimensions: int = 0
    dimensions_field: str = "dimensions"
    input_type_field: str = "input_type"
    query_input_type: str = ""
    document_input_type: str = ""
    extra_body: Mapping[str, Json] = field(default_factory=dict)
    encoding_format: str = ""
    empty_text: str = " "
    tokenizer: str = ""
    length_field: str = ""
    server_truncates: bool = False
    batch_size: int = 32
    request_tokens: int = 100_000
    concurrency: int = 8
    timeout: float = 120.0
    attempts: int = 8
    reported_model: str = ""
    price_per_million_tokens: float = 0.0

    @property
    def host(self) -> str:
        """Return host and path of the endpoint, without scheme."""
        return host_of(self.base_url)

    def input_type(self, role: Role) -> str:
        """Return the input type of a role; empty where none is sent."""
        return self.query_input_type if role == "query" else self.document_input_type


_AT_LEAST_ONE = ("batch_size", "request_tokens", "concurrency", "attempts")


def read_options(card: ModelCard) -> HttpOptions:
    """Return the card's options; raises `BadInput` naming card and field.

    A URL that carries a user or password, or a query, is refused: it would end up in results.
    """
    where = f"the options of model {card.name!r}"
    values = {"model": card.hub_id or card.name, **card.options}
    options = dataclass_from_table(HttpOptions, values, where)
    check_url(options.base_url, f"{where}: base_url")
    _check_values(options, where)
    return options


def _check_values(options: HttpOptions, where: str) -> None:
    """Refuse numbers out of range and an unknown encoding."""
    for key in _AT_LEAST_ONE:
        if getattr(options, key) < 1:
            raise BadInput(
                f"{where}: {key} = {getattr(options, key)}", fix="It must be at least 1."
            )
    if options.dimensions < 0 or options.price_per_million_tokens < 0 or options.timeout <= 0:
        raise BadInput(
            f"{where}: dimensions = {options.dimensions}, timeout = {options.timeout}, "
            f"price_per_million_tokens = {options.price_per_million_tokens}",
            fix="None may be negative, and the timeout (seconds) must be above 0.",
        )
    if options.encoding_format not in ("", "float", "base64"):
        raise BadInput(
            f"{where}: encoding_format = {options.encoding_format!r}",
            fix="Choose 'float' or 'base64', or leave it out.",
        )
