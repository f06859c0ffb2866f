"""Streamed audits of a real table, with more scores than a histogram has bins (shared/data)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor, nn

from debias.data import batches
from debias.report.values.report import Report
from tests.run.streaming.world import alike, both, differences, save

ACS = Path(__file__).parents[3].parent / "shared" / "data" / "acs_income_2018.a.parquet"
ROWS = 120_000
# Column, its mean and its standard deviation, roughly.
INPUTS = {"SCHL": (18.6, 3.3), "SEX": (1.5, 0.5), "MAR": (2.5, 1.8), "AGEP": (43.0, 15.0), "OCCP": (4200.0, 2700.0)}
ASKED: dict[str, Any] = {"features": tuple(INPUTS), "attr": ["SEX", "RAC1P"], "min_group": 2000, "batch_rows": 20_000}
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not ACS.is_file(), reason="the shared folder is not beside the project"),
]


class Net(nn.Module):
    """Fixed weights on standardised columns; untrained."""

    def __init__(self, output: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.mean, self.sd = (nn.Parameter(torch.tensor(each)) for each in zip(*INPUTS.values(), strict=True))
        self.layers = nn.Sequential(nn.Linear(len(INPUTS), 4), nn.Tanh(), nn.Linear(4, 1), output)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.layers((x - self.mean) / self.sd)


@pytest.fixture(scope="module")
def acs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the first rows of the file in four parts."""
    path = tmp_path_factory.mktemp("acs") / "rows.parquet"
    pq.write_table(pq.read_table(ACS, columns=[*INPUTS, "RAC1P", "PINCP", "WKHP"])[:ROWS], path, row_group_size=30_000)
    return path


@pytest.fixture(autouse=True)
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PIECE_ROWS", 30_000)


def scoring_rates_lie_within(whole: Report, parts: Report) -> None:
    told = parts.streaming
    assert told is not None
    assert not told.exact
    assert told.pieces == 4
    for one, two in zip(whole.impacts, parts.impacts, strict=True):
        assert not list(differences(one.model_dump(exclude={"before"}), two.model_dump(exclude={"before"})))
        assert not list(differences(*([each.model_dump() for each in side.before[:-1]] for side in (one, two))))
        scoring = one.before[-1], two.before[-1]
        assert told.median_low <= scoring[0].median <= told.median_high
        for a, b in zip(*(each.groups for each in scoring), strict=True):
            assert (a.groups, a.n) == (b.groups, b.n)
            assert abs(a.rate - b.rate) * a.n <= told.median_share * ROWS + 1e-6
            assert a.mean_score == pytest.approx(b.mean_score, rel=1e-9)


def test_decisions(acs: Path, tmp_path: Path) -> None:
    model = save(Net(nn.Sigmoid()), tmp_path / "net.pt")
    whole, parts = both(model, acs, **ASKED | {"label": "PINCP", "positive": None, "eps": 0.05, "confidence": 0.95})
    assert not list(differences(*(each.before.model_dump(exclude={"auroc"}) for each in (whole, parts))))
    assert not alike(whole, parts, "before", "sweeps", "impacts", "notes")
    told = parts.streaming
    assert told is not None
    assert told.auroc_low <= whole.before.auroc <= told.auroc_high
    assert told.auroc_high - told.auroc_low < 1e-4
    scoring_rates_lie_within(whole, parts)
    assert parts.rows.verdict == ROWS
    # Thresholds of the histogram are not those of the rows: at those of both the figures are the same.
    whole_at, parts_at = ({point.threshold: point for point in each.sweeps[0].points} for each in (whole, parts))
    assert len(parts_at) > 150
    shared = whole_at.keys() & parts_at.keys()
    assert shared
    for threshold in shared:
        assert not list(differences(whole_at[threshold].model_dump(), parts_at[threshold].model_dump()))


def test_numbers(acs: Path, tmp_path: Path) -> None:
    model = save(Net(nn.Identity()), tmp_path / "net.pt")
    asked = {"label": "WKHP", "positive": None, "output_kind": "value", "eps": 0.5, "confidence": 0.95}
    whole, parts = both(model, acs, **ASKED | asked)
    assert not alike(whole, parts, "impacts", "notes")
    scoring_rates_lie_within(whole, parts)
    assert parts.before.n == ROWS
