"""The unchanged network at its best feasible common threshold: the plainest repair and the yardstick of all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from debias.methods.base import Method, Repair, Setting

if TYPE_CHECKING:
    from debias.model.network import Network


@dataclass(frozen=True)
class Threshold(Method):
    """Cut the scores of the unchanged network at its best common threshold that meets the bound.

    The plainest repair, and the yardstick for all others: every distinct score is a candidate (parity-proxies paper,
    eq. 3).
    """

    name: ClassVar[str] = "threshold"
    decides: ClassVar[str] = "its output is not cut, so there is no threshold to move"

    def repair(self, setting: Setting) -> Repair:
        """Return the unchanged network with the best feasible cut."""
        from debias.methods.search import Search

        search = Search(setting.objective.on(setting.select))
        search.add(setting.network.logits(setting.select), dict)
        return search.repair({})

    def summary(self, repair: Repair, network: Network) -> str:
        """Return what was changed."""
        del repair, network
        return "No weight was changed; the threshold was moved."
