"""Runs: paths in, paths out, one file a verb. Each opens its volumes, has the stages done, leaves a whole result."""

from savem3.runs.distill import Lessons, run_distill
from savem3.runs.doctor import run_doctor
from savem3.runs.masks import Masking, run_masks
from savem3.runs.parts import run_cut, run_oversegment, run_predict
from savem3.runs.pictures import run_view
from savem3.runs.planning import run_plan
from savem3.runs.pretrain import run_pretrain
from savem3.runs.reconstruct import Choices, run_demo, run_reconstruct
from savem3.runs.schooling import Schooling
from savem3.runs.scores import score_files
from savem3.runs.selfcheck import run_selfcheck
from savem3.runs.verify import run_verify

__all__ = [
    "Choices",
    "Lessons",
    "Masking",
    "Schooling",
    "run_cut",
    "run_demo",
    "run_distill",
    "run_doctor",
    "run_masks",
    "run_oversegment",
    "run_plan",
    "run_predict",
    "run_pretrain",
    "run_reconstruct",
    "run_selfcheck",
    "run_verify",
    "run_view",
    "score_files",
]
