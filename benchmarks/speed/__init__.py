"""What is timed against what: the tables of docs/performance.md. The command is performance.py."""
