"""Networks on another device: the same figures where there is one, words where it cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import debias
from debias.errors import ModelError
from debias.model.network import Network

SAMPLES = Path(__file__).parents[2] / "sample_models"
MODELS = [SAMPLES / "lender_mlp.pt", SAMPLES / "lender_mlp.pt2"]
DATA = SAMPLES / "lender_valid.csv"
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.suffix)
def test_on_the_processor_it_is_the_network_itself(model: Path) -> None:
    network = Network.open(model)
    assert network.device == "cpu"
    assert network.on("cpu") is network


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.suffix)
def test_a_device_that_gives_no_numbers_is_refused(model: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot run on the device meta"):
        Network.open(model).on("meta")


@needs_cuda
@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.suffix)
def test_scores_are_the_same_within_rounding(model: Path) -> None:
    network = Network.open(model)
    rows = {item.name: torch.randn(1000, item.width or 1) for item in network.inputs}
    torch.testing.assert_close(network.on("cuda").call(rows), network.call(rows), rtol=1e-4, atol=1e-5)


@needs_cuda
@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.suffix)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_audit_has_the_same_figures(model: Path, stream: bool) -> None:
    found = [
        debias.audit(model, DATA, attr="sex", eps=0.05, stream=stream, device=device).before
        for device in ("cpu", "cuda")
    ]
    assert found[1].bias == pytest.approx(found[0].bias, abs=2e-3)
    assert found[1].balanced_accuracy == pytest.approx(found[0].balanced_accuracy, abs=2e-3)
    assert found[1].auroc == pytest.approx(found[0].auroc, abs=1e-4)


@needs_cuda
@pytest.mark.parametrize("method", ["threshold", "prune", "gda", "finetune", "perturb"])
def test_a_repair_has_the_same_figures(method: str, tmp_path: Path) -> None:
    verb = getattr(debias, method)
    found = [
        verb(MODELS[0], DATA, attr="sex", eps=0.05, out=tmp_path / f"{device}.pt", keep_best=True, device=device)
        for device in ("cpu", "cuda")
    ]
    assert found[1].before.bias == pytest.approx(found[0].before.bias, abs=2e-3)
    assert found[1].threshold_only.balanced_accuracy == pytest.approx(
        found[0].threshold_only.balanced_accuracy, abs=0.01
    )
