"""What a human reads about a model file, in order and without a format."""

from __future__ import annotations

from collections.abc import Iterator

from debias.report.content.document import Document, Section, Table
from debias.report.text import count, size
from debias.report.values.inspection import Inspection, LayerInfo

# Parts of a contract worth a line, in reading order.
CONTRACT_KEYS = ("label", "positive", "favorable", "attributes", "cluster", "output")


def inspection_document(found: Inspection) -> Document:
    """Return what a human report of an inspection says."""
    problems = len(found.problems)
    statement = (
        f"{found.path} can be used"
        if found.usable
        else f"{found.path}: {count(problems)} reason{'s' if problems > 1 else ''} against using it"
    )
    return Document(
        title="debias inspect",
        headline="USABLE" if found.usable else "REFUSED",
        statement=statement,
        warnings=("--trust was given: the checks before loading were overridden.",) if found.trusted else (),
        sections=tuple(_sections(found)),
    )


def _sections(found: Inspection) -> Iterator[Section]:
    if found.problems:
        yield Section("Why it is refused", items=tuple(found.problems))
    yield Section("File", items=tuple(_file(found)))
    if found.layers:
        yield _layers(found)
    if found.methods:
        yield Section("What can be done", items=tuple(_methods(found)))
    if found.contract is not None:
        yield Section("Contract", items=tuple(_contract(found.contract)))
    if found.record is not None:
        yield Section("Written by debias", items=tuple(_record(found.record)))
    if found.notes:
        yield Section("Notes", items=tuple(found.notes))


def _shape(shape: list[int | None] | None) -> str:
    if shape is None:
        return "shape unknown"
    return "[" + ", ".join("N" if one is None else str(one) for one in shape) + "]"


def _file(found: Inspection) -> Iterator[str]:
    yield f"format: {found.format}, {size(found.size)}"
    yield f"SHA-256: {found.sha256}"
    if found.parameters is not None:
        yield f"weights: {count(found.parameters)}" + (f", {found.dtype}" if found.dtype else "")
    for one in found.inputs:
        yield f"input {one.name}: {_shape(one.shape)}, role {one.role or 'unknown'}"
    if found.static_batch is not None:
        yield f"batch size: {found.static_batch} only; tables run in padded chunks of it"
    if found.output is not None:
        out = found.output
        told = f"output: {out.kind or 'kind unknown'} {_shape(out.shape)}"
        reason = f" ({out.reason})" if out.reason else ""
        yield f"{told}; a threshold {'can' if out.foldable else 'cannot'} be folded into the last bias{reason}"


def _layers(found: Inspection) -> Section:
    columns = ("layer", "units", "activation", "normalisation", "feeds", "prunable by")
    rows = tuple(
        (
            layer.path,
            count(layer.units),
            layer.activation or "–",
            layer.normalisation or "–",
            ", ".join(layer.consumers) or "–",
            _prunable(layer),
        )
        for layer in found.layers
    )
    items = tuple(f"{layer.path}: {reason}" for layer in found.layers for reason in layer.reasons)
    return Section("Layers", table=Table(columns, rows, "lrllll"), items=items)


def _prunable(layer: LayerInfo) -> str:
    ways = [name for name, ok in (("outgoing", layer.prunable_outgoing), ("incoming", layer.prunable_incoming)) if ok]
    return ", ".join(ways) or "nothing"


def _methods(found: Inspection) -> Iterator[str]:
    for method in found.methods:
        reasons = "; ".join(method.reasons)
        yield f"{method.method}: {'yes' if method.ok else 'no'}" + (f" ({reasons})" if reasons else "")


def _contract(contract: dict[str, object]) -> Iterator[str]:
    yield from _pairs({key: contract[key] for key in CONTRACT_KEYS if contract.get(key) is not None})
    features = contract.get("features")
    if isinstance(features, list):
        names = [str(one.get("column", one)) if isinstance(one, dict) else str(one) for one in features]
        yield f"features: {count(len(names))} ({', '.join(names)})"


def _record(record: dict[str, object]) -> Iterator[str]:
    """The record without the figures per group, which only a report has room for, and without the digests."""
    yield from _pairs({key: value for key, value in record.items() if key not in ("figures", "seal")})
    seal = record.get("seal")
    if isinstance(seal, dict):
        parts = {name: len(digests) for name, digests in seal.items() if isinstance(digests, dict)}
        yield f"seal: digests of {_plain(parts)}; debias verify compares them"
    figures = record.get("figures")
    for name, one in figures.items() if isinstance(figures, dict) else ():
        if isinstance(one, dict):
            told = {key: one.get(key) for key in ("n", "balanced_accuracy", "bias", "threshold")}
            yield f"{name}: {_plain(told)}"


def _pairs(values: dict[str, object]) -> Iterator[str]:
    for key, value in values.items():
        yield f"{key}: {_plain(value)}"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items() if one is not None)
    if isinstance(value, list):
        return "; ".join(map(_plain, value))
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
