"""Annotated sections enter, a 2D teacher leaves: membranes, distances, features, embeddings, and masks for prompts.

METHOD §4. `Saem2Teacher` looks at sections, `Saem2Prompter` answers points, boxes and masks on one.
"""

from savem3.saem2.network import Saem2
from savem3.saem2.prompt_training import prompt_loss, train_prompts
from savem3.saem2.prompter import EncodedSection, Saem2Prompter
from savem3.saem2.prompts import PromptDecoder
from savem3.saem2.recipe import PretrainRecipe, PromptRecipe, paper, prompts_small_cpu, small_cpu, smoke
from savem3.saem2.teacher import Saem2Teacher, load_teacher, save_teacher
from savem3.saem2.training import Progress, heads_loss, pretrain

__all__ = [
    "EncodedSection",
    "PretrainRecipe",
    "Progress",
    "PromptDecoder",
    "PromptRecipe",
    "Saem2",
    "Saem2Prompter",
    "Saem2Teacher",
    "heads_loss",
    "load_teacher",
    "paper",
    "pretrain",
    "prompt_loss",
    "prompts_small_cpu",
    "save_teacher",
    "small_cpu",
    "smoke",
    "train_prompts",
]
