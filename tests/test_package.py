from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest

import debias


def test_errors_and_values_are_at_the_top() -> None:
    from debias.errors import DataError
    from debias.report.values.report import Report

    assert debias.DataError is DataError
    assert debias.Report is Report
    assert issubclass(debias.WriteError, debias.DebiasError)


def test_verbs_are_those_of_run(monkeypatch: pytest.MonkeyPatch) -> None:
    run = ModuleType("debias.run")
    for name in ("audit", "threshold", "prune", "gda", "inspect", "contract"):
        setattr(run, name, lambda name=name: name)
    monkeypatch.setitem(sys.modules, "debias.run", run)
    for name in ("audit", "threshold", "prune", "gda", "inspect", "contract"):
        assert getattr(debias, name)() == name


def test_the_module_contract_does_not_hide_the_verb() -> None:
    module = importlib.import_module("debias.contract")
    assert debias.__dict__.get("contract") is None
    assert module.Contract


def test_everything_is_listed() -> None:
    assert set(dir(debias)) == set(debias.__all__)
    with pytest.raises(AttributeError, match="no attribute 'fair'"):
        debias.fair  # noqa: B018
