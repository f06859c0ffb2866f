"""The file of results: resumed, never confused by half lines or other settings."""

from __future__ import annotations

from pathlib import Path

import table1
import table1_results as results
from table1_cells import Cell, Variant

GDA = Variant("gda", "gda")


def _cell(seed: int = 0, variant: Variant = GDA) -> Cell:
    return Cell("compas", "spd", seed, "train", variant)


def test_done_cells_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "table1.jsonl"
    assert results.read(path) == []
    results.append(path, {**_cell(0).described(), "objective": 0.5})
    assert results.remaining([_cell(0), _cell(1)], results.read(path)) == [_cell(1)]


def test_half_lines_are_passed_over_and_written_past(tmp_path: Path) -> None:
    path = tmp_path / "table1.jsonl"
    results.append(path, {**_cell(0).described(), "objective": 0.5})
    whole = path.read_text()
    path.write_text(whole + whole.replace('"seed": 0', '"seed": 1')[:50])
    assert results.remaining([_cell(0), _cell(1)], results.read(path)) == [_cell(1)]
    results.append(path, {**_cell(1).described(), "objective": 0.25})
    assert [line["objective"] for line in results.read(path)] == [0.5, 0.25]


def test_of_two_lines_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "table1.jsonl"
    for value in (0.5, 0.75):
        results.append(path, {**_cell().described(), "objective": value})
    assert [line["objective"] for line in results.read(path)] == [0.75]


def test_other_settings_of_a_row_are_run_again(tmp_path: Path) -> None:
    path = tmp_path / "table1.jsonl"
    results.append(path, _cell().described())
    changed = [
        _cell(variant=Variant("gda", "gda", {"epochs": 3})),
        _cell(variant=Variant("gda", "gda", objective={"selection": "expected"})),
    ]
    assert results.remaining([_cell(), *changed], results.read(path)) == changed
    assert results.remaining([_cell(variant=Variant("gda", "gda", {"epochs": 100}))], results.read(path)) == []


def test_what_is_asked_for() -> None:
    arguments = table1.parsed(
        [
            "--data",
            "compas",
            "--seeds",
            "3,5..6",
            "--metrics",
            "eod",
            "--modes",
            "valid",
            "--methods",
            "standard",
            "gda",
        ]
    )
    keys = [cell.key for cell in table1.cells(arguments)]
    assert keys == [
        (*("compas", "eod"), seed, mode, name)
        for seed in (3, 5, 6)
        for name, mode in (("standard", "none"), ("gda", "valid"))
    ]


def test_every_method_has_a_row() -> None:
    from debias import methods

    assert set(methods.names()) <= {variant.method for variant in table1.variants().values()}
