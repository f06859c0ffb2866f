"""Adapt: clusters that a mixed-effects network does not know are added from a few labelled rows."""

from debias.run.adapting.verb import adapt

__all__ = ["adapt"]
