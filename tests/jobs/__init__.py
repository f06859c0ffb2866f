"""Tests of `debias.jobs`."""
