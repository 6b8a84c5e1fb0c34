"""The comparisons, as data: what rebench does, who else does it, and how both are checked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Side:
    """One way to do the work: its name, `module:function` beside this file, its environment.

    The function takes a size and a folder, prepares, and returns what is timed: a call without
    arguments that returns numbers. The environment is the folder of a virtual one.
    """

    name: str
    call: str
    environment: str = ".venv-bench"


@dataclass(frozen=True, slots=True)
class Sizes:
    """A comparison's size and how often each side runs: in `make bench-quick`, in `make bench`."""

    quick: int
    full: int
    quick_runs: int = 2
    full_runs: int = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides of the same work.

    `{size}` in `work` is the size. The numbers that both return may differ by `tolerance` (the
    largest absolute difference); `agree` says what they are.
    """

    name: str
    work: str
    ours: Side
    theirs: Side
    sizes: Sizes
    agree: str
    tolerance: float = 0.0


METRICS = "{size} queries of 1,000 documents, nDCG@10, recall@100 and MAP"
METRIC_SIZES = Sizes(200, 1384)
ENCODE = "MiniLM in float32, {size} docstrings of any length, in one call"
ENCODE_SIZES = Sizes(64, 1000, full_runs=3)
COSINES = "products of every vector with four fixed directions"
MASKED = (
    "{size} documents of 256 components, 50 queries, up to 1,000 of the best documents excluded"
)
MASKED_SIZES = Sizes(20_000, 100_000, full_runs=3)
BEST = "the best 10 scores of each query"
MAXSIM = "{size} documents of 180 tokens, 50 queries of 32, 128 components, k = 100"
MAXSIM_SIZES = Sizes(300, 2000, full_runs=3)

COMPARISONS = (
    Comparison(
        "metrics-ranx", METRICS,
        Side("rebench", "scoring:metrics"), Side("ranx", "scoring:metrics_ranx"),
        METRIC_SIZES, "the three means", 1e-6,
    ),
    Comparison(
        "metrics-ir-measures", METRICS,
        Side("rebench", "scoring:metrics"), Side("ir-measures", "scoring:metrics_ir_measures"),
        METRIC_SIZES, "the three means", 1e-6,
    ),
    Comparison(
        "significance-ranx", "{size} systems on 1,384 queries, every pair, 10,000 permutations",
        Side("rebench", "scoring:significance"), Side("ranx", "scoring:significance_ranx"),
        Sizes(4, 10, full_runs=3), "p of every pair, by chance 0.03 apart", 0.03,
    ),
    Comparison(
        "fusion-ranx", "reciprocal rank fusion of two runs, {size} queries of 100 documents",
        Side("rebench", "scoring:fusion"), Side("ranx", "scoring:fusion_ranx"),
        Sizes(300, 1384), "the best 10 scores of each query", 1e-6,
    ),
    Comparison(
        "bm25-bm25s", "{size} documents of about 1,100 characters, 20 queries, k = 1,000; texts to "
        "rankings, each with its own tokenizer and stop words",
        Side("rebench", "lexical:bm25_plain"), Side("bm25s", "lexical:bm25s_plain"),
        Sizes(2000, 50_000, full_runs=3), "the mean of all scores kept, in parts", 0.02,
    ),
    Comparison(
        "bm25-gensim", "{size} documents of about 1,100 characters, 20 queries, BRIGHT's recipe; "
        "the peer gets rebench's terms for nothing",
        Side("rebench", "lexical:bm25_bright"), Side("gensim", "lexical:gensim_bright"),
        Sizes(2000, 20_000, full_runs=3), BEST, 1e-2,
    ),
    Comparison(
        "start-mteb", "`--help`, a whole process, {size} in a row",
        Side("rebench", "whole:help_rebench"), Side("mteb", "whole:help_mteb"),
        Sizes(1, 1), "both leave with 0",
    ),
    Comparison(
        "encode-sentence-transformers", ENCODE,
        Side("rebench", "encoding:ours"),
        Side("sentence-transformers", "encoding:sentence_transformers"),
        ENCODE_SIZES, COSINES, 1e-4,
    ),
    Comparison(
        "encode-mteb", ENCODE,
        Side("rebench", "encoding:ours"), Side("mteb", "encoding:mteb"),
        ENCODE_SIZES, COSINES, 1e-4,
    ),
    Comparison(
        "encode-flagembedding", ENCODE,
        Side("rebench", "encoding:ours"), Side("FlagEmbedding", "encoding:flagembedding"),
        ENCODE_SIZES, COSINES, 1e-4,
    ),
    Comparison(
        "warm-mteb", "MiniLM on {size} docstrings and their questions again, vectors kept, a whole "
        "process: rebench's `eval --force` and mteb's cache wrapper",
        Side("rebench", "whole:warm_rebench"), Side("mteb", "whole:warm_mteb"),
        Sizes(100, 1000, quick_runs=1, full_runs=3), "nDCG@10", 1e-3,
    ),
    Comparison(
        "masked-mteb", MASKED,
        Side("rebench", "searching:masked"), Side("mteb", "searching:masked_mteb"),
        MASKED_SIZES, BEST, 1e-4,
    ),
    Comparison(
        "masked-faiss", MASKED,
        Side("rebench", "searching:masked"), Side("FAISS flat", "searching:masked_faiss"),
        MASKED_SIZES, BEST, 1e-4,
    ),
    Comparison(
        "rerank-sentence-transformers", "{size} pairs, a random BERT of 2 layers; rebench's time "
        "holds its store of scores",
        Side("rebench", "second_stage:rerank"),
        Side("sentence-transformers", "second_stage:rerank_sentence_transformers"),
        Sizes(400, 5000, full_runs=3), "every score", 1e-4,
    ),
    Comparison(
        "sparse-sentence-transformers", "SPLADE-tiny, {size} docstrings",
        Side("rebench", "second_stage:sparse"),
        Side("sentence-transformers", "second_stage:sparse_sentence_transformers"),
        Sizes(100, 1000, full_runs=3), "the sum of each document's weights", 1e-2,
    ),
    Comparison(
        "maxsim-sentence-transformers", MAXSIM,
        Side("rebench", "searching:maxsim"),
        Side("sentence-transformers", "searching:maxsim_sentence_transformers"),
        MAXSIM_SIZES, BEST, 1e-3,
    ),
    Comparison(
        "maxsim-pylate", MAXSIM,
        Side("rebench", "searching:maxsim"),
        Side("pylate", "searching:maxsim_pylate", ".venv-pylate"),
        MAXSIM_SIZES, BEST, 1e-3,
    ),
)  # fmt: skip
