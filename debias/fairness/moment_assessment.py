"""The gate at a confidence for predicted numbers: limits of the bias, pass, fail or inconclusive.

Two groups: Welch's limits of the difference of two means (Welch 1947), of the predictions or of the squared errors,
whose standard deviation over two groups is half their difference. More groups: both metrics are seminorms D of the
vector of group values, so that \\|D(v̂) − D(v)\\| <= D(v̂ − v); a quantile of D over draws of the noise, Student's t for
each group, therefore gives limits that hold at least as often as they say.

The mean squared error of few rows is skewed: its limits are approximate where groups are small.

Source: B. L. Welch, Biometrika 34 (1947) 28.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from debias.fairness.assessment import Assessment
from debias.fairness.counts import FloatArray
from debias.fairness.intervals import Interval
from debias.fairness.metrics import METRICS, MOMENT_TEXT, Metric, Moment, pair_of, two_groups
from debias.fairness.moments import Moments, bias, normal_draws
from debias.fairness.settling import least_rows

_DRAWS = 8192
_AT_BOUND = 1e-9


def moment_of(metric: Metric) -> Moment:
    """Return what a metric of predicted numbers compares."""
    moment = METRICS[metric].moment
    assert moment is not None
    return moment


def assess_moments(
    found: Moments,
    metric: Metric,
    eps: float,
    confidence: float,
    privileged: int | None = None,
    comparisons: int = 1,
    groups: Sequence[str] | None = None,
    plan: bool = True,
) -> Assessment:
    """Assess one attribute under a metric of predicted numbers.

    Pass: both one-sided bounds at the confidence lie inside (−eps, eps). Fail: the interval lies outside, wrongly so
    with probability (1 − confidence) / comparisons at most. Else inconclusive.

    Parameters
    ----------
    found : Moments
        Of the verdict rows; independent rows are assumed.
    metric : {"mean-difference", "mse-dispersion"}
        A metric of predicted numbers.
    eps : float
        The bound, above 0, in units of the metric.
    confidence : float
        Of each one-sided bound, in (0.5, 1).
    privileged : int, optional
        The privileged one of two groups; 1 when not given.
    comparisons : int
        Number of attributes (constraints) that are judged together.
    groups : sequence of str, optional
        Names of the groups for the reason.
    plan : bool
        Whether to work out how many more rows would settle it, which takes most of the time.

    Returns
    -------
    Assessment
    """
    names = [f"group {group}" for group in range(found.n_groups)] if groups is None else list(groups)
    moment = moment_of(metric)
    if found.n_groups < 2:
        return Assessment("undefined", None, None, None, "There is one group only, so there is nothing to compare.")
    few = [name for name, variance in zip(names, found.variance_of(moment), strict=True) if np.isnan(variance)]
    if few:
        reason = f"{'; '.join(f'{name} has fewer than two rows' for name in few)}: {metric} has no standard error."
        return Assessment("undefined", None, None, None, reason)
    pair = pair_of(found.of(moment), privileged)
    what, bound = _what(moment, pair, names), f"−{eps:g} to +{eps:g}"
    outer = (1 - confidence) / comparisons
    beyond = _interval(found, moment, outer / 2 if found.n_groups == 2 else outer, privileged)
    if beyond.outside(-eps, eps):
        return Assessment("fail", beyond, pair, None, f"{_told(beyond, what)} lie outside {bound}.")
    within = _interval(found, moment, 1 - confidence, privileged)
    if within.inside(-eps, eps):
        return Assessment("pass", within, pair, None, f"{_told(within, what)} lie inside {bound}.")
    text = f"{_told(within, what)} do not settle it for {bound}."
    if not plan:
        return Assessment("inconclusive", within, pair, None, text)
    observed = abs(float(bias(found.of(moment), moment, privileged)))
    if abs(observed - eps) <= _AT_BOUND * eps:
        return Assessment("inconclusive", within, pair, None, f"{text} The bias observed lies at the bound.")
    heading, tail = ("pass", 1 - confidence) if observed < eps else ("fail", outer / 2)

    def settled(rows: FloatArray) -> bool:
        interval = _interval(_grown(found, rows / found.n), moment, tail, privileged)
        return interval.inside(-eps, eps) if heading == "pass" else interval.outside(-eps, eps)

    # One row of a group brings a standard deviation of √(n v) to its value.
    more = least_rows(found.n, np.sqrt(found.variance_of(moment) * found.n), settled)
    if more is None:
        return Assessment("inconclusive", within, pair, None, f"{text} More rows alike would hardly settle it.")
    wanted = [f"{rows:,} more rows of {names[group]} (now {found.n[group]:,})" for group, rows in more.items()]
    listed = wanted[0] if len(wanted) == 1 else f"{', '.join(wanted[:-1])} and {wanted[-1]}"
    text = f"{text} At the values observed, {listed} would make it {heading}."
    return Assessment("inconclusive", within, pair, more, text, "pass" if heading == "pass" else "fail")


def moment_interval(
    found: Moments, metric: Metric, confidence: float, privileged: int | None = None
) -> Interval | None:
    """Return a two-sided interval for the bias of an attribute, for a table; None where undefined.

    Parameters
    ----------
    found, metric, privileged
        See `assess_moments`.
    confidence : float
        Two-sided, in (0, 1).
    """
    moment = moment_of(metric)
    if found.n_groups < 2 or np.isnan(found.variance_of(moment)).any():
        return None
    tail = (1 - confidence) / 2 if found.n_groups == 2 else 1 - confidence
    return replace(_interval(found, moment, tail, privileged), confidence=confidence)


def _interval(found: Moments, moment: Moment, tail: float, privileged: int | None) -> Interval:
    """Return the limits of the bias, each of which misses with probability `tail` at most."""
    if found.n_groups == 2:
        low, high = _welch(found, moment, tail, privileged)
        if moment == "mse":  # half the size of the difference
            low, high = max(0.0, low, -high) / 2, max(-low, high) / 2
        return Interval(low, high, round(1 - 2 * tail, 12), "welch")
    noise = bias(np.sqrt(found.variance_of(moment))[:, None] * _noise(found.effective), moment)
    reach = float(np.quantile(noise, 1 - tail))
    middle = float(bias(found.of(moment), moment))
    return Interval(max(0.0, middle - reach), middle + reach, round(1 - 2 * tail, 12), "drawn")


def _welch(found: Moments, moment: Moment, tail: float, privileged: int | None) -> tuple[float, float]:
    from scipy.special import stdtrit

    values, variances, spare = found.of(moment), found.variance_of(moment), found.effective - 1
    low, high = two_groups(privileged)
    error = float(variances.sum())
    if not error > 0:
        only = float(values[low] - values[high])
        return only, only
    reach = -float(stdtrit(error**2 / float((variances**2 / spare).sum()), tail)) * error**0.5
    middle = float(values[low] - values[high])
    return middle - reach, middle + reach


def _noise(effective: FloatArray) -> FloatArray:
    """Return draws of Student's t for each group [K, draws], from the same normal numbers at every call.

    By the first terms of its expansion in 1 / degrees of freedom (Abramowitz and Stegun 1964, 26.7.5).
    """
    z, spare = normal_draws(len(effective), _DRAWS), effective[:, None] - 1
    return z + (z**3 + z) / (4 * spare) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * spare**2)


def _grown(found: Moments, factor: FloatArray) -> Moments:
    """Return the moments with `factor` [K] times as many rows of each group, alike in all else."""
    return replace(
        found,
        effective=found.effective * factor,
        mean_variance=found.mean_variance / factor,
        mse_variance=found.mse_variance / factor,
    )


def _what(moment: Moment, pair: tuple[int, int], names: Sequence[str]) -> str:
    if moment == "mse":
        return "the SD over the groups of E[(ŷ − y)²]"
    if len(names) > 2:
        return "the mean absolute difference of E[ŷ]"
    one, two = (MOMENT_TEXT[moment].format(names[group]) for group in pair)
    return f"{one} − {two}"


def _told(interval: Interval, what: str) -> str:
    side = f"{50 + 50 * interval.confidence:.4g}%"
    low, high = (f"{limit:+.4g}".replace("-", "−") for limit in (interval.low, interval.high))
    return f"The one-sided {side} bounds of {what}, {low} and {high},"
