"""Comparisons: tables of methods and volumes, made again by one command on whatever data and weights a user has.

Enters: a folder of datasets (the bank's cards find what is there), weights, outputs of other tools. Leaves: a folder
with results.md, results.csv, pictures and manifest.json. `run_bench` runs one of `SUITES`: box prompts in 2D, cuts in
3D, sparse truth, the ablation of the distillation, and speed. What is finished is not run again; what cannot be run
here is "not run"; other people's published numbers are marked as theirs (METHOD §9).
"""

from savem3.bench.published import ABLATION, TABLE_2, TABLE_3, TABLE_4
from savem3.bench.request import Bench, Result, Suite
from savem3.bench.running import SUITES, run_bench

__all__ = ["ABLATION", "SUITES", "TABLE_2", "TABLE_3", "TABLE_4", "Bench", "Result", "Suite", "run_bench"]
