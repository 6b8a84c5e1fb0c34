"""The prompts of ReMixer's stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.core.prompt_files import PromptFolder

STAGE_PROMPTS: Mapping[str, tuple[str, ...]] = {
    "domain_filter": ("document",),
    "generate": ("document",),
    "reason": ("query",),
    "annotate": ("query", "document"),
}
"""Prompt of a stage -> the placeholders it must have; all others may be left out."""


@dataclass(frozen=True, slots=True)
class PromptFiles(PromptFolder):
    """The texts of a run's prompts: ours, and those that a user's folder replaces."""

    home: ClassVar[tuple[str, str]] = ("remixer", "prompts")


OURS = PromptFiles()
