"""Published SAM and HQ-SAM checkpoints, spoken to in z, y, x. Not built yet.

Enters: a checkpoint's folder, a section, prompts. Leaves: the image embedding, the HQ feature, and one `Answer` for
each prompt: a `Teacher` and a `Prompter`. Only here do coordinates turn into (x, y).

METHOD: section 4, "SAM → HQ-SAM → SAEM²"; choice 7. Needs the extra: ``pip install "savem3[sam]"``.
"""

__all__: list[str] = []
