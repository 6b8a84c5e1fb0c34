"""One process with a batch of 8 equals two processes with a batch of 4 (gloo), DDP included."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp

from redapter.distributed import gather_rows, scaled_for_averaging
from redapter.loss import StepEmbeddings, step_loss
from redapter.options import LossOptions

QUERIES, NEGATIVES, WIDTH = 8, 3, 5
OPTIONS = {
    "redapter": LossOptions(warmup_steps=0),
    "warm-up": LossOptions(warmup_steps=9),
    "shuffled": LossOptions(kind="shuffled", warmup_steps=0, kappa=0),
    "static": LossOptions(kind="static", warmup_steps=0),
    "masked": LossOptions(warmup_steps=0, mask_other_positives=True),
}


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return queries `[8, 5]`, passages `[8, 4, 5]` (positive first), reasoning, difficulty."""
    maker = torch.Generator().manual_seed(3)
    draw = lambda *shape: torch.randn(*shape, generator=maker, dtype=torch.float64)  # noqa: E731
    return (
        draw(QUERIES, WIDTH),
        draw(QUERIES, 1 + NEGATIVES, WIDTH),
        draw(QUERIES, WIDTH),
        torch.rand(QUERIES, generator=maker, dtype=torch.float64),
    )


def run_share(rank: int, world: int, kind: str) -> dict[str, torch.Tensor]:
    """Run one step of a linear encoder on this process's queries; returns what must agree."""
    queries, passages, reasoning, difficulty = inputs()
    mine = slice(rank * QUERIES // world, (rank + 1) * QUERIES // world)
    torch.manual_seed(0)
    encoder = torch.nn.Linear(WIDTH, WIDTH).double()
    wrapped = torch.nn.parallel.DistributedDataParallel(encoder) if world > 1 else encoder
    own_passages = passages[mine].transpose(0, 1).reshape(-1, WIDTH)
    with torch.no_grad():
        with_reasoning = wrapped(reasoning[mine])
    local = StepEmbeddings(
        wrapped(queries[mine]), wrapped(own_passages), with_reasoning, difficulty[mine]
    )
    found = step_loss(local, OPTIONS[kind], step=4, seed=11)
    found.value.backward()
    return {
        "value": found.value.detach(),
        "losses": found.losses,
        "reasoning_losses": found.reasoning_losses,
        "weights": found.weights,
        "gradient": encoder.weight.grad,
        "bias_gradient": encoder.bias.grad,
    }


def worker(rank: int, world: int, port: int, folder: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=world)
    results = {kind: run_share(rank, world, kind) for kind in OPTIONS}
    torch.save(results, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory) -> list[dict[str, dict[str, torch.Tensor]]]:
    folder = tmp_path_factory.mktemp("gloo")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mp.spawn(worker, args=(2, port, str(folder)), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("kind", OPTIONS)
def test_two_processes_equal_one(two_processes, kind):
    alone = run_share(0, 1, kind)
    for rank in range(2):
        for name, expected in alone.items():
            torch.testing.assert_close(
                two_processes[rank][kind][name],
                expected,
                rtol=1e-10,
                atol=1e-12,
                msg=f"{name} {rank}",
            )
    assert float(alone["gradient"].abs().sum()) > 0


def test_alone_nothing_is_gathered_or_scaled():
    rows = torch.randn(3, 2, requires_grad=True)
    assert gather_rows(rows) is rows
    assert scaled_for_averaging(rows) is rows
