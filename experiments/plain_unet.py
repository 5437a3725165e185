"""A plain U-Net that draws membranes and nothing else: what the teacher's BDY head is measured against.

    python experiments/plain_unet.py UNET.safetensors --data DIR --cpu-seconds 450 [--seed 0]

As many values as the encoder and heads of `saem2-tiny`, the same volumes, crops, grey values and boundary loss as
`savem3 pretrain --recipe small_cpu`; it trains for as long as it is told to. Use one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional as F

from savem3 import bank, saem2
from savem3.store.weights import Weights, check_names, read_weights, write_weights
from savem3.teacher import Look

CONSOLE = Console(highlight=False)
ARCHITECTURE = "plain-unet"
WIDTHS = (34, 68, 136)
LABELS = ("fib25_training_sample2:train", "gala_fib_train:all", "gala_fib_example:all", "synthetic:12")


class UNet(nn.Module):
    """Three levels, two convolutions each, skips: the textbook's net, padded."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(_pair(i, o) for i, o in zip((1, *WIDTHS[:-1]), WIDTHS, strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(o, i, 2, stride=2) for i, o in pairwise(WIDTHS))
        self.merge = nn.ModuleList(_pair(2 * i, i) for i in WIDTHS[:-1])
        self.out = nn.Conv2d(WIDTHS[0], 1, 1)

    def forward(self, sections: Tensor) -> Tensor:
        """Logits of membrane; sections batch, y, x of grey values in −1…1, multiples of 4."""
        x, skips = sections[:, None], []
        for i, level in enumerate(self.down):
            x = level(x if i == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        for i in reversed(range(len(self.up))):
            x = self.merge[i](torch.cat([skips[i], self.up[i](x)], 1))
        return self.out(x)[:, 0]


class UNetLearner(nn.Module):
    """The net as a learner of boundaries."""

    def __init__(self, network: UNet, recipe: saem2.TrainRecipe) -> None:
        super().__init__()
        self.network, self.recipe = network, recipe

    def forward(self, lessons: Sequence[saem2.Lesson]) -> dict[str, Tensor]:
        """The boundary's loss."""
        grey, boundary = (torch.from_numpy(np.stack([getattr(o, n) for o in lessons])) for n in ("grey", "boundary"))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.recipe.bfloat16):
            logits = self.network(grey)
        weights = {"membrane_weight": self.recipe.membrane_weight, "dice_weight": self.recipe.dice_weight}
        return {"boundary": saem2.boundary_loss(logits, boundary, **weights)}


@dataclass(frozen=True, slots=True)
class UNetTeacher:
    """The net as a `Teacher` of boundaries alone."""

    network: UNet

    def look_at(self, sections: np.ndarray) -> Look:
        """Boundary of sections of grey values in −1…1; the other maps are empty."""
        with torch.inference_mode():
            boundary = self.network(torch.from_numpy(np.ascontiguousarray(sections))).sigmoid().numpy()
        batch, y, x = boundary.shape
        nothing = np.zeros((batch, 0, y // 2, x // 2), np.float32), np.zeros((batch, 0, y // 8, x // 8), np.float32)
        return Look(boundary, None, *nothing)


def main() -> None:
    """Read the command line and train."""
    options = read_options()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(options.seed)
    recipe = replace(saem2.small_cpu(seed=options.seed), prompts=0, steps=10)
    samples = [s for name in LABELS for s in bank.load_named(name, options.data, cards=bank.DATASETS)]
    lessons = saem2.RandomLessons(samples, recipe)
    learner = UNetLearner(UNet().to(memory_format=torch.channels_last), recipe)  # type: ignore[call-overload]
    recipe = replace(recipe, steps=round(options.cpu_seconds / seconds_of_a_step(learner, lessons)))
    torch.manual_seed(options.seed)
    learner = UNetLearner(UNet().to(memory_format=torch.channels_last), recipe)  # type: ignore[call-overload]
    values = sum(p.numel() for p in learner.parameters())
    CONSOLE.print(f"{values:,} values, {recipe.steps} steps")
    started = time.process_time()
    saem2.train(learner, lessons, recipe=recipe, on_progress=lambda p, _: CONSOLE.print(p))
    card = {"labels": list(LABELS), "recipe": asdict(recipe), "cpu_seconds": round(time.process_time() - started)}
    tensors = {name: value.numpy() for name, value in learner.network.state_dict().items()}
    write_weights(
        Weights(ARCHITECTURE, tensors, {**card, "licences": sorted({s.licence for s in samples})}), options.out
    )


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets' files")
    parser.add_argument("--cpu-seconds", type=float, required=True, help="how long to train")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def seconds_of_a_step(learner: UNetLearner, lessons: saem2.RandomLessons) -> float:
    """CPU time of a step, of ten steps after the first."""
    saem2.train(learner, lessons, recipe=replace(learner.recipe, steps=1))
    started = time.process_time()
    saem2.train(learner, lessons, recipe=replace(learner.recipe, steps=10))
    return (time.process_time() - started) / 10


def load_unet(path: Path) -> UNetTeacher:
    """The trained net as a teacher of boundaries."""
    weights, network = read_weights(path), UNet()
    check_names(weights, expected=set(network.state_dict()), architecture=ARCHITECTURE)
    network.load_state_dict({name: torch.from_numpy(np.asarray(v)) for name, v in weights.tensors.items()})
    return UNetTeacher(network.eval())


def _pair(channels: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for enter in (channels, width):
        layers += [nn.Conv2d(enter, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers)


if __name__ == "__main__":
    main()
