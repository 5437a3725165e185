"""A tiny volume whose boundary lies, and prompters that know the truth or nothing."""

import numpy as np

from savem3.graphcut import region_graph, weigh_edges
from savem3.grid import Grid
from savem3.prompt import Answer, MaskPrompt
from savem3.volume import BoundaryMap, Image, Labels

SHAPE, VOXEL = (5, 12, 24), (30.0, 6.0, 4.0)
GRID = Grid(SHAPE, VOXEL)

SURE, LIE = 240, 140


def lying_volume():
    """Truth, fragments 1–6 and boundary: each body is two fragments, one above the other.

    Between the two fragments of body 1 (left) the boundary is drawn where none is; between bodies 2 and 3 (right) it
    is missing. All else is right.
    """
    truth, fragments = np.zeros(SHAPE, np.uint64), np.zeros(SHAPE, np.uint64)
    boundary = np.full(SHAPE, 10, np.uint8)
    for body in range(3):
        columns = slice(8 * body, 8 * body + 8)
        truth[:, :, columns] = body + 1
        fragments[:, :6, columns], fragments[:, 6:, columns] = 2 * body + 1, 2 * body + 2
    boundary[:, 5:7, :8] = LIE
    boundary[:, :, 7:9] = SURE
    boundary[:, :, 15:17] = 255 - LIE
    return Labels(truth, GRID), Labels(fragments, GRID), BoundaryMap(boundary, GRID)


def stacked_volume():
    """The same bodies, each section cut for itself: two fragments a body and section, numbered section by section."""
    truth, fragments, boundary = lying_volume()
    numbers = fragments.voxels + 6 * np.arange(SHAPE[0], dtype=np.uint64)[:, None, None]
    return truth, Labels(numbers, GRID), boundary


def weighed(fragments, boundary):
    return weigh_edges(region_graph(fragments, boundary), beta=0.5)


def blank_image():
    return Image(np.zeros(SHAPE, np.uint8), GRID)


class Oracle:
    """Answers with the true body under most of the prompt; notes which sections it was shown."""

    def __init__(self, truth, predicted_iou=0.9):
        self.truth, self.predicted_iou, self.shown = truth.voxels, predicted_iou, []

    def ask(self, section, prompts):
        self.shown.append(prompts[0].z)
        return [Answer(self.truth[p.z] == self.under(p), self.predicted_iou) for p in prompts]

    def under(self, prompt):
        section = self.truth[prompt.z]
        if isinstance(prompt, MaskPrompt):
            return np.bincount(section[prompt.mask].astype(int)).argmax()
        return np.bincount([int(section[int(y), int(x)]) for y, x in zip(prompt.y, prompt.x, strict=True)]).argmax()


class Guesser:
    """Answers with boxes drawn by chance, whatever the prompt."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def ask(self, section, prompts):
        return [Answer(self.draw(section.shape), float(self.rng.random())) for _ in prompts]

    def draw(self, shape):
        mask = np.zeros(shape, bool)
        (y, yy), (x, xx) = (sorted(self.rng.integers(0, n + 1, 2)) for n in shape)
        mask[y : yy + 1, x : xx + 1] = True
        return mask
