"""Experiments: recipes of published tables, run and set beside what was published."""
