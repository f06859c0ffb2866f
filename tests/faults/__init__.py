"""Runs that are killed, stopped, or find no room."""
