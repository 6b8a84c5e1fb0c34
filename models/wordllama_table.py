"""The token vectors that ship inside the PyPI package wordllama."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataUnavailable, MissingExtra
from harness.core.hashing import sha256_file, sha256_parts

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix, IntVector

CONFIG = "l2_supercat"


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


def _package_folder() -> Path:
    """Return where wordllama is installed, without importing it."""
    spec = find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise MissingExtra("wordllama", "static")
    return Path(spec.origin).parent
