"""Speed and memory, measured: `python -m benchmarks [NAME ...]`; see README.md."""
