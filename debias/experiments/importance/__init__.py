"""Importance: what a prediction moves with, and where confounding probes rank in networks trained with them."""

from debias.experiments.importance.verb import draw, importance

__all__ = ["draw", "importance"]
