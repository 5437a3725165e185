"""An image and a student enter, a boundary map leaves (METHOD §5).

The volume is cut by one global patch grid (`patches`), the student is compiled for the machine (`engine`), and what is
seen from one or three directions is added up in integers and rounded to uint8 once (`views`). So a voxel's value is a
function of the volume, never of the blocks, threads or batches of a run. A teacher looks the same way (`look_around`).
"""

from savem3.predict.draw import BringBack, Draw, fit_block
from savem3.predict.engine import Backend, Network, choose_backend, compile_network, fastest_precision
from savem3.predict.patches import PatchGrid, lay_patches
from savem3.predict.prediction import look_around, predict, student_views, teacher_views
from savem3.predict.recipe import Precision, PredictRecipe, fast_cpu, superhuman_cpu
from savem3.predict.views import View, predict_box

__all__ = [
    "Backend",
    "BringBack",
    "Draw",
    "Network",
    "PatchGrid",
    "Precision",
    "PredictRecipe",
    "View",
    "choose_backend",
    "compile_network",
    "fast_cpu",
    "fastest_precision",
    "fit_block",
    "lay_patches",
    "look_around",
    "predict",
    "predict_box",
    "student_views",
    "superhuman_cpu",
    "teacher_views",
]
