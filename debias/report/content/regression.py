"""What a human report says of a network that predicts a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from debias.report.content.document import Section, Table
from debias.report.text import amount, count, rate, signed_amount
from debias.report.values.figures import Figures, Parity
from debias.report.values.report import Report


def overall_section(report: Report, stages: Sequence[tuple[str, Figures]]) -> Section:
    """Return the table of errors, bias and objective."""
    columns: tuple[str, ...] = ("network", "R²", "MSE", "MAE", "bias", "objective")
    rows: tuple[tuple[str, ...], ...] = tuple(
        (
            name,
            rate(figures.r2),
            amount(figures.mse),
            amount(figures.mae),
            signed_amount(figures.bias),
            rate(figures.objective),
        )
        for name, figures in stages
    )
    if report.eps is None:  # the objective asks for a bound
        columns, rows = columns[:-1], tuple(row[:-1] for row in rows)
    sentences = ["MAE and bias are in units of the target, MSE in their squares."]
    if report.metric == "mse-dispersion":
        sentences = ["MAE is in units of the target, MSE and bias in their squares."]
    if report.eps is not None:
        sentences.append("The objective is R² where every bound is met, else 0.")
    if len(report.attributes) > 1:
        sentences.append("bias is that of the attribute that uses up most of its bound.")
    table = Table(columns, rows, "l" + "r" * (len(columns) - 1))
    return Section(f"Figures on {count(report.before.n)} rows", tuple(sentences), table, key="figures")


def groups_section(title: str, stages: Sequence[tuple[str, Parity]]) -> Section:
    """Return the table of means and errors by group."""
    before = stages[0][1].groups
    columns = ("group", "network", "n", "mean y", "mean ŷ", "MSE", "MAE", "MSE / Var y")
    rows = []
    for index, group in enumerate(before):
        name = f"{group.name}*" if group.privileged else group.name
        for stage, parity in stages:
            one = parity.groups[index]
            means, errors = (one.mean_target, one.mean_prediction), (one.mse, one.mae)
            rows.append((name, stage, count(one.n), *map(amount, (*means, *errors)), rate(one.mse_share)))
    sentences = ["y is the target, ŷ the prediction; Var y is the variance of the target within the group."]
    if any(group.privileged for group in before):
        sentences.append("* is the privileged group.")
    if any(abs(group.weight - group.n) > 1e-9 for group in before):
        sentences.append("n counts rows; means are weighted.")
    table = Table(columns, tuple(rows), "llrrrrrr", grouped=len(stages) > 1)
    return Section(title, tuple(sentences), table, key="groups")


def change_sentences(report: Report) -> Iterator[str]:
    """Yield what is said of a change of the weights, beside its summary."""
    if report.after is not None:
        before, after = report.before.mse, report.after.mse
        yield f"Mean squared error {amount(before)} before, {amount(after)} after."
    if report.selection is not None and report.selection.after is not None:
        chosen = report.selection.after
        yield (
            f"On the {count(chosen.n)} rows that chose it: R² {rate(chosen.r2)}, bias {signed_amount(chosen.bias)} "
            "(optimistic by construction)."
        )
