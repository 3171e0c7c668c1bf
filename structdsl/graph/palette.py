"""Colours of the kinds, each for a light and a dark page; ink on fill has a contrast of at least 7."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tone:
    fill: str
    line: str
    ink: str  # of the word that names the kind


@dataclass(frozen=True, slots=True)
class Colours:
    light: Tone
    dark: Tone


PALETTE: dict[str, Colours] = {
    "corpus": Colours(Tone("#eef5ff", "#5b93e0", "#123f7d"), Tone("#10233f", "#4f86d1", "#a9ccff")),
    "taxonomy": Colours(Tone("#ecf8ee", "#4fa564", "#12491f"), Tone("#0f2a18", "#46925a", "#a5e0b3")),
    "mixture": Colours(Tone("#fff6e3", "#d19a2e", "#5a3c00"), Tone("#2f2208", "#b98727", "#f5d48d")),
    "model": Colours(Tone("#f5f0ff", "#9474d6", "#432280"), Tone("#241a3d", "#8566c6", "#d3c0ff")),
    "stage": Colours(Tone("#fff0ec", "#dd7556", "#74260e"), Tone("#371a12", "#c9664a", "#ffc1ae")),
    "evaluation": Colours(Tone("#e8f8f9", "#36a0aa", "#0b454b"), Tone("#0b2b2f", "#328f98", "#98dfe6")),
    "check": Colours(Tone("#f3f4f6", "#858d9a", "#333a46"), Tone("#20252d", "#78808d", "#cdd4df")),
}
