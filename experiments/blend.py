"""The mean of two students' weights, the second one having gone on from the first.

    python experiments/blend.py FIRST.safetensors SECOND.safetensors --share 0.6 --out BLEND.safetensors

Source: averaging the weights of networks is known from "model soups" (Wortsman et al. 2022); it often keeps what each
is good at. The share is chosen on volumes that are not reported; docs/experiments.md says how.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from savem3 import distill


def main() -> None:
    """Read the command line and write the blend."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--share", type=float, required=True, help="of the second, 0 to 1")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    first, before = distill.load_student(options.first)
    second, weights = distill.load_student(options.second)
    own, others = first.state_dict(), second.state_dict()
    first.load_state_dict(
        {n: torch.lerp(v.float(), others[n].float(), options.share).to(v.dtype) for n, v in own.items()}
    )
    kept = {name: value for name, value in weights.card.items() if name not in ("scores", "beta", "cutter")}
    blend = {"share": options.share, "of": weights.sha256, "with": before.sha256}
    distill.save_student(first, options.out, card={**kept, "blend": blend})


if __name__ == "__main__":
    main()
