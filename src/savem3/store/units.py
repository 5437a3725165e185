"""Lengths in nm, by the names that files give them."""

from __future__ import annotations

UNITS = {
    **dict.fromkeys(("angstrom", "ångström", "å"), 0.1),
    **dict.fromkeys(("nanometer", "nanometre", "nanometers", "nm"), 1.0),
    **dict.fromkeys(
        ("micrometer", "micrometre", "micrometers", "micron", "microns", "um", "µm", "μm", r"\u00b5m"), 1e3
    ),
    **dict.fromkeys(("millimeter", "millimetre", "mm"), 1e6),
    **dict.fromkeys(("centimeter", "centimetre", "cm"), 1e7),
    **dict.fromkeys(("meter", "metre", "m"), 1e9),
}
"""Length units by the names found in files, in nm."""


def nanometres_of(unit: object) -> float | None:
    """The nm of a length unit; ``None`` for a unit that is absent or unknown."""
    return UNITS.get(str(unit).strip().lower())
