"""SAEM² as published: the heads over a SAM, HQ-SAM or MobileSAM; a SAM enters, a teacher that answers prompts leaves.

METHOD §4. `Saem2OverSam` has the tokens, `PublishedLearner` teaches them, `KeptEmbeddings` keeps what a frozen encoder
made, `PublishedTeacher` looks at sections of any size. Needs the extra: ``pip install "savem3[sam]"``.
"""

from savem3.saem2.over_sam.embeddings import KeptEmbeddings, digest_of
from savem3.saem2.over_sam.learner import PublishedLearner
from savem3.saem2.over_sam.network import Saem2OverSam
from savem3.saem2.over_sam.points import PointSampling
from savem3.saem2.over_sam.teacher import PublishedTeacher
from savem3.saem2.over_sam.weights import ARCHITECTURE, base_of, load_published, save_published

__all__ = [
    "ARCHITECTURE",
    "KeptEmbeddings",
    "PointSampling",
    "PublishedLearner",
    "PublishedTeacher",
    "Saem2OverSam",
    "base_of",
    "digest_of",
    "load_published",
    "save_published",
]
