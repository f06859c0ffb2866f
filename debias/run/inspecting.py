"""Inspect: what a model file is, and what of it can be repaired by which method."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from debias import methods
from debias.contract import Contract, read_document
from debias.errors import ContractError, DebiasError, ModelError, Problem
from debias.inputs import read_input
from debias.model.archive import Archive, open_archive
from debias.model.network import Network, from_archive
from debias.model.preflight.entries import MAX_FILE
from debias.report.values.inspection import InputInfo, Inspection, LayerInfo, MethodInfo, OutputInfo
from debias.run.opening import dtype_name, read_contract, task_of
from debias.run.workbench import unfit


def inspect(model: str | Path, *, contract: str | Path | Contract | None = None, trust: bool = False) -> Inspection:
    """Return what a model file is; a file that is refused gets every reason in `problems`.

    Parameters
    ----------
    model : path
        TorchScript .pt or torch.export .pt2 file.
    contract : path or Contract, optional
        Tells the roles of the inputs; default: the one in the file, else MODEL.debias.json.
    trust : bool
        Load a file that the checks before loading refuse. It may run any code.

    Raises
    ------
    ModelError
        When there is no such file, or it cannot be read.
    """
    told = read_contract(contract)
    try:
        archive = open_archive(model, trust=trust)
    except ModelError as error:
        return _refused(Path(model), error)
    try:
        network = from_archive(archive, contract=told)
    except (ModelError, ContractError) as error:
        return Inspection(**_file(archive), problems=_texts(error), **_record(archive))
    return Inspection(
        **_file(archive),
        **_record(archive, network.contract),
        dtype=dtype_name(network),
        parameters=sum(network.state[name].numel() for name in network.parameters),
        inputs=[
            InputInfo(name=item.name, role=item.role, shape=[network.batch, item.width]) for item in network.inputs
        ],
        static_batch=network.batch,
        output=_output(network),
        layers=_layers(network),
        methods=_methods(network),
        notes=list(network.notes),
    )


def _file(archive: Archive) -> dict[str, Any]:
    return {
        "path": str(archive.path),
        "format": archive.format,
        "size": archive.size,
        "sha256": archive.sha256,
        "trusted": archive.trusted,
    }


def _refused(path: Path, error: ModelError) -> Inspection:
    try:
        data = read_input(path, MAX_FILE)
    except OSError:
        raise error from None
    return Inspection(
        path=str(path),
        format="unknown",
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        problems=_texts(error),
    )


def _texts(error: DebiasError) -> list[str]:
    return [_text(problem) for problem in error.problems]


def _text(problem: Problem) -> str:
    found = f"{problem.where}: {problem.found}" if problem.where else problem.found
    return f"{found}. {problem.remedy}".strip()


def _record(archive: Archive, used: Contract | None = None) -> dict[str, Any]:
    embedded = archive.extra.get("debias.json")
    try:
        contract, record = read_document(embedded, "debias.json") if embedded is not None else (None, {})
    except ContractError:
        contract, record = None, {}
    contract = used or contract
    return {
        "contract": None if contract is None else contract.model_dump(mode="json", exclude_none=True),
        "record": record or None,
    }


def _output(network: Network) -> OutputInfo:
    head = network.head
    columns = network.call(network.zeros(network.batch or 2)).shape[1:]
    return OutputInfo(kind=head.kind, shape=[network.batch, *columns], foldable=head.foldable, reason=head.reason)


def _layers(network: Network) -> list[LayerInfo]:
    return [
        LayerInfo(
            path=layer.path,
            units=layer.units,
            activation=None if layer.function == "none" else layer.function,
            normalisation=", ".join(layer.norms) or None,
            consumers=list(layer.consumers),
            prunable_outgoing=not layer.blocked,
            prunable_incoming=not layer.incoming_blocked,
            reasons=[*(f"outgoing: {r}" for r in layer.blocked), *(f"incoming: {r}" for r in layer.incoming_blocked)],
        )
        for layer in network.layers
    ]


def _methods(network: Network) -> list[MethodInfo]:
    found = []
    for name in methods.names():
        method = methods.load(name)()
        unwritable = [f"{problem.found}. {problem.remedy}" for problem in unfit(network, method)]
        blocked = [_text(problem) for problem in (*method.reasons(network), *method.off_task(task_of(network)))]
        left_out = [f"layer {path} is left alone: {reason}" for path, reason in method.skipped(network).items()]
        found.append(
            MethodInfo(method=name, ok=not unwritable and not blocked, reasons=[*unwritable, *(blocked or left_out)])
        )
    return found
