"""Request and response models of the HTTP API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_CHARACTERS = 500
QuestionText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_CHARACTERS)
]
CityName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Level = Literal["high", "medium", "low"]


class RequestBody(BaseModel):
    """A request body that rejects unknown fields."""

    model_config = ConfigDict(extra="forbid")


class AskRequest(RequestBody):
    """A question about one item in one city."""

    question: QuestionText = Field(
        description="name or description of the item", examples=["broken wine glass"]
    )
    city: CityName = Field(
        description="a city that `GET /v1/cities` lists, in upper or lower case", examples=["Toronto"]
    )


class WriteRequest(AskRequest):
    """A question that is answered in sentences."""

    temperature: float = Field(
        0.0, ge=0, le=2, description="sampling temperature; 0 always selects the most likely token"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="seed of the sampling")


class RatingRequest(RequestBody):
    """A user's rating of one answer."""

    answer_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] = Field(
        description="`answer_id` of the answer that is rated", examples=["0" * 32]
    )
    rating: Literal[-1, 0, 1] = Field(description="1: right, -1: wrong, 0: withdraw the rating")


class ResponseBody(BaseModel):
    """A response body that can be built from a dataclass."""

    model_config = ConfigDict(from_attributes=True)


class Passage(ResponseBody):
    """One passage of a card."""

    passage_id: str
    card_id: str
    title: str = Field(description="title of the card")
    part: str = Field(description="section of the card, for example `where`, `prepare` or `reuse`")
    text: str


class SimilarItem(ResponseBody):
    """An item of the city's list and its bin."""

    name: str
    bin: str


class AnsweredItem(ResponseBody):
    """The answer to one item of a question about several."""

    item: str
    bin: str
    bin_name: str
    sure: bool
    caution: str | None


class ReuseIdea(ResponseBody):
    """A possible second use of an item, from the graph."""

    name: str
    kind: str
    score: float = Field(description="score of the graph model; higher is more likely")
    path: str = Field(description="path in the graph that leads from the item to the idea")


class AnswerResponse(ResponseBody):
    """The bin of an item, its probability, the reasons, and ideas for reuse."""

    answer_id: str | None = Field(
        description="identifier to send with a rating; null if the answer could not be logged"
    )
    city: str
    bin: str = Field(
        description="the bin as the city's list names it, or `Not sure`; of several items, those of all "
        "joined by ` + `"
    )
    bin_name: str = Field(
        description="the same without abbreviations; all names if the list has the item in several bins; the "
        "best guess if the answer is not sure"
    )
    sure: bool = Field(
        description="false if the bin is not known: `shares` then holds guesses. A photograph without text "
        "is sure from a probability of 0.6, if it is not `unlike` the known ones"
    )
    item: str = Field(description="the item that was answered")
    parts: list[AnsweredItem] = Field(description="the items of a question about several; else empty")
    because: list[SimilarItem] = Field(description="names on the city's list that decided")
    probability: float = Field(
        description="probability of the bin, calibrated on held-out names; 1 if the city's list contains the "
        "item, 1/n if the list assigns it to n bins"
    )
    shares: dict[str, float] = Field(description="probability of each bin, without those below 0.01")
    listed: str | None = Field(description="the matching name on the city's list")
    confidence: float = Field(description="confidence of the search, 0 to 1")
    level: Level = Field(
        description="level of `confidence`: high above 0.3, low below 0.1 and for a `strange` item"
    )
    strange: bool = Field(
        description="true if the city's list does not contain the item and no passage is similar to it, or "
        "if the answer is that of an `unlike` photograph; the probability is then less reliable"
    )
    unlike: bool = Field(
        description="true if the photograph is unlike those that the assistant has learned from"
    )
    caution: str | None = Field(description="warning for an item that may be hazardous")
    reasons: list[Passage] = Field(description="passages that support the bin")
    alike: list[SimilarItem] = Field(description="the most similar names on the city's list")
    ideas: list[ReuseIdea]
    materials: dict[str, float] | None = Field(
        None, description="probability of each material of the photograph, the most likely first"
    )
    model: str = Field(description="version of the model")


class SearchResponse(ResponseBody):
    """The passages that a search returns, best first."""

    passages: list[Passage]
    confidence: float
    level: Level


class IdeasResponse(ResponseBody):
    """Ideas for the reuse of an item."""

    cards: list[Passage] = Field(description="reuse passages of the cited card")
    graph: list[ReuseIdea] = Field(description="ideas that the graph model recommends")


class WriteResponse(ResponseBody):
    """An answer in sentences, with the passages that it was written from."""

    text: str
    bin: str = Field(description="the bin, as `POST /v1/ask` returns it")
    sure: bool = Field(description="false if the bin is not known")
    caution: str | None = Field(description="warning for an item that may be hazardous")
    passages: list[Passage]
    cited: list[int] = Field(description="positions in `passages` that the text cites, counted from 1")
    refused: bool = Field(
        description="true if no text was generated; `text` then states the bin, or that it is not known"
    )
    grounded: bool = Field(description="true if every sentence agrees with the passage that it cites")


class CitiesResponse(ResponseBody):
    """The supported cities and the version of the model."""

    cities: dict[str, list[str]] = Field(description="the bins of each city")
    full_names: dict[str, str] = Field(description="names without abbreviations, of the bins that have one")
    model: str


class HealthResponse(ResponseBody):
    """The state of the process."""

    status: Literal["alive"]


class ReadyResponse(ResponseBody):
    """The state of the model."""

    status: Literal["ready"]
    model: str = Field(description="version of the model")
    reranker: str = Field(description="cross-encoder that re-ranks the passages, or `none`")


class ErrorResponse(ResponseBody):
    """An error, with the reason and the change that fixes it."""

    error: str
