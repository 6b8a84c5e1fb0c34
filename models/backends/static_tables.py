"""Tables of token vectors: the one inside the package wordllama, and any model2vec model's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataUnavailable, MissingExtra
from harness.core.hashing import sha256_file, sha256_parts
from harness.core.weight_files import weight_errors
from models.card import ModelCard
from models.weights import Weights, find_weights

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix, IntVector

CONFIG = "l2_supercat"
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

        encoded = self._model.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return np.array([sum(each.attention_mask) for each in encoded], dtype=np.int64)

    def means(self, texts: Sequence[str], limit: int) -> FloatMatrix:
        """Return the mean over each text's tokens, float32 `[n, dimension]`."""
        import numpy as np

        del limit
        raw = self._model.embed(list(texts), norm=False, batch_size=max(1, len(texts)))
        vectors: FloatMatrix = np.asarray(raw, dtype=np.float32)
        return vectors

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

        self._model.max_length = None
        return np.array([len(ids) for ids in self._model.tokenize(list(texts))], dtype=np.int64)

    def means(self, texts: Sequence[str], limit: int) -> FloatMatrix:
        """Return the mean over each text's tokens, float32 `[n, d]`."""
        import numpy as np

        raw = self._model.encode(
            list(texts),
            max_length=limit or None,
            normalize=False,
            batch_size=max(1, len(texts)),
            use_multiprocessing=False,
        )
        vectors: FloatMatrix = np.asarray(raw, dtype=np.float32)
        return vectors

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


def _package_folder() -> Path:
    """Return where wordllama is installed, without importing it."""
    spec = find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise MissingExtra("wordllama", "static")
    return Path(spec.origin).parent
