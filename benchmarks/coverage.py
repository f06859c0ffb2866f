"""Coverage of the intervals and error rates of the gate at a confidence.

Two groups: exact, by enumeration of all tables. More groups or attributes: drawn, seeded. Written to
``results/coverage.json``; the tables are printed as Markdown.

    python benchmarks/coverage.py            # measure (some minutes), then the tables
    python benchmarks/coverage.py --tables   # the tables from the results alone
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from debias.fairness import intervals
from debias.fairness.assessment import assess, together
from debias.fairness.counts import Counts
from debias.fairness.gaps import Gaps

RESULTS = Path(__file__).resolve().parent / "results" / "coverage.json"
SIZES = (10, 30, 100, 150, 1000)
RATES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98)
BOUNDS = (0.05, 0.1, 0.2)
CONFIDENCES = (0.9, 0.95)
SEEN = 1e-10
"""Counts of less chance than this are left out."""
DRAWS = 2000

Array = np.ndarray[Any, np.dtype[np.float64]]
METHODS = ("agresti-caffo", "newcombe", "miettinen-nurminen", "clopper-pearson")
RATIO_METHODS = ("katz", "newcombe", "koopman", "clopper-pearson")
SCORES = ("miettinen-nurminen", "koopman")
GATES = ("newcombe", "clopper-pearson")


def difference_limits(method: str, k1: Array, n1: float, k2: Array, n2: float, tail: float) -> tuple[Array, Array]:
    """Return the limits of a method of the package, or of Agresti and Caffo (2000) for comparison."""
    if method != "agresti-caffo":
        return intervals.difference_limits(k1, n1, k2, n2, tail, method)  # type: ignore[arg-type]
    p1, p2 = (k1 + 1) / (n1 + 2), (k2 + 1) / (n2 + 2)
    half = stats.norm.isf(tail) * np.sqrt(p1 * (1 - p1) / (n1 + 2) + p2 * (1 - p2) / (n2 + 2))
    return p1 - p2 - half, p1 - p2 + half


def ratio_limits(method: str, k1: Array, n1: float, k2: Array, n2: float, tail: float) -> tuple[Array, Array]:
    """Return the limits of a method of the package, or of Katz et al. (1978), half a row added, for comparison."""
    if method != "katz":
        return intervals.ratio_limits(k1, n1, k2, n2, tail, method)  # type: ignore[arg-type]
    p1, p2 = (k1 + 0.5) / (n1 + 0.5), (k2 + 0.5) / (n2 + 0.5)
    half = stats.norm.isf(tail) * np.sqrt(1 / (k1 + 0.5) - 1 / (n1 + 0.5) + 1 / (k2 + 0.5) - 1 / (n2 + 0.5))
    return p1 / p2 * np.exp(-half), p1 / p2 * np.exp(half)


class Tables:
    """Tables of two groups of given sizes, and their chances at given rates."""

    def __init__(self, n1: int, n2: int, k1: Array | None = None, k2: Array | None = None) -> None:
        self.n1, self.n2 = n1, n2
        self.k1 = np.arange(n1 + 1.0) if k1 is None else k1
        self.k2 = np.arange(n2 + 1.0) if k2 is None else k2

    @property
    def counts(self) -> tuple[Array, int, Array, int]:
        return self.k1[:, None], self.n1, self.k2[None], self.n2

    def likely(self, p1: float, p2: float) -> Tables:
        """Return the tables that are not all but impossible."""
        one, two = (stats.binom.pmf(k, n, p) for k, n, p in ((self.k1, self.n1, p1), (self.k2, self.n2, p2)))
        return Tables(self.n1, self.n2, self.k1[one > SEEN], self.k2[two > SEEN])

    def limits(self, method: str, ratio: bool, tail: float) -> tuple[Array, Array]:
        return (ratio_limits if ratio else difference_limits)(method, *self.counts, tail)

    def chance(self, which: Array, p1: float, p2: float) -> float:
        """Return the chance of the tables marked in `which`."""
        one, two = stats.binom.pmf(self.k1, self.n1, p1), stats.binom.pmf(self.k2, self.n2, p2)
        return float(one @ which @ two)


def _pairs_of_sizes() -> list[tuple[int, int]]:
    return list(itertools.combinations_with_replacement(SIZES, 2))


def misses(method: str, ratio: bool, tables: Tables, tail: float, true: float) -> tuple[Array, Array]:
    """Mark the tables whose lower limit lies above the truth, and those whose upper limit lies below it."""
    if method in SCORES:
        # A score limit lies above the truth where the statistic at the truth exceeds the quantile: no limit is needed.
        score = (intervals.ratio_score if ratio else intervals.difference_score)(*tables.counts, true)
        return score > stats.norm.isf(tail), score < -stats.norm.isf(tail)
    low, high = tables.limits(method, ratio, tail)
    return low > true + 1e-12, high < true - 1e-12


def coverage(ratio: bool, methods: tuple[str, ...]) -> dict[str, Any]:
    """Return coverage over all sizes and rates: mean and least of the interval, mean and worst miss of a bound."""
    found: dict[str, Any] = {}
    for confidence, method in itertools.product(CONFIDENCES, methods):
        held, missed = [], []
        for n1, n2 in _pairs_of_sizes():
            everything = Tables(n1, n2)
            for p1, p2 in itertools.product(RATES, RATES):
                tables = everything.likely(p1, p2)
                sides = misses(method, ratio, tables, (1 - confidence) / 2, p1 / p2 if ratio else p1 - p2)
                below, above = (tables.chance(side, p1, p2) for side in sides)
                held.append((1 - below - above, n1, n2, p1, p2))
                missed.append((max(below, above), n1, n2, p1, p2))
        found[f"{method} {confidence}"] = {
            "mean": float(np.mean([row[0] for row in held])),
            "least": min(held),
            "mean_worse_miss": float(np.mean([row[0] for row in missed])),
            "worst_miss": max(missed),
        }
    return found


def gate(ratio: bool) -> dict[str, Any]:
    """Return the worst error rates of the gate for two groups, over sizes and rates, exactly.

    A wrong pass is likeliest where the true gap is eps itself; so is a wrong fail.
    """
    grid = np.unique(np.r_[0, 0.005, 0.01, 0.02, 0.03, np.arange(0.05, 0.96, 0.05), 0.97, 0.98, 0.99, 1])
    found: dict[str, Any] = {}
    for confidence, eps, method in itertools.product(CONFIDENCES, BOUNDS, GATES):
        passed, failed = (0.0,), (0.0,)
        for n1, n2 in _pairs_of_sizes():
            tables = Tables(n1, n2)
            within, beyond = _verdicts(tables, confidence, eps, method, ratio)
            for base in grid:
                other = base * (1 - eps) if ratio else base - eps
                if other < 0 or (ratio and base == 0):
                    continue
                for p1, p2 in ((base, other), (other, base)):
                    where = (n1, n2, round(float(p1), 4), round(float(p2), 4))
                    passed = max(passed, (tables.chance(within, p1, p2), *where))
                    failed = max(failed, (tables.chance(beyond, p1, p2), *where))
        found[f"{method} {confidence} {eps}"] = {"wrong_pass": passed, "wrong_fail": failed}
    return found


def _verdicts(tables: Tables, confidence: float, eps: float, method: str, ratio: bool) -> tuple[Array, Array]:
    error = 1 - confidence
    least, most = (1 - eps, 1 / (1 - eps)) if ratio else (-eps, eps)
    low, high = tables.limits(method, ratio, error)
    within = (low > least) & (high < most)
    beyond = (low >= most) | (high <= least)
    low, high = tables.limits(method, ratio, error / 2)
    # Between the two tails that `Gaps.outer_tail` can take it has to be asked, table by table.
    one, two = np.nonzero(beyond & ~((low >= most) | (high <= least)))
    if len(one):
        none, full = np.zeros(len(one), np.int64), np.ones(len(one))
        k1, k2 = tables.k1[one], tables.k2[two]
        rates = ("selection",) * len(one)
        gaps = Gaps(rates, none, none + 1, k1, tables.n1 * full, k2, tables.n2 * full, ratio, method)  # type: ignore[arg-type]
        beyond[one, two] = gaps.outside(error, eps)
    return within, beyond


def several() -> list[dict[str, Any]]:
    """Return error rates and power for K groups and for two attributes, drawn.

    "at the bound": one group lies eps below all others (worst for a pass). "spread": the groups lie evenly over a
    range of eps, so that no gap is beyond it (worst for a fail). "level": all rates equal (power to pass).
    "twice": one group lies 2 eps below the others (power to fail).
    """
    generator = np.random.default_rng(20)
    found = []
    for attributes, sizes in (
        (1, (100, 1000)),
        (1, (30, 100, 1000)),
        (1, (150, 150, 150)),
        (1, (1000, 1000, 1000)),
        (1, (10, 30, 100, 150, 1000)),
        (1, (1000,) * 5),
        (2, (150, 1000)),
        (2, (1000, 1000, 1000)),
        (2, (4000, 4000)),
    ):
        for base, case in itertools.product((0.2, 0.5), ("at the bound", "spread", "level", "twice")):
            found.append(_drawn(generator, attributes, sizes, base, case, eps=0.1, confidence=0.95))
    return found


def _drawn(
    generator: np.random.Generator,
    attributes: int,
    sizes: tuple[int, ...],
    base: float,
    case: str,
    eps: float,
    confidence: float,
) -> dict[str, Any]:
    k = len(sizes)
    rates = {
        "at the bound": np.r_[base - eps, np.full(k - 1, base)],
        "spread": base - np.linspace(eps, 0, k),
        "level": np.full(k, base),
        "twice": np.r_[base - 2 * eps, np.full(k - 1, base)],
    }[case].clip(0, 1)
    drawn = generator.binomial(sizes, rates, (DRAWS, attributes, k))
    known: dict[tuple[int, ...], Any] = {}
    verdicts = []
    for draw in drawn:
        made = []
        for selected in draw:
            key = tuple(selected)
            if key not in known:
                known[key] = _assessed(selected, sizes, eps, confidence, attributes)
            made.append(known[key])
        verdicts.append(together(made))
    share = {verdict: verdicts.count(verdict) / DRAWS for verdict in ("pass", "fail", "inconclusive")}
    return {"attributes": attributes, "sizes": sizes, "base": base, "case": case, **share}


def _assessed(selected: Array, sizes: tuple[int, ...], eps: float, confidence: float, comparisons: int) -> Any:
    rows = np.zeros((len(sizes) + 1, 2, 2), np.int64)
    rows[:-1, 1, 1], rows[:-1, 1, 0] = selected, np.array(sizes) - selected
    counts = Counts(rows, rows.astype(float), rows.astype(float))
    return assess(counts, "statistical-parity", eps, confidence, comparisons=comparisons, plan=False)


def tables(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = []
    for name, title in (("difference", "Difference of two rates"), ("ratio", "Ratio of two rates")):
        lines += [
            f"**{title}**",
            "",
            "| method | nominal | mean coverage | least coverage | one bound misses, mean | worst |",
            "|---|---|---|---|---|---|",
        ]
        for key, row in results[name].items():
            method, confidence = key.split()
            lines.append(
                f"| {method} | {float(confidence):.0%} | {row['mean']:.3f} | {row['least'][0]:.3f} | "
                f"{row['mean_worse_miss']:.3f} | {row['worst_miss'][0]:.3f} |"
            )
        lines.append("")
    lines += [
        "**The gate, two groups: worst chance of a wrong pass / of a wrong fail**",
        "",
        "| gap | method | confidence | " + " | ".join(f"eps {eps}" for eps in BOUNDS) + " |",
        "|---|---|---|" + "---|" * len(BOUNDS),
    ]
    for name in ("gate_difference", "gate_ratio"):
        cells: dict[tuple[str, str], list[str]] = {}
        for key, row in results[name].items():
            method, confidence, _ = key.split()
            cells.setdefault((method, confidence), []).append(
                f"{row['wrong_pass'][0]:.3f} / {row['wrong_fail'][0]:.3f}"
            )
        for (method, confidence), row in cells.items():
            lines.append(f"| {name[5:]} | {method} | {float(confidence):.0%} | {' | '.join(row)} |")
    lines += [
        "",
        "**The gate, several groups and attributes: share of passes / of fails (confidence 95%, eps 0.1)**",
        "",
        "| attributes | group sizes | rate | at the bound | spread | level | twice |",
        "|---|---|---|---|---|---|---|",
    ]
    rows: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in results["several"]:
        key = (row["attributes"], ", ".join(map(str, row["sizes"])), row["base"])
        rows.setdefault(key, {})[row["case"]] = f"{row['pass']:.3f} / {row['fail']:.3f}"
    for (attributes, sizes, base), cases in rows.items():
        lines.append(f"| {attributes} | {sizes} | {base} | {' | '.join(cases.values())} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true", help="print the tables from the results alone")
    if not parser.parse_args().tables:
        results = {
            "difference": coverage(False, METHODS),
            "ratio": coverage(True, RATIO_METHODS),
            "gate_difference": gate(ratio=False),
            "gate_ratio": gate(ratio=True),
            "several": several(),
        }
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(tables(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
