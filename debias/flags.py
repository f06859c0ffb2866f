"""How the settings of a method or of a training appear on the command line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flag:
    """How a setting appears on the command line; goes into the field's annotation.

    Parameters
    ----------
    help : str
        One or two sentences; the default is added.
    metavar : str, optional
        What stands for the value.
    names : str, optional
        Other than the field's name with dashes, such as ``--outgoing/--incoming``.
    """

    help: str
    metavar: str | None = None
    names: str | None = None

    def on_command_line(self, field_name: str) -> str:
        """Return the flag's name, or for yes and no the two with a slash between."""
        return self.names or f"--{field_name.replace('_', '-')}"
