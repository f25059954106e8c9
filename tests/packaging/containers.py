"""What the files of the images and of the compose file say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
KINDS = ("cpu", "gpu")
USER = 10001
START_S = 120.0  # compiling its kernels takes the service ten seconds; this bounds a machine that is busy
STOP_S = 30.0


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, its continued lines joined."""

    word: str
    text: str

    @property
    def options(self) -> list[str]:
        return [part for part in self.text.split() if part.startswith("--")]

    @property
    def arguments(self) -> list[str]:
        return [part for part in self.text.split() if not part.startswith("--")]

    @property
    def variables(self) -> dict[str, str]:
        return dict(re.findall(r'(\S+?)=("[^"]*"|\S+)', self.text))


def read_dockerfile(text: str) -> list[Instruction]:
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")).replace("\\\n", " ")
    words = (line.split(maxsplit=1) for line in lines.splitlines() if line.strip())
    return [Instruction(word, rest.strip()) for word, rest in words]


def instructions(kind: str) -> list[Instruction]:
    return read_dockerfile((DOCKER / f"Dockerfile.{kind}").read_text(encoding="utf-8"))


def last_stage(kind: str) -> list[Instruction]:
    found = instructions(kind)
    start = max(index for index, one in enumerate(found) if one.word == "FROM")
    return found[start:]


def last(kind: str, word: str) -> Instruction:
    return [one for one in last_stage(kind) if one.word == word][-1]


def image_environment(kind: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in last_stage(kind):
        if one.word == "ENV":
            found |= one.variables
    return found


def compose(name: str = "compose.yaml") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / name).read_text(encoding="utf-8"))
    return found
