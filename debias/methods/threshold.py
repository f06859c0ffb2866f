"""The unchanged network at its best feasible common threshold: the plainest repair and the yardstick of all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from debias.methods.base import Method, Repair, Setting
from debias.methods.search import Search
from debias.model.network import Network


@dataclass(frozen=True)
class Threshold(Method):
    """One threshold for everyone, chosen by the objective over every distinct score (eq. 3)."""

    name: ClassVar[str] = "threshold"

    def repair(self, setting: Setting) -> Repair:
        """Return the unchanged network with the best feasible cut."""
        search = Search(setting.objective.on(setting.select))
        search.add(setting.network.logits(setting.select), dict)
        return search.repair({})

    def summary(self, repair: Repair, network: Network) -> str:
        """Return what was changed."""
        del repair, network
        return "No weight was changed; the threshold was moved."
