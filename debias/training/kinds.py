"""The family of networks of the mixed-effects paper: which subnetworks each kind has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from debias.errors import Problem, UsageError
from debias.words import listing, show


@dataclass(frozen=True)
class Kind:
    """Which of the subnetworks of the paper's Fig. 1 a network has; an absent one is not built.

    Parameters
    ----------
    name : str
        Name on the command line.
    title : str
        The paper's name; our own for a baseline that the paper lacks.
    random_effects : bool
        A slope and an intercept of each cluster (4).
    cluster_adversary : bool
        An adversary that reads the cluster from the hidden layers (2).
    fixed_adversary, mixed_adversary : bool
        Adversaries that read a protected attribute from a prediction and the label (3 and 5).
    correlation : bool
        The absolute correlation of prediction and attribute is part of the loss (eq. 10).
    cluster_input : bool
        The cluster is an input of the network itself.
    """

    name: str
    title: str
    random_effects: bool = False
    cluster_adversary: bool = False
    fixed_adversary: bool = False
    mixed_adversary: bool = False
    correlation: bool = False
    cluster_input: bool = False

    @property
    def adversarial(self) -> bool:
        """Whether any adversary takes part."""
        return self.cluster_adversary or self.debiased

    @property
    def debiased(self) -> bool:
        """Whether adversaries read protected attributes."""
        return self.fixed_adversary or self.mixed_adversary

    @property
    def needs_attributes(self) -> bool:
        """Whether its loss has a part for protected attributes."""
        return self.debiased or self.correlation

    @property
    def reads_clusters(self) -> bool:
        """Whether the served network takes the cluster of a row."""
        return self.random_effects or self.cluster_input

    @property
    def needs_clusters(self) -> bool:
        """Whether training needs the cluster of every row."""
        return self.reads_clusters or self.cluster_adversary


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("nnet", "conventional NNet"),
            Kind("da", "DA-NNet", cluster_adversary=True),
            Kind("fair-adb-da", "Fair(ADB) DA-NNet", cluster_adversary=True, fixed_adversary=True),
            Kind("fair-acl-da", "Fair(ACL) DA-NNet", cluster_adversary=True, correlation=True),
            Kind("medl", "MEDL-NNet", random_effects=True, cluster_adversary=True),
            Kind(
                "fair-adb-medl",
                "Fair(ADB) MEDL-NNet",
                random_effects=True,
                cluster_adversary=True,
                fixed_adversary=True,
                mixed_adversary=True,
            ),
            Kind("fair-adb-nnet", "Fair(ADB) NNet", fixed_adversary=True),
            Kind("cluster-input", "NNet with cluster input", cluster_input=True),
        )
    }
)
"""Every kind by name."""


def kind_of(kind: str | Kind) -> Kind:
    """Return a kind by its name.

    Raises
    ------
    UsageError
        For a name that is none.
    """
    if isinstance(kind, Kind):
        return kind
    if kind not in KINDS:
        raise UsageError(Problem(f"unknown kind of network {show(kind)}", "KIND", f"Give one of {listing(KINDS)}."))
    return KINDS[kind]
