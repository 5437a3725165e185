"""Annotated sections enter, a 2D teacher leaves: membranes, distances, features, embeddings, and masks for prompts.

METHOD §4. `Saem2Teacher` looks at sections, `Saem2Prompter` answers points, boxes and masks on one;
`train` teaches any `Learner`: the small teacher (`TinyLearner`), or the heads over a SAM.
"""

from savem3.saem2.drawing import KINDS, draw_box, draw_mask, draw_point, draw_points, instances_of
from savem3.saem2.epochs import Asked, EpochLessons
from savem3.saem2.learner import Learner, TinyLearner
from savem3.saem2.lessons import Lesson, RandomLessons
from savem3.saem2.losses import boundary_loss, distance_loss, prompt_losses
from savem3.saem2.network import Saem2
from savem3.saem2.prompter import EncodedSection, Saem2Prompter
from savem3.saem2.prompts import PromptDecoder
from savem3.saem2.recipe import TrainRecipe, h200_half_hour, heads_small_cpu, paper, small_cpu, smoke
from savem3.saem2.teacher import Saem2Teacher, load_teacher, save_teacher
from savem3.saem2.training import Progress, train

__all__ = [
    "KINDS",
    "Asked",
    "EncodedSection",
    "EpochLessons",
    "Learner",
    "Lesson",
    "Progress",
    "PromptDecoder",
    "RandomLessons",
    "Saem2",
    "Saem2Prompter",
    "Saem2Teacher",
    "TinyLearner",
    "TrainRecipe",
    "boundary_loss",
    "distance_loss",
    "draw_box",
    "draw_mask",
    "draw_point",
    "draw_points",
    "h200_half_hour",
    "heads_small_cpu",
    "instances_of",
    "load_teacher",
    "paper",
    "prompt_losses",
    "save_teacher",
    "small_cpu",
    "smoke",
    "train",
]
