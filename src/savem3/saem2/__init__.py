"""Annotated sections enter, a 2D teacher of membranes, distances, features and embeddings leaves (METHOD §4)."""

from savem3.saem2.network import Saem2
from savem3.saem2.recipe import PretrainRecipe, paper, small_cpu, smoke
from savem3.saem2.teacher import Saem2Teacher, load_teacher, save_teacher
from savem3.saem2.training import Progress, heads_loss, pretrain

__all__ = [
    "PretrainRecipe",
    "Progress",
    "Saem2",
    "Saem2Teacher",
    "heads_loss",
    "load_teacher",
    "paper",
    "pretrain",
    "save_teacher",
    "small_cpu",
    "smoke",
]
