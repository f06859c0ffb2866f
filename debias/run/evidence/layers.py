"""What became of the weights, layer by layer: the file read back beside the file that came in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from debias.model.network import Network
from debias.model.program import Param
from debias.model.wrapped import PREFIX
from debias.report.values.evidence import LayerChange
from debias.run.writing import Repaired


def layers(written: Repaired, units: Mapping[str, Sequence[int]]) -> list[LayerChange]:
    """Return every fully connected layer and other parts whose numbers changed, in the order in which they run.

    Parameters
    ----------
    written : Repaired
        The repaired file, read back; with a rule the network stands behind a prefix.
    units : mapping of str to sequence of int
        Pruned units by the path of their layer.
    """
    network, after = written.network, written.reread.network.state
    state = {name: after[name if name in after else PREFIX + name] for name in network.state}
    dense = dict(_dense(network))
    taken = {name for names in dense.values() for name in names}
    hidden = {layer.path for layer in network.layers}
    order = _read(network)
    others: dict[str, list[str]] = {}
    for name in order:
        if name not in taken and not torch.equal(network.state[name], state[name]):
            others.setdefault(_path(name), []).append(name)
    found = [
        _change(path, names, network.state, state, units.get(path, ()), output=path not in hidden)
        for path, names in dense.items()
    ]
    found += [_change(path, names, network.state, state, kind="other") for path, names in others.items()]
    first = {path: order.index(names[0]) for path, names in (dense | others).items()}
    return sorted(found, key=lambda each: first[each.layer])


def _dense(network: Network) -> Iterator[tuple[str, list[str]]]:
    """Yield path and state entries of each fully connected layer; one that runs twice is told once."""
    done = set()
    for node in network.program.nodes:
        if node.op != "linear" or not isinstance(node.argument(1), Param) or node.args[1].name in done:
            continue
        weight, bias = node.args[1].name, node.argument(2)
        done.add(weight)
        yield _path(weight), [weight, *([bias.name] if isinstance(bias, Param) else [])]


def _read(network: Network) -> list[str]:
    """Return the state entries that the program reads, each once."""
    return list(dict.fromkeys(name for node in network.program.nodes for name in node.params))


def _path(entry: str) -> str:
    return entry.rpartition(".")[0] or entry


def _change(
    path: str,
    names: Sequence[str],
    before: Mapping[str, Tensor],
    after: Mapping[str, Tensor],
    pruned: Sequence[int] = (),
    **told: Any,
) -> LayerChange:
    first, second = (torch.cat([state[name].double().reshape(-1) for name in names]) for state in (before, after))
    moved = second - first
    whole = float(first.norm())
    shape = before[names[0]].shape
    return LayerChange(
        layer=path,
        units=int(shape[0]) if shape else 1,
        inputs=int(shape[1]) if len(shape) > 1 else 1,
        pruned=sorted(pruned),
        weights=first.numel(),
        changed=int((moved != 0).sum()),
        relative=float(moved.norm()) / whole if whole else None,
        largest=float(moved.abs().max()) if moved.numel() else None,
        **told,
    )
