"""Files that are no files, and what the readers once failed at without words."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path

import pytest
import torch

from debias.contract import Contract
from debias.data.batches import open_stream
from debias.data.columns import Columns
from debias.data.prepare import prepare
from debias.data.tables import read_table
from debias.errors import ContractError, DebiasError, ModelError, UsageError
from debias.experiments.fleet.document import read_document
from debias.inputs import open_input, read_input
from debias.model.archive import open_archive
from debias.model.network import Network
from debias.report.findings.accepting import read_baseline
from debias.report.reading import parse, read
from debias.run.opening import read_contract
from tests.hostile import archives
from tests.report.examples import audit


def _odd(folder: Path) -> list[Path]:
    """A pipe that nobody writes to, a socket, a link to a device without end, and a folder."""
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket"))
    (folder / "device").symlink_to("/dev/zero")
    (folder / "folder").mkdir()
    return [folder / name for name in ("pipe", "socket", "device", "folder")]


def test_no_reader_waits_for_a_pipe_or_reads_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in _odd(tmp_path):
        for reader in (open_archive, read_table, read_contract, read, read_baseline, read_document, open_stream):
            with pytest.raises(DebiasError, match=r"not a(ny)? (model )?file|is a directory|Give one file"):
                reader(path)
        with pytest.raises(OSError, match="not a file"):
            open_input(path)


def test_a_contract_beside_a_model_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 1).eval()).save(tmp_path / "net.pt")
    (tmp_path / "net.pt.debias.json").symlink_to("/proc/self/mem")  # a file whose first byte is an error
    with pytest.raises(UsageError, match="the contract cannot be read: Input/output error"):
        Network.open(tmp_path / "net.pt")


def test_a_pipe_of_the_shell_is_read(tmp_path: Path) -> None:
    source, to = os.pipe()

    def write() -> None:
        with os.fdopen(to, "wb") as stream:
            stream.write(b"a,b\n1,2\n")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert len(read_table(f"/dev/fd/{source}")) == 1
    finally:
        thread.join()
        os.close(source)
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    assert read_input(path) == b"12345"
    assert read_input(path, 3) == b"1234", "one more than asked for tells that there are others"


def test_a_contract_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[Contract.__module__], "MAX_CONTRACT", 1 << 20)
    with pytest.raises(ContractError, match="larger than 1 MiB"):
        Contract.from_json(b"[" * (2 << 20))


def test_bins_for_attributes_that_are_not_there(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("income,label\n1.5,0\n2.5,1\n")
    columns = Columns(attr=("sex", "age"), bins=("3",), label="label", features=("income",))
    with pytest.raises(DebiasError, match="has no column 'sex'"):
        prepare(read_table(path), columns, inputs={"features": 1})


def test_a_report_whose_parts_do_not_belong_together() -> None:
    document = json.loads(audit().model_dump_json())
    parse(json.dumps(document).encode(), "r.json")
    document["before"]["parities"] = []
    with pytest.raises(UsageError, match="contradicts itself"):
        parse(json.dumps(document).encode(), "r.json")


def test_a_storage_of_no_kind(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(
        archives.script({"archive/data.pkl": lambda p: p.replace(b"torch\nFloatStorage", b"torch\nSize", 1)})
    )
    with pytest.raises(ModelError, match="a storage of the kind"):
        open_archive(path)


def test_a_graph_whose_inputs_are_described_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    spec = '[1, {"type": "builtins.tuple", "context": "null", "children_spec": []}]'
    where = ("graph_module", "module_call_graph", 0, "signature", "in_spec")
    path.write_bytes(archives.graph(*where, value=spec))
    with pytest.raises(ModelError, match=r"cannot be read|cannot load|a trial run failed"):
        Network.open(path)


def test_no_message_is_as_long_as_a_name(tmp_path: Path) -> None:
    long = "w" * 100_000
    files = {
        "a.pt": archives.forward([f"{long} = torch.{long}(input)"]),
        "b.pt": archives.script(
            {"archive/data.pkl": lambda p: p.replace(b"torch\nFloatStorage", f"os\n{long}".encode())}
        ),
        "c.pt2": archives.graph("graph_module", "graph", "nodes", 0, "target", value=long),
        "d.pt": archives.packed({**archives.scripted(), f"archive/{long[:60_000]}": b""}),
        "e.pt": archives.packed({**archives.scripted(), "archive/" + "\n" * 60_000: b""}),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelError) as caught:
            open_archive(tmp_path / name)
        assert len(str(caught.value)) < 3_000, name
