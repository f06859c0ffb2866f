from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.report import examples
from tests.run.world import original, place

__all__ = ["original", "place"]


class FakeRun(ModuleType):
    """Stands for `debias.run`: keeps the calls and answers with values made by hand."""

    def __init__(self) -> None:
        super().__init__("debias.run")
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.answer: Any = None
        for name in ("audit", "threshold", "prune", "gda", "inspect", "contract"):
            setattr(self, name, self._verb(name))

    def _verb(self, name: str) -> Any:
        def called(*arguments: Any, **settings: Any) -> Any:
            self.calls.append((name, arguments, settings))
            if isinstance(self.answer, BaseException):
                raise self.answer
            if self.answer is not None:
                return self.answer
            return {"inspect": examples.inspection, "audit": examples.audit}.get(name, examples.report)()

        return called

    @property
    def settings(self) -> dict[str, Any]:
        return self.calls[-1][2]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    fake = FakeRun()
    monkeypatch.setitem(sys.modules, "debias.run", fake)
    return fake


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.pt").write_bytes(b"model")
    (tmp_path / "d.csv").write_bytes(b"table")
    return tmp_path
