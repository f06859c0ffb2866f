"""The regulatory views that a report shows."""

from __future__ import annotations

from collections.abc import Iterable

from debias.errors import Problem, UsageError
from debias.report.findings.finding import Judged
from debias.report.regulations import unknown_view, view
from debias.report.values.comparison import Comparison
from debias.report.values.every import Value
from debias.report.values.impact import ChosenView


def chosen(names: Iterable[str]) -> list[ChosenView]:
    """Return the views of these names, each once, with the day of their state.

    Raises
    ------
    UsageError
        With every name that no view has.
    """
    wanted = list(dict.fromkeys(names))
    problems = [problem for problem in map(unknown_view, wanted) if problem is not None]
    if problems:
        raise UsageError(problems)
    return [ChosenView(id=name, as_of=view(name).as_of.isoformat()) for name in wanted]


def with_views(value: Value, names: Iterable[str]) -> Judged:
    """Return a report that shows these views in place of its own.

    Raises
    ------
    UsageError
        There is no view of a name, or the report is of none of the runs that have views.
    """
    views = chosen(names)
    if isinstance(value, Comparison):
        return value.model_copy(update={"report": value.report.model_copy(update={"views": views})})
    if not isinstance(value, Judged):
        raise UsageError(Problem("is for audits, repairs and comparisons", "--view", "Leave it out."))
    return value.model_copy(update={"views": views})
