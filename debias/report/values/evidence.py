"""What a reader looks at beyond the figures: every threshold, every layer, groups crossed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from debias.report.values.figures import GroupFigures
from debias.report.values.numbers import Number, Part, Rate


class SweepPoint(Part):
    """A network cut at one threshold."""

    threshold: float = Field(description="Where the score of the file is cut, as in `Figures.threshold`.")
    balanced_accuracy: Rate = Field(description="Over all verdict rows.")
    selection_rate: Rate = Field(description="P(favourable decision) over all verdict rows.")
    biases: list[Number] = Field(description="Of each attribute, in the order asked, as in `Parity.bias`.")


class Sweep(Part):
    """What other thresholds would do on the verdict rows; took no part in any choice."""

    network: Literal["before", "after"] = Field(description="As deployed, or the written file.")
    deployed: float = Field(description="The threshold in use.")
    points: list[SweepPoint] = Field(
        description="The distinct scores of the rows as thresholds, rising; at most 201 of them, always the first, the "
        "last, and those on either side of `deployed`: the lower of these two decides as `deployed` does."
    )


class LayerChange(Part):
    """What became of the weights of one layer."""

    layer: str = Field(description="Path of the layer in the network.")
    kind: Literal["dense", "other"] = Field(
        default="dense",
        description="dense: fully connected; other: any other part, such as a normalisation or random effects, which "
        "is told only where it changed.",
    )
    units: int = Field(description="Its outputs; of another part the rows of its first tensor.")
    inputs: int = Field(description="Its inputs; of another part the columns of its first tensor.")
    output: bool = Field(default=False, description="The layer that makes the score.")
    pruned: list[int] = Field(default_factory=list, description="Units taken out, counted from 0.")
    weights: int = Field(description="Numbers in the layer: weights and biases.")
    changed: int = Field(description="Numbers that are others now.")
    relative: Number = Field(
        description="Euclidean norm of the change divided by that of the layer before; None where that is 0."
    )
    largest: Number = Field(description="Largest absolute change of one number.")


class CrossedGroup(Part):
    """The rows of one group of each attribute."""

    groups: list[str] = Field(description="One group of each attribute.")
    before: GroupFigures = Field(description="As deployed.")
    after: GroupFigures | None = Field(default=None, description="The written file or candidate; None for an audit.")


class Crossing(Part):
    """The groups of several attributes crossed, on the verdict rows."""

    attributes: list[str] = Field(description="The attributes.")
    cells: list[CrossedGroup] = Field(description="Every combination that has rows.")
    unknown: int = Field(default=0, description="Rows without one of the attributes, which are in no cell.")
