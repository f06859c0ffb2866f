"""A connection to Ray: a cluster that is there, or one on this machine for as long as it is needed."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from debias.errors import DebiasError, Problem, UsageError

HERE = ("auto", "local")
"""Addresses that are none: start Ray on this machine. ``auto`` joins the cluster of RAY_ADDRESS where that is set."""
PATIENCE = 20.0
"""Seconds after which an address that does not answer is given up."""
INSTALL = 'pip install "debias[ray]"'

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # workers do not touch accelerators, and Ray would warn that its handling of them is to change
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def imported() -> Any:
    """Return the module `ray`.

    Raises
    ------
    UsageError
        It is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise UsageError(Problem("Ray is not installed", "--ray", f"{INSTALL}, or leave --ray out.")) from None
    return ray


@contextlib.contextmanager
def session(address: str | None, workers: int) -> Iterator[Any]:
    """Yield the module `ray`, connected; what was started here ends here.

    A program that is connected already stays so: its own connection is used and left as it is.

    Parameters
    ----------
    address : str or None
        ``HOST:PORT`` of a cluster that this machine belongs to; ``local`` or None starts one here; ``auto`` does where
        RAY_ADDRESS is not set.
    workers : int
        Processors of a cluster that is started.

    Raises
    ------
    UsageError
        Ray is not installed, or the address does not answer.
    """
    ray = imported()
    if ray.is_initialized():
        yield ray
        return
    where = _cluster(address)
    with contextlib.ExitStack() as leaving:
        if where is None:
            folder = tempfile.mkdtemp(prefix="debias-ray-", dir=_short_folder())
            leaving.callback(shutil.rmtree, folder, ignore_errors=True)
            leaving.callback(ray.shutdown)
            _start(ray, folder, workers)
        else:
            _check_answer(where)
            leaving.callback(ray.shutdown)
            _join(ray, where)
        leaving.enter_context(_silenced())
        yield ray


def _cluster(address: str | None) -> str | None:
    """Return the address to join; None starts a cluster."""
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or None
    if address is None or address in HERE:
        return None
    if "://" in address:
        found = "addresses of Ray Client are not supported"
        remedy = "Run debias on a node of the cluster with --ray HOST:PORT, or submit it as a Ray job with --ray auto."
        raise UsageError(Problem(found, f"--ray {address}", remedy))
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 65536):
        remedy = "Give HOST:PORT, as `ray start --head` prints it, or local."
        raise UsageError(Problem("is no address", f"--ray {address}", remedy))
    return address


def _short_folder() -> str | None:
    """Return where to keep Ray's sockets, whose paths must not exceed 107 characters."""
    return "/tmp" if len(tempfile.gettempdir()) > 24 and Path("/tmp").is_dir() else None


def _start(ray: Any, folder: str, workers: int) -> None:
    # Ray would write a token into the home folder: one of this process alone does as well.
    if not any(name in os.environ for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    try:
        ray.init(
            address="local",
            _node_ip_address="127.0.0.1",
            num_cpus=workers,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=folder,
        )
    except Exception as error:
        found = f"Ray could not be started on this machine: {_first_line(error)}"
        raise DebiasError(Problem(found, "--ray", "Leave --ray out: --workers does without it.")) from None


def _join(ray: Any, address: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:
        found = f"the cluster cannot be joined: {_first_line(error)}"
        remedy = "Run debias on a machine that is a node of it (`ray start --address=…`)."
        raise UsageError(Problem(found, f"--ray {address}", remedy)) from None
    if int(ray.cluster_resources().get("CPU", 0)) < 1:
        raise UsageError(Problem("the cluster has no processors", f"--ray {address}", "Add a node with --num-cpus."))


def _check_answer(address: str) -> None:
    """Refuse an address where no Ray answers; Ray itself would wait for minutes."""
    remedy = "Start one with `ray start --head`, or leave the address out: --ray local."
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except OSError as error:
        found = f"nothing answers there ({error.strerror or error})"
        raise UsageError(Problem(found, f"--ray {address}", remedy)) from None
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        found = f"what listens there is no Ray, or does not answer within {PATIENCE:g} seconds"
        raise UsageError(Problem(found, f"--ray {address}", remedy)) from None
    if asked.returncode:
        told = (asked.stderr.strip().splitlines() or ["it is not healthy"])[-1].partition(". ")[0]
        raise UsageError(Problem(f"Ray refuses: {told}", f"--ray {address}", remedy))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Keep Ray from printing on stdout that a worker died, which its outcome tells; stdout may be a JSON document."""
    from ray._private import worker  # Ray has no public switch for this

    before = getattr(worker, "_worker_logs_enabled", None)
    if before is None:
        yield
        return
    worker._worker_logs_enabled = False
    try:
        yield
    finally:
        worker._worker_logs_enabled = before
