"""Tune: the settings of a kind of network are searched."""

from debias.experiments.tune.verb import TRIALS, tune

__all__ = ["TRIALS", "tune"]
