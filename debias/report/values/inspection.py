"""What a model file is and what of it can be repaired: the value that `inspect` returns."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from debias.report.values.numbers import Part

INSPECTION_VERSION = "1.0"


class InputInfo(Part):
    """One tensor that the network takes."""

    name: str = Field(description="Name in the program.")
    role: str | None = Field(default=None, description="features, cluster or group; None where nothing tells it.")
    shape: list[int | None] | None = Field(default=None, description="None for a free size, the rows among them.")


class OutputInfo(Part):
    """How the output becomes a score."""

    kind: str | None = Field(description="probability, logit, softmax or logits2; None where it was not found out.")
    shape: list[int | None] | None = Field(default=None, description="None for a free size.")
    foldable: bool = Field(description="A threshold can be folded into the last bias.")
    reason: str = Field(default="", description="Why it can not, or how the kind was found out.")


class LayerInfo(Part):
    """A hidden layer: a linear map, with its activation and what it feeds."""

    path: str = Field(description="Path of the linear map in the file.")
    units: int = Field(description="Number of units.")
    activation: str | None = Field(default=None, description="None for a layer without one.")
    normalisation: str | None = Field(
        default=None, description="BatchNorm or LayerNorm, before or after the activation; None without."
    )
    consumers: list[str] = Field(default_factory=list, description="Paths of the layers that its units feed.")
    prunable_outgoing: bool = Field(description="Units can be pruned by their outgoing weights (Algorithm 1).")
    prunable_incoming: bool = Field(description="Units can be pruned by their incoming weights (published code).")
    reasons: list[str] = Field(default_factory=list, description="Why not, all of them.")


class MethodInfo(Part):
    """Whether a method can work on this file."""

    method: str = Field(description="threshold, prune or gda.")
    ok: bool = Field(description="The method can work on this file.")
    reasons: list[str] = Field(default_factory=list, description="Why not, or what is left out; all of them.")


class Inspection(Part):
    """A model file as it was found."""

    schema_version: str = Field(default=INSPECTION_VERSION, description="Version of this layout.")
    path: str = Field(description="The file as named.")
    format: str = Field(description="torchscript, export, or unknown.")
    size: int = Field(description="Bytes.")
    sha256: str = Field(description="SHA-256 of the file.")
    trusted: bool = Field(default=False, description="--trust was given: the pre-flight was overridden.")
    dtype: str | None = Field(default=None, description="float32 or float64; None for a file that was not opened.")
    parameters: int | None = Field(default=None, description="Number of weights.")
    inputs: list[InputInfo] = Field(default_factory=list, description="In the order of the program.")
    static_batch: int | None = Field(default=None, description="The one batch size that a .pt2 accepts, if so.")
    output: OutputInfo | None = Field(default=None, description="None for a file that was not opened.")
    layers: list[LayerInfo] = Field(default_factory=list, description="Hidden layers in the order of the program.")
    methods: list[MethodInfo] = Field(default_factory=list, description="What can be done.")
    problems: list[str] = Field(default_factory=list, description="Why the file is refused, all reasons at once.")
    notes: list[str] = Field(default_factory=list, description="What a reader should know.")
    contract: dict[str, Any] | None = Field(
        default=None, description="The contract in use: embedded, sidecar or named."
    )
    record: dict[str, Any] | None = Field(default=None, description="What an earlier debias wrote into the file.")

    @property
    def usable(self) -> bool:
        """True when nothing speaks against using the file."""
        return not self.problems

    @property
    def exit_code(self) -> int:
        """0 for a file that can be used, 2 for one that is refused."""
        return 0 if self.usable else 2
