"""Measures the demonstration models as the app runs them; `python -m engines.demo.evaluation`.

Needs no training environment, only the llama.cpp engine. Not part of the wheel.
"""
