"""Parity tests share the tiny checkpoints of the rooms' tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "sam"))
