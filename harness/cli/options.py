"""Options that several commands share, and the settings they add up to."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.core.settings import Settings

ResultsOption = Annotated[
    Path | None,
    typer.Option(
        "--results", metavar="DIR", help="Where measured entries are kept [env: REBENCH_RESULTS]."
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="BRIGHT in a local folder, DIR/<config>/<split>.parquet|.jsonl|.jsonl.gz "
        "[env: REBENCH_DATA].",
    ),
]
QueriesOption = Annotated[
    str,
    typer.Option(
        "--queries",
        metavar="SET",
        help="original, gpt4, claude-3-opus, gemini-1.0, llama3-70b, grit, or "
        "a file of rewrites, .jsonl or .json.",
    ),
]
ModelOption = Annotated[
    str, typer.Option("--model", "-m", metavar="NAME[,NAME…]", help="Models to evaluate.")
]
TasksOption = Annotated[
    str,
    typer.Option(
        "--tasks",
        "-t",
        metavar="NAME[,NAME…]",
        help="Tasks and groups of `rebench tasks`, hub:ORG/NAME, or a folder (docs/tasks.md).",
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option("--cache", metavar="DIR", help="Where vectors are kept [env: REBENCH_CACHE]."),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device", metavar="NAME[,NAME…]", help="cpu, cuda:0 …; several: one process each."
    ),
]
BackendOption = Annotated[
    str,
    typer.Option(
        "--backend",
        metavar="B",
        help="sentence-transformers (or dense), sparse, late, vllm, static or http.",
    ),
]
WeightsOption = Annotated[
    str, typer.Option("--weights", metavar="DIR", help="Weights in a folder instead of the hub.")
]
RevisionOption = Annotated[
    str, typer.Option("--revision", metavar="REV", help="Revision of the weights on the hub.")
]
DtypeOption = Annotated[
    str, typer.Option("--dtype", metavar="T", help="float32, float16, bfloat16 or auto (measured).")
]
MaxLengthOption = Annotated[
    int, typer.Option("--max-length", metavar="N", help="Tokens of queries and documents.")
]
PoolingOption = Annotated[
    str, typer.Option("--pooling", metavar="P", help="mean, cls or last token.")
]
NormalizeOption = Annotated[
    bool | None,
    typer.Option("--normalize/--no-normalize", help="Scale vectors to norm 1, or not."),
]
SimilarityOption = Annotated[
    str,
    typer.Option(
        "--similarity", metavar="S", help="cosine, dot, euclidean, manhattan, maxsim or meanmaxsim."
    ),
]
QueryInstructionOption = Annotated[
    str | None,
    typer.Option("--query-instruction", metavar="TEXT", help="Template put before queries."),
]
DocumentInstructionOption = Annotated[
    str | None,
    typer.Option("--document-instruction", metavar="TEXT", help="Template before documents."),
]
BatchTokensOption = Annotated[
    int, typer.Option("--batch-tokens", metavar="N", help="Tokens of one batch, padding included.")
]
MaxActiveQueryOption = Annotated[
    int,
    typer.Option(
        "--max-active-query", metavar="N", help="Heaviest terms that count of a sparse query."
    ),
]
MaxActiveDocumentOption = Annotated[
    int,
    typer.Option(
        "--max-active-document", metavar="N", help="Heaviest terms that count of a sparse document."
    ),
]
TokenStorageOption = Annotated[
    str,
    typer.Option(
        "--token-storage",
        metavar="T",
        help="Round a late-interaction model's document vectors: float32, bfloat16 or int8.",
    ),
]
CandidatesOption = Annotated[
    str,
    typer.Option(
        "--candidates",
        metavar="MODEL",
        help="First stage of a late-interaction model; recall against exact MaxSim is told.",
    ),
]
DepthOption = Annotated[
    int, typer.Option("--depth", metavar="N", help="Candidates of a query (100).")
]
TrustOption = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code that comes with the weights.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def settings_from(
    *, results: Path | None = None, data: Path | None = None, cache: Path | None = None
) -> Settings:
    """Return the settings of this invocation: flags, environment, `rebench.toml`, defaults."""
    from harness.core.settings import load_settings

    return load_settings(Path.cwd(), os.environ, results=results, data=data, cache=cache)


def command_line() -> tuple[str, ...]:
    """Return the command as typed, the program by its bare name (no path of this machine)."""
    return ("rebench", *sys.argv[1:])
