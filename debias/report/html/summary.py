"""The figures at the head of the page: before, after, the bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from debias.report.content.document import Section
from debias.report.content.report import MEASURES
from debias.report.findings.fleet import OUTCOMES
from debias.report.text import count, rate, signed, signed_amount
from debias.report.values.fleet import Fleet
from debias.report.values.report import Report

if TYPE_CHECKING:
    from debias.report.values.every import Value


@dataclass(frozen=True)
class Shown:
    """A figure: what a reader sees, and where the JSON report has the number (a JSON pointer)."""

    text: str
    at: str


@dataclass(frozen=True)
class Tile:
    """A figure that matters: what it is now, what it was, what was asked."""

    title: str
    now: Shown
    before: Shown | None = None
    remark: str = ""


@dataclass(frozen=True)
class Summary:
    """What stands beside the verdict."""

    subject: str = ""
    tiles: tuple[Tile, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


def summary_of(value: Value) -> Summary:
    """Return the head of the page of any report; without figures where the value has no verdict about groups."""
    from debias.report.values.comparison import Comparison

    if isinstance(value, Comparison):
        facts = (("Method chosen", value.winner), *_facts(value.report))
        return Summary(value.report.model.path, tuple(_tiles(value.report, "/report")), facts)
    if isinstance(value, Report):
        return Summary(value.model.path, tuple(_tiles(value, "")), tuple(_facts(value)))
    if isinstance(value, Fleet):
        return Summary(value.manifest or value.folder, tuple(_counts(value)), tuple(_of_fleet(value)))
    return Summary()


def versions_of(value: Value) -> Section | None:
    """Return what a run depended on besides its files; None where the value does not tell."""
    run: Any = getattr(value, "report", value)
    own = {"debias": run.debias_version} if hasattr(run, "debias_version") else {}
    versions: dict[str, str] = own | getattr(run, "versions", {})
    items = [f"{name} {version}" for name, version in versions.items()]
    items += [f"{name} {getattr(run, name)}" for name in ("seed", "device") if hasattr(run, name)]
    if hasattr(value, "schema_version"):
        items.append(f"layout {value.schema_version} of the JSON report")
    return Section("Versions and seed", items=tuple(items), key="repeat") if items else None


def _tiles(report: Report, root: str) -> Iterator[Tile]:
    now, at = (report.before, f"{root}/before") if report.after is None else (report.after, f"{root}/after")
    before = None if report.after is None else report.before
    bias = signed_amount if report.task == "regression" else signed
    bound = _bound(report)
    for index, parity in enumerate(now.parities):
        path = f"parities/{index}/bias"
        was = None if before is None else Shown(bias(before.parities[index].bias), f"{root}/before/{path}")
        yield Tile(
            f"Bias of {parity.attribute}", Shown(bias(parity.bias), f"{at}/{path}"), was, f"{parity.sentence}{bound}"
        )
    for title, name, show in _MEASURES:
        if getattr(now, name) is None:
            continue
        was = None if before is None else Shown(show(getattr(before, name)), f"{root}/before/{name}")
        yield Tile(title, Shown(show(getattr(now, name)), f"{at}/{name}"), was)


def _counts(fleet: Fleet) -> Iterator[Tile]:
    """Yield how many models came out how: the tile of each verdict, and of those without one."""
    for name, title in _OUTCOMES.items():
        if name in fleet.counts or name in ("pass", "fail"):
            at = f"/counts/{name}" if name in fleet.counts else ""
            yield Tile(title, Shown(count(fleet.counts.get(name, 0)), at))
    none = {name: number for name, number in fleet.counts.items() if name not in _OUTCOMES}
    if none:
        told = ", ".join(f"{OUTCOMES.get(name, name)} {count(number)}" for name, number in none.items())
        yield Tile("Without a report", Shown(count(sum(none.values())), ""), remark=told)


def _of_fleet(fleet: Fleet) -> Iterator[tuple[str, str]]:
    if fleet.created is not None:
        yield "Made", fleet.created[:10]
    yield "Models", count(sum(fleet.counts.values()))
    attributes = {row.attribute for row in fleet.rows if row.attribute is not None}
    yield "Attributes", count(len(attributes))


def _bound(report: Report) -> str:
    """Return what was asked, to follow the sentence of a bias."""
    if report.eps is None:
        return ""
    return (
        f"; asked: above {1 - report.eps:g}" if report.metric == "impact-ratio" else f"; asked: within ±{report.eps:g}"
    )


def _signless(value: float | None) -> str:
    return rate(value).replace("-", "−")


_OUTCOMES = {
    "pass": "Bound met",
    "fail": "Bound missed",
    "inconclusive": "Inconclusive",
    "no-bound": "No bound asked",
}
_MEASURES: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("Balanced accuracy", "balanced_accuracy", rate),
    ("AUROC", "auroc", rate),
    ("R²", "r2", _signless),
)


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    if report.created is not None:
        yield "Made", report.created[:10]
    yield "Rows of the verdict", count(report.rows.verdict)
    yield "Metric", report.metric
    if report.performance != "balanced-accuracy":
        yield "Performance measure", MEASURES[report.performance]
    yield "Needs the protected attribute at prediction", "yes" if report.uses_attribute else "no"
