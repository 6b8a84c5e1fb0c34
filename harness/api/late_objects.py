"""Live MultiVectorEncoder objects of sentence-transformers as models: a vector for each token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.api.objects import ObjectModel, ObjectOptions, without_unknown_facts
from harness.api.probes import PROBES
from harness.core.errors import BadInput, ModelError
from harness.core.protocols import Reporter
from harness.core.types import Json, RetrievalResult, Role, Task, TokenVectors, VectorKind
from harness.retrieval.late import LateRetriever
from harness.search.maxsim import MEASURES

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix


class LateObjectEmbedder(ObjectModel):
    """A `MultiVectorEncoding` around a live MultiVectorEncoder; its vectors are not rounded.

    Raises `BadInput` for one that is not scored by MaxSim.
    """

    kind: VectorKind = "multi-vector"
    storage = "float32"

    def __init__(self, model: Any, options: ObjectOptions) -> None:
        super().__init__(model, options)
        measure = str(getattr(model, "similarity_fn_name", "maxsim"))
        if measure not in MEASURES:
            raise BadInput(
                f"{self.name!r} is scored by {measure}, and token vectors are scored by "
                f"{' or '.join(MEASURES)}",
                fix='Set model.similarity_fn_name = "maxsim".',
            )
        self._measure = measure

    @property
    def identity(self) -> Mapping[str, Json]:
        """What an object's identity holds, and its score."""
        return {**super().identity, "similarity": self._measure}

    @property
    def similarity(self) -> str:
        """Return `maxsim` or `meanmaxsim`."""
        return self._measure

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> TokenVectors:
        """Return the token vectors; raises `ModelError` for anything but a matrix a text."""
        return as_token_vectors(self._encoders[role](list(texts)), len(texts), self.name)

    def _probe_matrix(self, role: Role) -> FloatMatrix:
        """Return the sums of the probes' token vectors."""
        import numpy as np

        # One by one: beside the longest probe the others would be mostly padding.
        sums = [
            self.encode((text,), role=role, instruction="").values.sum(axis=0) for text in PROBES
        ]
        return np.stack(sums)


class ObjectLateRetriever(LateRetriever):
    """A late-interaction retriever whose facts leave out what an object does not say."""

    def search(self, task: Task, k: int, reporter: Reporter) -> RetrievalResult:
        """Search as any late-interaction retriever does."""
        return without_unknown_facts(super().search(task, k, reporter))


def as_token_vectors(vectors: Any, texts: int, name: str) -> TokenVectors:
    """Return a list of `[tokens, d]` tensors or arrays as token vectors of `texts` texts."""
    import numpy as np

    matrices = [
        each.detach().float().cpu().numpy() if hasattr(each, "detach") else np.asarray(each)
        for each in (vectors if isinstance(vectors, (list, tuple)) else ())
    ]
    if len(matrices) != texts or any(
        each.ndim != 2 or each.shape[1] != matrices[0].shape[1] for each in matrices
    ):
        raise ModelError(
            f"{name!r} gave a {type(vectors).__name__} for {texts} texts",
            fix="encode_query and encode_document must return a list with a matrix "
            "[tokens, dimension] for each text.",
        )
    starts = np.cumsum([0, *map(len, matrices)], dtype=np.int64)
    return TokenVectors(np.concatenate(matrices).astype(np.float32), starts)
