"""What goes in and out of the interface."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MOST_CHARACTERS = 500
Question = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_CHARACTERS)]
City = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]


class Body(BaseModel):
    """A request without anything that is not asked for."""

    model_config = ConfigDict(extra="forbid")


class Ask(Body):
    """A question about a thing, in a city of ``GET /v1/cities``."""

    question: Question = Field(examples=["broken wine glass"])
    city: City = Field(examples=["Toronto"])


class Write(Ask):
    """The same, to be answered in sentences; at temperature 0 always by the likeliest word."""

    temperature: float = Field(0.0, ge=0, le=2)
    seed: int = Field(0, ge=0, lt=2**63)


class Thumb(Body):
    """What a person thinks of an answer: 1 up, -1 down, 0 takes it back."""

    answer_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    thumb: Literal[-1, 0, 1]


class Cited(BaseModel):
    """A passage: a part of a card."""

    passage_id: str
    card_id: str
    title: str
    part: str
    text: str


class Alike(BaseModel):
    """A name on the city's list, and its bin."""

    name: str
    bin: str


class Idea(BaseModel):
    """What a thing could become, how likely the graph model finds that, and the path in the graph."""

    name: str
    kind: str
    score: float
    path: str


class Ideas(BaseModel):
    """What a thing could become, out of the cards and out of the graph."""

    cards: list[Cited]
    graph: list[Idea]


class Answered(BaseModel):
    """The bin, how sure that is, what it rests on, and what else the thing could become.

    ``probability`` is calibrated on held-out names; 1 where the city's own list has the thing, 1/n where it
    has it in n bins. ``level`` is the search's: high above 0.3 of ``confidence``, low below 0.1 and
    for what is ``strange``: not on the list, nor near any passage, so that the probability holds less.
    ``caution`` warns of what may be hazardous though another bin is likelier.
    """

    answer_id: str
    city: str
    bin: str
    probability: float
    shares: dict[str, float]
    listed: str | None
    confidence: float
    level: Literal["high", "medium", "low"]
    strange: bool
    caution: str | None
    reasons: list[Cited]
    alike: list[Alike]
    ideas: list[Idea]
    materials: dict[str, float] | None = None
    model: str


class Found(BaseModel):
    """Passages, best first."""

    passages: list[Cited]
    confidence: float
    level: Literal["high", "medium", "low"]


class Written(BaseModel):
    """An answer in sentences; ``cited`` are the places of its passages among ``passages``, from 1."""

    text: str
    passages: list[Cited]
    cited: list[int]
    refused: bool
    grounded: bool


class Cities(BaseModel):
    """The cities that can be asked about, and the model that answers."""

    cities: dict[str, list[str]]
    model: str


class Problem(BaseModel):
    """What is wrong with a request, and what would do."""

    error: str
