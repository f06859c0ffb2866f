"""One job of a fleet: a model, its tables, and what is asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from debias import methods
from debias.errors import together

if TYPE_CHECKING:
    from debias.methods.base import Method
    from debias.run.request import Request

TABLES = ("data", "train", "test")
"""Keys that name a table."""


@dataclass(frozen=True)
class Task:
    """What is asked of one model.

    Parameters
    ----------
    name : str
        Unique in the fleet.
    model : str
        Path of the model file.
    tables : mapping of str to str
        Paths by role: ``data``, of a repair perhaps ``train`` and ``test``.
    verb : str
        ``audit``, or the method of repair.
    settings : mapping
        The flags of the verb by name, no path among them.
    method : mapping
        The method's own settings.
    contract : str, optional
        Path of a contract.
    place : str
        Where it stands in the manifest.
    """

    name: str
    model: str
    tables: Mapping[str, str]
    verb: str = "audit"
    settings: Mapping[str, Any] = field(default_factory=dict)
    method: Mapping[str, Any] = field(default_factory=dict)
    contract: str | None = None
    place: str = ""

    @property
    def data(self) -> str:
        """Path of the table."""
        return self.tables["data"]

    @property
    def asked(self) -> dict[str, Any]:
        """What is asked beside the files, as a report tells it."""
        return {**self.settings, **({"repair": {"method": self.verb, **self.method}} if self.repairs else {})}

    @property
    def repairs(self) -> bool:
        """True where a repaired file is to be written."""
        return self.verb != "audit"

    def request(self, **more: Any) -> tuple[Request, Method | None]:
        """Return what the verb is called with, and the method of a repair; `more` are other fields of the request.

        Raises
        ------
        UsageError
            With all that is wrong with the settings, before any file is read.
        """
        from functools import partial

        from debias.run.request import Request

        make = partial(
            Request,
            verb=self.verb,
            model=self.model,
            contract=self.contract,
            **{"attr": (), **self.tables, **self.settings, **more},
        )
        if not self.repairs:
            return make(), None
        method, request = together(partial(methods.load(self.verb), **self.method), make)
        return request, method
