"""The served file: the trained network's numbers, in this process and in a fresh one, and what a repair needs."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from debias.contract import Contract, read_document
from debias.data.clustered import Clustered
from debias.model import effects
from debias.model.archive import archive_of, open_archive
from debias.model.network import Network, from_archive
from debias.training import export
from debias.training.fit import Fitted
from debias.training.kinds import KINDS
from debias.training.networks import ClusterPredictor, MixedEffects, build
from debias.training.settings import Settings
from debias.training.tables import rows_of
from tests.training.clients import table

FORMS: tuple[export.Format, ...] = ("torchscript", "export")
KINDS_READ = ("nnet", "medl", "cluster-input")


def fitted(kind: str, rows: Clustered, contract: Contract, slopes: Any = "input") -> Fitted:
    """Return a network with drawn weights, as if it were trained."""
    regression = rows.task == "regression"
    settings = Settings(hidden=(8, 6), slopes=slopes, prior_sd=0.2)
    width, clusters = contract.width(), len(rows.names)
    module = build(KINDS[kind], width, clusters, settings.hidden, regression=regression, slopes=slopes, seed=3).eval()
    with torch.no_grad():
        for name, value in module.named_parameters():
            if name.endswith(".mean"):
                value.mul_(5)
        if regression:
            module.target_mean.fill_(40.0)
            module.target_sd.fill_(7.0)
    torch.manual_seed(1)
    predictor = ClusterPredictor(width, clusters).eval() if KINDS[kind].reads_clusters else None
    cuts = (None, None) if regression else (0.42, 0.57)
    return Fitted(KINDS[kind], settings, rows.task, module, predictor, *cuts, [], 1, 1, "epochs", [])


def made(
    kind: str, form: export.Format = "torchscript", task: Any = "classification", slopes: Any = "input"
) -> tuple[Network, Fitted, Clustered, Contract, bytes]:
    rows = table(label="hours", ignore=("label",), task=task) if task == "regression" else table()
    contract = rows.contract(rows.index, cluster_input=KINDS[kind].reads_clusters)
    network = fitted(kind, rows, contract, slopes)
    contract = export.served_contract(contract, network)
    content = export.model_bytes(network, contract, {"verb": "train"}, form)
    return from_archive(archive_of(content, Path("m.pt"))), network, rows, contract, content


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("kind", KINDS_READ)
def test_the_file_predicts_what_the_network_predicts(kind: str, task: str, form: export.Format) -> None:
    network, own, rows, contract, _ = made(kind, form, task)
    sample = rows.sample(contract)
    data = rows_of(rows, contract, np.arange(rows.n))
    mixed, fixed = own.predict(data.x, data.design())
    assert torch.equal(network.outputs(sample).reshape(-1), mixed)
    if kind != "nnet":
        assert torch.equal(network.outputs(effects.fixed(sample)), fixed)
    assert network.head.kind == ("value" if task == "regression" else "probability")
    assert [layer.path for layer in network.layers] == ["fe.layers.0", "fe.layers.1"]
    assert not any(layer.blocked for layer in network.layers)
    assert network.batch is None
    one = sample.take(np.array([0]))
    assert network.outputs(one).shape == (1,)


@pytest.mark.parametrize("form", FORMS)
def test_a_cut_folds_into_the_fixed_effects_bias(form: export.Format) -> None:
    network, _, rows, contract, _ = made("medl", form)
    assert network.head.bias == "fe.out.bias"
    sample = rows.sample(contract)
    logits = network.logits(sample)
    changed = network.head.fold(network.state, 0.7, 0.5)
    assert list(changed) == ["fe.out.bias"]
    moved = network.logits(sample, changed)
    assert np.allclose(moved, logits - 0.7, atol=1e-5)
    assert np.allclose(
        network.logits(effects.fixed(sample), changed), network.logits(effects.fixed(sample)) - 0.7, atol=1e-5
    )


def test_effects_and_thresholds_stand_in_the_contract() -> None:
    network, own, rows, _, _ = made("medl")
    contract = network.contract
    assert contract is not None and contract.effects is not None
    assert isinstance(own.module, MixedEffects)
    assert set(contract.effects.fixed) == {name for name in own.module.state_dict() if name.startswith("fe.")}
    assert [(item.mean, item.spread, item.prior_sd) for item in contract.effects.random] == [
        ("slope.mean", "slope.rho", 0.2),
        ("intercept.mean", "intercept.rho", 0.2),
    ]
    assert contract.clusters == rows.names
    assert (contract.output.threshold, contract.output.fixed_threshold) == (0.42, 0.57)
    assert {k: v for k, v in network.record.items() if k != "seal"} == {"verb": "train"}
    sds = effects.posterior_sds(network)
    expected = 1e-5 + torch.nn.functional.softplus(own.module.slope.rho)
    assert torch.equal(sds["slope.mean"], expected.detach())


@pytest.mark.parametrize("kind", ["nnet", "cluster-input"])
def test_kinds_without_random_effects_have_none(kind: str) -> None:
    network, _, _, contract, _ = made(kind)
    assert contract.effects is None
    assert contract.output.threshold == 0.42
    assert contract.output.fixed_threshold is None
    assert set(network.archive.extra) == {"debias.json"}


@pytest.mark.parametrize("form", FORMS)
def test_the_predictor_of_the_cluster_travels_along(form: export.Format) -> None:
    network, own, rows, contract, content = made("medl", form)
    assert network.contract is not None and network.contract.effects is not None
    entry = network.contract.effects.predictor
    assert entry is not None
    decoded = base64.b64decode(network.archive.extra[entry], validate=True)
    assert hashlib.sha256(decoded).hexdigest() == network.contract.effects.predictor_sha256
    predictor = effects.cluster_predictor(network)
    x = torch.from_numpy(rows.encode(contract))
    with torch.no_grad():
        assert torch.equal(predictor(x), own.clusters(x))
    assert export.model_bytes(own, contract, {"verb": "train"}, form)[:2] == content[:2] == b"PK"


def test_a_cut_on_the_edge_is_brought_inside() -> None:
    rows = table()
    contract = rows.contract(rows.index)
    network = fitted("medl", rows, contract)
    network.threshold, network.fixed_threshold = 1.0, 0.0
    output = export.served_contract(contract, network).output
    assert output.threshold is not None and output.fixed_threshold is not None
    assert 0.99 < output.threshold < 1
    assert 0 < output.fixed_threshold < 0.01


READER = """
import sys, json, warnings
import numpy as np, torch
warnings.simplefilter("ignore")
for folder in sys.argv[1:]:
    module, data = torch.jit.load(folder + "/m.pt").eval(), np.load(folder + "/in.npz")
    x, z, zi = (torch.from_numpy(data[name]) for name in ("x", "z", "zi"))
    with torch.no_grad():
        m, f, acts = module.heads(x, z)
        noise = torch.from_numpy(data["slope"]), torch.from_numpy(data["intercept"])
        found = dict(forward=module(x, z), fe=module.predict_fe(x), index=module.predict_index(x, zi), m=m, f=f,
                     acts=acts, drawn=module.predict_with_noise(x, z, *noise))
    np.savez(folder + "/out.npz", **{name: value.numpy() for name, value in found.items()})
