"""Audits of tables that need not fit into memory: they are read a batch at a time, and only counts are kept."""
