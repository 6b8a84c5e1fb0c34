"""A clipped step equals that of the released code's eight processes (gloo, averaged gradients)."""

from __future__ import annotations

import multiprocessing
import os
import socket
from pathlib import Path

import pytest
import torch

from redapter.config_file import read_config, shipped_recipes
from redapter.loss import StepEmbeddings, info_nce, step_loss
from redapter.options import LossOptions

DEVICES = 8
RELEASED_CLIP = 1.0
QUERIES, NEGATIVES, WIDTH, STEPS = 16, 2, 6, 6
PAPER = sorted(name for name in shipped_recipes() if name.startswith("paper-"))


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return queries `[16, 6]` and passages `[16, 3, 6]`, positive first; some steps are easy."""
    maker = torch.Generator().manual_seed(step)
    queries = torch.randn(QUERIES, WIDTH, generator=maker, dtype=torch.float64)
    passages = torch.randn(QUERIES, 1 + NEGATIVES, WIDTH, generator=maker, dtype=torch.float64)
    passages[:, 0] += step * queries
    return queries, passages


def start() -> tuple[torch.nn.Linear, torch.optim.Optimizer]:
    torch.manual_seed(0)
    encoder = torch.nn.Linear(WIDTH, WIDTH).double()
    return encoder, torch.optim.AdamW(encoder.parameters(), lr=1e-3, weight_decay=0.0)


def released(rank: int, port: int, folder: str) -> None:
    """One of the released code's processes: its slice has gradient, the mean is clipped at 1.0."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=DEVICES)
    encoder, optimizer = start()
    mine = slice(rank * QUERIES // DEVICES, (rank + 1) * QUERIES // DEVICES)
    norms = []
    for step in range(STEPS):
        queries, passages = batch(step)
        outputs = encoder(torch.cat([queries[mine], passages[mine].reshape(-1, WIDTH)]))
        parts = [torch.empty_like(outputs) for _ in range(DEVICES)]
        torch.distributed.all_gather(parts, outputs.detach())
        parts[rank] = outputs
        count = QUERIES // DEVICES
        every = torch.cat([part[:count] for part in parts])
        texts = torch.cat([part[count:] for part in parts])
        positives = torch.arange(QUERIES) * (1 + NEGATIVES)
        optimizer.zero_grad()
        info_nce(every, texts, positives, 0.02).mean().backward()
        for parameter in encoder.parameters():  # as DDP and ZeRO do
            torch.distributed.all_reduce(parameter.grad)
            parameter.grad /= DEVICES
        norms.append(torch.nn.utils.clip_grad_norm_(encoder.parameters(), RELEASED_CLIP).item())
        optimizer.step()
    if rank == 0:
        torch.save({"weight": encoder.weight.detach(), "norms": norms}, Path(folder) / "done.pt")
    torch.distributed.destroy_process_group()


def ours(clip: float) -> tuple[torch.Tensor, list[float]]:
    """Return the weights after the same steps in one process, and the norms before clipping."""
    encoder, optimizer = start()
    norms = []
    for step in range(STEPS):
        queries, passages = batch(step)
        columns = passages.transpose(0, 1).reshape(-1, WIDTH)
        optimizer.zero_grad()
        local = StepEmbeddings(encoder(queries), encoder(columns))
        step_loss(local, LossOptions(kind="infonce"), step=step, seed=1).value.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(encoder.parameters(), clip).item())
        optimizer.step()
    return encoder.weight.detach(), norms


@pytest.fixture(scope="module")
def eight_processes(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("eight")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # One server imports torch and forks the eight: importing it eight times takes far longer.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", "tests.redapter.test_redapter_clipping"])
    workers = [
        context.Process(target=released, args=(rank, port, str(folder))) for rank in range(DEVICES)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * DEVICES
    return torch.load(folder / "done.pt")


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_clipping_is_that_of_eight_processes(eight_processes, name):
    config = read_config(name)
    assert config.batch.devices == DEVICES
    weight, norms = ours(config.train.max_grad_norm)
    # Ours is not divided by the devices, and some steps are clipped, some not.
    assert norms == pytest.approx([DEVICES * norm for norm in eight_processes["norms"]])
    clipped = [norm > config.train.max_grad_norm for norm in norms]
    assert any(clipped)
    assert not all(clipped)
    # AdamW does not see a factor that all steps share, except through its epsilon of 1e-8.
    torch.testing.assert_close(weight, eight_processes["weight"], rtol=0, atol=1e-7)
    start_weight = start()[0].weight.detach()
    assert (weight - start_weight).abs().max() > 1e-3


def test_the_same_number_without_the_factor_is_another_step(eight_processes):
    weight, _ = ours(RELEASED_CLIP)
    assert (weight - eight_processes["weight"]).abs().max() > 1e-5
