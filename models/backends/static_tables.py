"""Tables of token vectors: the one inside the package wordllama, and any model2vec model's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataUnavailable, MissingExtra
from harness.core.hashing import sha256_file, sha256_parts
from harness.core.weight_files import weight_errors
from models.backends.pieces import PIECE_CHARACTERS, PieceTokenizer
from models.card import ModelCard
from models.weights import Weights, find_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.core.types import FloatMatrix, FloatVector, IntVector

CONFIG = "l2_supercat"
ROWS_AT_ONCE = 8_192
"""Token vectors held at a time: 8 MB of 256 components."""
DEFAULT_LIMIT = 512
"""model2vec 0.10.0, model.py, DEFAULT_MAX_LENGTH."""


class WordLlamaTable:
    """WordLlama's table of `dimension` components; it is never allowed to download.

    Raises `MissingExtra` without the package, and `DataUnavailable` if its weights are not where
    the package keeps them.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._folder = _package_folder()

    @cached_property
    def weights(self) -> str:
        """Return the hash of weights and tokenizer as they lie in the package."""
        files = (
            self._folder / "weights" / f"{CONFIG}_{self._dimension}.safetensors",
            self._folder / "tokenizers" / f"{CONFIG}_tokenizer_config.json",
        )
        for path in files:
            if not path.is_file():
                raise DataUnavailable(
                    f"the package wordllama lacks {path.name}",
                    fix="Reinstall it: pip install --force-reinstall --no-deps wordllama",
                )
        return sha256_parts(sha256_file(path) for path in files)[:32]

    @property
    def own_limit(self) -> int:
        """Return 0: texts are never cut."""
        return 0

    def counts(self, texts: Sequence[str]) -> IntVector:
        """Return the tokens of each text, int64 `[n]`; none is ever cut off."""
        import numpy as np

        return np.array([len(ids) for ids in self._pieces.ids(texts)], dtype=np.int64)

    def means(self, texts: Sequence[str], limit: int) -> FloatMatrix:
        """Return the mean over each text's tokens, float32 `[n, dimension]`.

        Bit by bit what the package's `embed` gives, which holds all tokens of a batch at once.
        """
        import numpy as np

        del limit
        table = self._model.embedding
        vectors = np.zeros((len(texts), table.shape[1]), dtype=np.float32)
        for row, ids in enumerate(self._pieces.ids(texts)):
            if len(ids):
                vectors[row] = summed(table, ids) / np.float32(len(ids))
        return vectors

    @cached_property
    def _pieces(self) -> PieceTokenizer:
        """Return the tokenizer, for texts of any length."""
        return PieceTokenizer(self._model.tokenizer)

    @cached_property
    def _model(self) -> Any:
        """Load the table; the package's own folder is its cache, so nothing is fetched."""
        from wordllama import WordLlama

        return WordLlama.load(
            config=CONFIG,
            cache_dir=self._folder,
            dim=self._dimension,
            disable_download=True,
        )


class Model2VecTable:
    """A model2vec model with its own tokenizer.

    Unknown tokens are left out before averaging. A limit cuts as model2vec does: first characters
    (the limit times the median length of its tokens), then tokens, unknown ones among them.
    Raises `MissingExtra` without the package.
    """

    def __init__(self, card: ModelCard, weights: str) -> None:
        if find_spec("model2vec") is None:
            raise MissingExtra("model2vec", "static")
        self._card = card
        self._place = weights

    @property
    def weights(self) -> str:
        """Return the hub's commit or the hash of the folder."""
        return self._weights.identity

    @property
    def own_limit(self) -> int:
        """Return the tokens the model's settings keep: model2vec's default where they say none."""
        from models.folders import read_settings

        settings = read_settings(self._weights.fetch(settings_only=True) / "config.json")
        return int(settings.get("max_length", DEFAULT_LIMIT) or 0)

    def counts(self, texts: Sequence[str]) -> IntVector:
        """Return the known tokens of each text before truncation, int64 `[n]`."""
        import numpy as np

        return np.array([len(ids) for ids in self._known(texts)], dtype=np.int64)

    def means(self, texts: Sequence[str], limit: int) -> FloatMatrix:
        """Return the mean over each text's tokens, float32 `[n, d]`."""
        import numpy as np

        raw = self._model.encode(
            ["" if self._is_long(text, limit) else text for text in texts],
            max_length=limit or None,
            normalize=False,
            batch_size=max(1, len(texts)),
            use_multiprocessing=False,
        )
        vectors: FloatMatrix = np.asarray(raw, dtype=np.float32)
        for row, text in enumerate(texts):
            if self._is_long(text, limit):
                vectors[row] = self._mean_of_long(text)
        return vectors

    def _is_long(self, text: str, limit: int) -> bool:
        """Tell whether a text is not cut and too long for the package, which holds it whole."""
        return not limit and len(text) > PIECE_CHARACTERS

    def _mean_of_long(self, text: str) -> FloatVector:
        """Return the mean over a long text's known tokens, float32 `[d]`, as the package has it."""
        import numpy as np

        model = self._model
        (ids,) = self._known([text])
        if not len(ids):
            return np.zeros(model.dim, dtype=np.float32)
        rows = ids if model.token_mapping is None else np.asarray(model.token_mapping)[ids]
        shares = None if model.weights is None else np.asarray(model.weights)[ids]
        mean = summed(model.embedding, rows, shares) / np.float32(len(ids))
        own: FloatVector = mean.astype(model.embedding.dtype).astype(np.float32)
        return own

    def _known(self, texts: Sequence[str]) -> Iterator[NDArray[np.integer[Any]]]:
        """Yield the ids of each text's known tokens."""
        unknown = self._model.unk_token_id
        for ids in self._pieces.ids(texts):
            yield ids if unknown is None else ids[ids != unknown]

    @cached_property
    def _pieces(self) -> PieceTokenizer:
        """Return a tokenizer of our own: the model sets a limit on its own one."""
        return PieceTokenizer(type(self._model.tokenizer).from_str(self._model.tokenizer.to_str()))

    @cached_property
    def _weights(self) -> Weights:
        """Return which weights these are."""
        return find_weights(self._card, self._place)

    @cached_property
    def _model(self) -> Any:
        """Load the table and its tokenizer."""
        from model2vec import StaticModel

        folder = self._weights.fetch()
        with weight_errors(self._card.name, folder):
            return StaticModel.from_pretrained(folder, force_download=False)


def summed(
    table: FloatMatrix, rows: NDArray[np.integer[Any]], shares: FloatVector | None = None
) -> FloatVector:
    """Return the sum of a table's rows, each times its share, float32 `[d]`.

    Row after row in float32, as NumPy sums a matrix over its rows, but few at a time.
    """
    import numpy as np

    total = np.zeros((0, table.shape[1]), dtype=np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = table[rows[start : start + ROWS_AT_ONCE]]
        if shares is not None:
            some = some * shares[start : start + ROWS_AT_ONCE, None]
        total = np.concatenate((total, some)).sum(axis=0, dtype=np.float32)[None, :]
    first: FloatVector = total[0]
    return first


def _package_folder() -> Path:
    """Return where wordllama is installed, without importing it."""
    spec = find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise MissingExtra("wordllama", "static")
    return Path(spec.origin).parent