"""


def test_every_method_in_a_fresh_process(tmp_path: Path) -> None:
    checks = []
    for slopes, task in itertools.product(("input", "latent"), ("classification", "regression")):
        folder = tmp_path / f"{slopes}-{task}"
        folder.mkdir()
        checks.append((folder, *_asked(task, slopes, folder)))
    command = [sys.executable, "-c", READER, *(str(folder) for folder, *_ in checks)]
    subprocess.run(command, check=True, capture_output=True, env={"OMP_NUM_THREADS": "1"})
    for check in checks:
        _answered(*check)


def _asked(task: str, slopes: str, folder: Path) -> tuple[MixedEffects, Any, tuple[Tensor, Tensor]]:
    """Write a file and rows for it; return the network, its rows and its noise."""
    _, own, rows, contract, content = made("medl", "torchscript", task, slopes)
    (folder / "m.pt").write_bytes(content)
    data = rows_of(rows, contract, np.arange(rows.n))
    module = own.module
    assert isinstance(module, MixedEffects)
    noise = torch.randn(module.slope.mean.shape), torch.randn(module.intercept.mean.shape)
    np.savez(
        folder / "in.npz", x=data.x.numpy(), z=data.design().numpy(), zi=data.z.numpy(),
        slope=noise[0].numpy(), intercept=noise[1].numpy(),
    )  # fmt: skip
    return module, data, noise


def _answered(folder: Path, module: MixedEffects, data: Any, noise: tuple[Tensor, Tensor]) -> None:
    found = np.load(folder / "out.npz")
    with torch.no_grad():
        m, f, acts = module.heads(data.x, data.design())
        expected = {
            "forward": module(data.x, data.design()),
            "fe": module.predict_fe(data.x),
            "index": module.predict_index(data.x, data.z),
            "m": m,
            "f": f,
            "acts": acts,
            "drawn": module.predict_with_noise(data.x, data.design(), *noise),
        }
    for name, value in expected.items():
        assert (found[name] == value.numpy()).all(), name
    assert (found["index"] == found["forward"]).all()
    unknown = data.z.numpy() < 0
    assert unknown.any()
    assert (found["forward"][unknown] == found["fe"][unknown]).all()


def test_a_document_that_other_tools_read(tmp_path: Path) -> None:
    *_, contract, content = made("medl")
    (tmp_path / "m.pt").write_bytes(content)
    found, record = read_document(open_archive(tmp_path / "m.pt").extra["debias.json"])
    assert record.keys() == {"verb", "seal"} and record["verb"] == "train"
    assert found is not None and found.effects is not None
    assert found.model_copy(update={"effects": contract.effects}) == contract
    assert json.loads(found.to_json())["inputs"] == [
        {"name": "x", "role": "features", "width": contract.width()},
        {"name": "z", "role": "cluster", "width": 4},
    ]
