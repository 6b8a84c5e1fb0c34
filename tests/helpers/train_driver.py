"""Runs `rebench train …` again and again, each time in a forked process of its own.

Importing the libraries takes longer than a tiny run, so it is done once. Reads one JSON object a
line, answers with the exit status; `Commands` is the other end. Several processes are started as
torchrun starts them. A command may ask to die: DIE_AT_STEP=N kills its process after step N,
DIE_IN_SAVE=N half-way through writing the checkpoint of step N.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import typer

from harness.cli import train
from harness.cli.errors import run_guarded

ROOT = Path(__file__).resolve().parents[2]


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def install_deaths() -> None:
    from redapter import trainer

    at_step = int(os.environ.get("DIE_AT_STEP", "0"))
    in_save = int(os.environ.get("DIE_IN_SAVE", "0"))
    on_step_end, save = trainer.StepBar.on_step_end, trainer.RunTrainer._save

    def dying_step(self, args, state, control, **kwargs):
        on_step_end(self, args, state, control, **kwargs)
        if state.global_step == at_step:
            kill()

    def dying_save(self, output_dir=None, state_dict=None):
        save(self, output_dir, state_dict)
        if self.state.global_step == in_save:
            kill()

    trainer.StepBar.on_step_end = dying_step
    trainer.RunTrainer._save = dying_save


def run_command(arguments: list[str], folder: str, environment: dict, output: str) -> int:
    os.chdir(folder)
    os.environ |= environment
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{output}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    install_deaths()
    app = typer.Typer()
    app.command()(train.run)
    sys.argv = ["rebench", *arguments]
    code = run_guarded(app)
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def start(processes: int, port: int, command: dict) -> int:
    """Fork the processes of one command and return the first exit status that is not 0."""
    children = []
    for rank in range(processes):
        child = os.fork()
        if child == 0:
            if processes > 1:
                command["environment"] |= {
                    "RANK": str(rank),
                    "LOCAL_RANK": str(rank),
                    "WORLD_SIZE": str(processes),
                    "MASTER_ADDR": "127.0.0.1",
                    "MASTER_PORT": str(port),
                }
                command["output"] += "" if rank == 0 else f"-{rank}"
            os._exit(run_command(**command))
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return next((code for code in codes if code), 0)


def serve() -> None:
    """Import what a run needs, then run what is asked for."""
    import matplotlib.backends.backend_agg  # noqa: F401
    import peft  # noqa: F401
    import torch.utils.tensorboard
    from transformers.models.bert import modeling_bert  # noqa: F401

    import redapter.trainer  # noqa: F401

    torch.set_num_threads(1)
    for line in sys.stdin:
        print(start(**json.loads(line)), flush=True)


@dataclass(frozen=True, slots=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


class Commands:
    """Runs `rebench train ARGS…` in `folder`; use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Commands:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.driver = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.train_driver"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __call__(self, *arguments: str, processes: int = 1, **environment: str) -> Done:
        output = self.folder / "command"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = {
            "arguments": arguments,
            "folder": str(self.folder),
            "environment": environment,
            "output": str(output),
        }
        request = {"processes": processes, "port": port, "command": command}
        self.driver.stdin.write(json.dumps(request) + "\n")
        self.driver.stdin.flush()
        code = int(self.driver.stdout.readline())
        texts = [output.with_suffix(f".{name}").read_text() for name in ("out", "err")]
        return Done(code, *texts)

    def __exit__(self, *_: object) -> None:
        self.driver.stdin.close()
        self.driver.wait(timeout=60)


if __name__ == "__main__":
    serve()
