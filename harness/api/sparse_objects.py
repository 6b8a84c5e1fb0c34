"""Live SparseEncoder objects of sentence-transformers as models: their weights as sparse rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.api.objects import ObjectModel, ObjectOptions, without_unknown_facts
from harness.api.probes import PROBES
from harness.core.errors import BadInput, ModelError
from harness.core.protocols import Reporter
from harness.core.types import Json, RetrievalResult, Role, Task, VectorKind
from harness.retrieval.sparse import SparseRetriever

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix, SparseRows

PROBE_COLUMNS = 251


class SparseObjectEmbedder(ObjectModel):
    """A `SparseEmbedder` around a live SparseEncoder, which cuts its vectors itself, if at all.

    Raises `BadInput` for one that is scored by a distance.
    """

    kind: VectorKind = "sparse"

    def __init__(self, model: Any, options: ObjectOptions) -> None:
        super().__init__(model, options)
        self._model = model
        measure = str(getattr(model, "similarity_fn_name", "dot"))
        if measure not in ("dot", "cosine"):
            raise BadInput(
                f"{self.name!r} is scored by {measure} distance, and sparse vectors are scored by "
                "inner product or cosine",
                fix='Set model.similarity_fn_name = "dot".',
            )
        self._measure = measure

    @property
    def identity(self) -> Mapping[str, Json]:
        """What an object's identity holds, and its score."""
        return {**super().identity, "similarity": self._measure}

    @property
    def similarity(self) -> str:
        """Return `cosine`, or empty for the inner product."""
        return "cosine" if self._measure == "cosine" else ""

    def max_active(self, role: Role) -> int:
        """Return 0: what the object keeps is what counts."""
        return 0

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Return the object's own names of these components, or their numbers if it has none."""
        tokenizer: Any = getattr(self._model, "tokenizer", None)
        if not hasattr(tokenizer, "convert_ids_to_tokens"):
            return [str(column) for column in columns]
        return [str(token) for token in tokenizer.convert_ids_to_tokens(list(columns))]

    def encode(self, texts: Sequence[str], *, role: Role, instruction: str) -> SparseRows:
        """Return canonical CSR `[n, vocabulary]`; raises `ModelError` for anything else."""
        return as_rows(self._encoders[role](list(texts)), len(texts), self.name)

    def _probe_matrix(self, role: Role) -> FloatMatrix:
        """Return the probes' weights summed by term number modulo `PROBE_COLUMNS`.

        A record of all terms would take megabytes; another model's sums are as far apart.
        """
        import numpy as np
        from scipy.sparse import vstack

        # One by one: beside the longest probe the others would be mostly padding.
        rows = vstack([self.encode((text,), role=role, instruction="") for text in PROBES], "csr")
        numbers = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        sums = np.zeros((rows.shape[0], PROBE_COLUMNS), dtype=np.float32)
        np.add.at(sums, (numbers, rows.indices % PROBE_COLUMNS), rows.data)
        return sums


class ObjectSparseRetriever(SparseRetriever):
    """A sparse retriever whose facts leave out what an object does not say."""

    def search(self, task: Task, k: int, reporter: Reporter) -> RetrievalResult:
        """Search as any sparse retriever does."""
        return without_unknown_facts(super().search(task, k, reporter))


def as_rows(vectors: Any, texts: int, name: str) -> SparseRows:
    """Return a torch tensor, sparse or not, as CSR float32 `[texts, vocabulary]`."""
    import numpy as np
    from scipy.sparse import coo_array, csr_array

    if not hasattr(vectors, "to_sparse") or vectors.dim() != 2 or vectors.shape[0] != texts:
        raise ModelError(
            f"{name!r} gave a {type(vectors).__name__} for {texts} texts",
            fix="encode_query and encode_document must return one tensor with a row for each text.",
        )
    listed = vectors.detach().cpu().to_sparse().coalesce()
    places, values = listed.indices().numpy(), listed.values().float().numpy()
    rows = csr_array(coo_array((values, (places[0], places[1])), shape=tuple(vectors.shape)))
    rows.eliminate_zeros()
    rows.sum_duplicates()
    return rows.astype(np.float32)
