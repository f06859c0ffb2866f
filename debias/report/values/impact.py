"""Impact ratios by category: what regulatory views of a report are made of."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from debias.report.values.numbers import Number, Part, Rate


class Compared(Part):
    """A group beside a reference group; the tests are of this one comparison, without correction for others."""

    ratio: Number = Field(description="Rate divided by that of the reference; None where that is 0.")
    below_four_fifths: bool | None = Field(description="The ratio is below 0.8; None where it is undefined.")
    fisher_p: Rate = Field(
        description="Two-sided p-value of Fisher's exact test; None for the reference itself and for weighted rows."
    )
    z: Number = Field(
        description="Statistic of the z test for two proportions (pooled), negative where the group has the lower rate."
    )
    z_p: Rate = Field(description="Two-sided p-value of the z test.")
    smd: Number = Field(
        default=None,
        description="Mean score less that of the reference in standard deviations of the scores of all groups; "
        "negative where the group's scores are less favourable. With scoring rates only.",
    )


class GroupImpact(Part):
    """One category."""

    groups: list[str] = Field(description="A group of each attribute.")
    n: int = Field(description="Rows.")
    share: Rate = Field(description="Share of the rows that are in any category.")
    small: bool = Field(description="The share is below `small_share`.")
    selected: int = Field(description="Rows that get the favourable decision; of scoring rates, above the median.")
    rate: Rate = Field(description="Their share of the category, weighted where rows are.")
    mean_score: Number = Field(
        default=None,
        description="Mean score: P(favourable), of a regression the mean prediction. With scoring rates only.",
    )
    highest: Compared | None = Field(description="Beside the category with the highest rate; None without one.")
    large: Compared | None = Field(
        default=None,
        description="Beside the highest rate among categories that are not small; None for a small one, and where no "
        "category is small: `highest` says it then.",
    )
    privileged: Compared | None = Field(default=None, description="Beside the privileged group, where there is one.")


class RateImpact(Part):
    """The rates of all categories and how they compare."""

    rate: Literal["selection", "scoring"] = Field(
        description="selection: P(favourable decision); scoring: share with a score above the median of all rows."
    )
    median: Number = Field(default=None, description="The median score. With scoring rates only.")
    highest: list[str] | None = Field(description="The category with the highest rate; None where all are 0.")
    large: list[str] | None = Field(default=None, description="The same among categories that are not small.")
    privileged: list[str] | None = Field(default=None, description="The privileged group.")
    groups: list[GroupImpact] = Field(description="Every category that has rows.")


class Impact(Part):
    """The categories of one attribute, or of several crossed, on the verdict rows."""

    attributes: list[str] = Field(description="The attributes.")
    n: int = Field(description="Rows that are in a category.")
    unknown: int = Field(
        default=0, description="Verdict rows without one of the attributes: in no category and in no rate."
    )
    left_out: int = Field(
        default=0,
        description="Rows without one of these attributes that --missing-attr drop left out of the table that the "
        "verdict rows come from.",
    )
    small_share: Rate = Field(description="Below this share of the rows a category is small.")
    before: list[RateImpact] = Field(description="As deployed: selection rates, scoring rates.")
    after: list[RateImpact] = Field(
        default_factory=list, description="The written file or candidate; empty for an audit."
    )


class ChosenView(Part):
    """A regulatory view that the report shows."""

    id: str = Field(description="Its name, as in --view.")
    as_of: str = Field(description="Day of which its data file told the state of the rule, YYYY-MM-DD.")
