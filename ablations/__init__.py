"""Ablations: fixed designs run on the engine of `tune`, and their figures.

Imports `tune` and `embedllm`; nothing imports this package.
"""
