"""What a reader looks at beyond the figures: other thresholds, the layers, attributes crossed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from torch import Tensor

from debias.run.deciding import decided
from debias.run.evidence.crossings import crossings
from debias.run.evidence.layers import layers
from debias.run.evidence.sweep import sweep
from debias.run.figures import Measured
from debias.run.impacts import Outcome, impacts
from debias.run.opening import Opened

if TYPE_CHECKING:
    from debias.run.workbench import Attempt, Workbench
    from debias.run.writing import Repaired


@dataclass(frozen=True, eq=False)
class _Seen:
    """A network with what its file gives for the verdict rows."""

    opened: Opened
    measured: Measured
    output: Tensor

    @classmethod
    def on(cls, opened: Opened, measured: Measured) -> _Seen:
        return cls(opened, measured, opened.network.outputs(measured.sample))

    @property
    def decided(self) -> npt.NDArray[Any]:
        return decided(self.opened, self.output)


def of_audit(opened: Opened, measured: Measured, output: Tensor) -> dict[str, Any]:
    """Return the entries `sweeps`, `crossings` and `impacts` of the report of an audit.

    Parameters
    ----------
    opened : Opened
        The network as it is deployed.
    measured : Measured
        The rows.
    output : Tensor
        What the file's forward returned for them.
    """
    seen = _Seen(opened, measured, output)
    swept = sweep(opened, measured, output, "before")
    return {
        "sweeps": [] if swept is None else [swept],
        "crossings": crossings(measured, opened.data.groupings, seen.decided),
        "impacts": impacts(opened, measured, opened.data.gaps, Outcome.of(opened, output)),
    }


def of_repair(bench: Workbench, attempt: Attempt, written: Repaired) -> dict[str, Any]:
    """Return the entries `sweeps`, `layers`, `crossings` and `impacts` of the report of a repair.

    Parameters
    ----------
    bench : Workbench
        With the unchanged network and the verdict rows.
    attempt : Attempt
        What the method did.
    written : Repaired
        Its file, read back.
    """
    before = _Seen.on(bench.opened, bench.on_verdict)
    after = _Seen.on(written.reread, written.with_groups(bench.on_verdict))
    swept = (
        sweep(before.opened, before.measured, before.output, "before"),
        sweep(after.opened, after.measured, after.output, "after"),
    )
    return {
        "sweeps": [one for one in swept if one is not None],
        "layers": layers(written, attempt.repair.changes.get("units", {})),
        "crossings": crossings(bench.on_verdict, bench.opened.data.groupings, before.decided, after.decided),
        "impacts": impacts(
            bench.opened,
            bench.on_verdict,
            bench.parts.gaps,
            *(Outcome.of(one.opened, one.output) for one in (before, after)),
        ),
    }
