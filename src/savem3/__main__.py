"""``python -m savem3`` is the command ``savem3``."""

from savem3.cli import main

main()
