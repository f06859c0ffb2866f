"""A job that does by its name what a hostile model would do; workers load it from here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from debias.experiments.fleet.work import Work, carry_out


def behave(work: Work, context: Any, progress: Any) -> list[bytes]:
    """Do what the name of the job says, else the job."""
    name = work.task.name
    if name == "spins":
        while True:
            pass
    if name == "dies":
        os._exit(7)
    if name == "writes":
        Path(work.folder, "canary").write_text("written")
    return carry_out(work, context, progress)
