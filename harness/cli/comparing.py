"""Options of the commands that read measured systems: `compare`, `report`, `reproduce`, `fuse`."""

from __future__ import annotations

from typing import Annotated

import typer

TasksChoice = Annotated[
    str,
    typer.Option(
        "--tasks",
        "-t",
        metavar="NAME[,NAME…]",
        help="Tasks or groups that were measured, hub:ORG/NAME, or folders "
        "[default: the group shared most].",
    ),
]
MetricChoice = Annotated[
    str, typer.Option("--metric", metavar="NAME", help="Instead of the tasks' head metric.")
]
FoldChoice = Annotated[
    int | None,
    typer.Option("--fold", metavar="N", help="Only the queries of this fold, 0 to 4."),
]
QuerySetChoice = Annotated[
    str, typer.Option("--query-set", metavar="SET", help="Entries with this query set only.")
]
PermutationsChoice = Annotated[
    int,
    typer.Option(
        "--permutations", metavar="N", help="Random permutations [default: 10000 or more]."
    ),
]
SeedChoice = Annotated[
    int | None, typer.Option("--seed", metavar="N", help="Where the random numbers start.")
]
