"""Benchmarks: `python -m benchmarks` measures the lake and its rivals side by side; see
docs/performance.md.
"""
