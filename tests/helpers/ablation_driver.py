"""Runs `rebench ablate ARGS…` in a process that kills itself: in run N of it, after step M."""

from __future__ import annotations

import os
import signal
import sys

from harness.ablation.redapter import RedapterTrainer
from harness.cli.main import main


def install_death(run: int, step: int) -> None:
    """Kill this process after `step` steps of its `run`-th training."""
    from redapter import trainer

    begun: list[str] = []
    on_step_end = trainer.StepBar.on_step_end
    train = RedapterTrainer.train

    def counting(self, recipe, folder, reporter):
        begun.append(str(folder))
        return train(self, recipe, folder, reporter)

    def dying(self, args, state, control, **kwargs):
        on_step_end(self, args, state, control, **kwargs)
        if len(begun) == run and state.global_step == step:
            os.kill(os.getpid(), signal.SIGKILL)

    RedapterTrainer.train = counting
    trainer.StepBar.on_step_end = dying


if __name__ == "__main__":
    install_death(int(os.environ["DIE_IN_RUN"]), int(os.environ["DIE_AT_STEP"]))
    sys.argv = ["rebench", "ablate", *sys.argv[1:]]
    main()
