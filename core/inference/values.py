"""Values of a manifest: what each kind of text and number must be like."""

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from core.gates import Floors, Gate
from core.inference.templates import TEMPLATES

PACK_NAME = r"^[a-z0-9][a-z0-9_]{0,63}$"

SAFE_ADDRESS = re.compile(r"https://\S+|http://(localhost|127\.0\.0\.1|\[::1\])[:/]\S*")
"""https only; plain http reaches this very machine at most."""


def _safe_address(url: str) -> str:
    if not SAFE_ADDRESS.fullmatch(url):
        raise ValueError("must start with https://")
    return url


def _known_template(name: str) -> str:
    if name not in TEMPLATES:
        raise ValueError(f"must be one of {', '.join(sorted(TEMPLATES))}")
    return name


def _ascending(sides: tuple[int, ...]) -> tuple[int, ...]:
    if list(sides) != sorted(set(sides)):
        raise ValueError("must ascend")
    return sides


def _for_each_channel(value: object) -> object:
    return (value,) * 3 if isinstance(value, int | float) else value


def _strict_asks_for_more(gates: dict[Gate, Floors]) -> dict[Gate, Floors]:
    if Gate.OFF in gates:
        raise ValueError("the gate off judges nothing")
    standard, strict = (gates.get(gate, Floors()) for gate in (Gate.STANDARD, Gate.STRICT))
    if standard.score > strict.score or standard.norm > strict.norm:
        raise ValueError("strict must ask for at least what standard does")
    return gates


Sha256: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PackName: TypeAlias = Annotated[str, Field(pattern=PACK_NAME)]
FileName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Url: TypeAlias = Annotated[str, AfterValidator(_safe_address)]
Fraction: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
TurnedThreshold: TypeAlias = Annotated[float, Field(gt=0, le=1)]
Side: TypeAlias = Annotated[int, Field(ge=32, le=8192, multiple_of=32)]
Sides: TypeAlias = Annotated[tuple[Side, ...], Field(min_length=1), AfterValidator(_ascending)]
TemplateName: TypeAlias = Annotated[str, AfterValidator(_known_template)]
Text: TypeAlias = Annotated[str, Field(min_length=1)]
Channels: TypeAlias = Annotated[tuple[float, float, float], BeforeValidator(_for_each_channel)]
Scales: TypeAlias = Annotated[
    tuple[
        Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]
    ],
    BeforeValidator(_for_each_channel),
]
GateFloors: TypeAlias = Annotated[dict[Gate, Floors], AfterValidator(_strict_asks_for_more)]
