"""Reject option classification (Kamiran, Karim, Zhang 2012), searched exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from debias.flags import Flag
from debias.methods.base import Method, Repair, Setting

if TYPE_CHECKING:
    from debias.errors import Problem
    from debias.methods.ruling import Rules
    from debias.model.network import Network
    from debias.objective import Objective


@dataclass(frozen=True)
class ROC(Method):
    """Decide by group near the threshold: reject option classification.

    Kamiran, Karim and Zhang (2012): inside a critical band round the threshold the deprived group gets the favourable
    decision and the other group does not. A band is a cut for each of two groups, that of the deprived group not
    above the other's on the favourable scale; the deprived group is the one with the lower rate at the cut of best
    performance. Balanced accuracy is a sum over the groups and their rates are monotone in their cuts, so the best
    band under the bound is found exactly, where the published implementations try a grid of thresholds and margins.

    More than two groups and other metrics than statistical parity get the natural extension: any cut for each group,
    with all their rates inside one window as wide as the bound (thresholds by group as in Hardt, Price and Srebro
    2016, section 4; for the impact ratio a window of ratios). Equalized odds has two rates: with two groups the
    search is exact too, with more the places of the two windows are sampled at quantiles.

    The written model needs the attribute: ``forward(x, group)``.

    Parameters
    ----------
    form : {"auto", "band", "window"}
        ``band`` as published, for two groups; ``window`` lets either group have the lower cut; ``auto`` is the band
        for two groups and statistical parity, else the window.
    """

    form: Annotated[
        Literal["auto", "band", "window"],
        Flag(
            "band: the deprived of two groups has the lower cut, as published; window: any cut for each group; auto: "
            "band for two groups and statistical parity."
        ),
    ] = "auto"

    name: ClassVar[str] = "roc"
    folds: ClassVar[bool] = False
    decides: ClassVar[str] = "its output is not cut, so there is no cut to set for a group"

    def repair(self, setting: Setting) -> Repair:
        """Return the best cut for each group."""
        import numpy as np

        from debias.errors import UsageError
        from debias.methods.ruling import Rules, bounds_of
        from debias.objective.group_cuts import Compared

        if problems := self.unsuited(setting.objective):
            raise UsageError(problems)
        rules = Rules(setting)
        lower = self._lower(rules)
        compared = [Compared(item.part(rules.scorer.weight), item.ratio) for item in rules.scorer.comparisons]
        rules.search(compared, bounds_of(setting.objective), lower)
        # One cut for all is a band of no width; it need not lie between neighbours of each group.
        common = rules.scorer.select(rules.logits).cut
        rules.add(rules.rule(np.full(rules.n_groups, common)), {"bound": "one cut for all"})
        return rules.repair({"form": "window" if lower is None else "band"})

    def _lower(self, rules: Rules) -> int | None:
        """Return the group that may not have the higher cut, where the form is a band."""
        from debias.errors import Problem, UsageError

        metric = rules.setting.objective.constraints[0].metric
        if self.form == "band" and rules.n_groups != 2:
            found = f"a band is for two groups, {rules.attribute.name!r} has {rules.n_groups}"
            raise UsageError(Problem(found, "--form", "Use --form window."))
        band = self.form == "band" or (self.form == "auto" and rules.n_groups == 2 and metric == "statistical-parity")
        if not band:
            return None
        best = rules.scorer.sweep(rules.logits).best()
        decided = rules.logits > (best.cut if best else 0.0)
        rates = rules.scorer.comparisons[0].rates(decided != rules.scorer.flipped)
        return int(rates[1] < rates[0])

    def summary(self, repair: Repair, network: Network) -> str:
        """Return what was changed."""
        del network
        assert repair.rule is not None
        return f"No weight was changed; each of the {len(repair.rule.groups)} groups has its own threshold."

    def reasons(self, network: Network) -> list[Problem]:
        """Return why a rule cannot be written round a network."""
        from debias.methods.ruling import one_input

        return one_input(network)

    def unsuited(self, objective: Objective) -> list[Problem]:
        """Return why a rule of one attribute's groups is not for an objective."""
        from debias.methods.ruling import one_constraint

        return [*super().unsuited(objective), *one_constraint(self.name, objective)]
