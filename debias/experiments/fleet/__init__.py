"""Fleet: many models with their tables, audited or repaired, each in a process of its own; one summary."""

from debias.experiments.fleet.verb import Interrupted, fleet

__all__ = ["Interrupted", "fleet"]
