"""Folding of names of artists and albums; kinds of collections by album name."""

from __future__ import annotations

import re
import unicodedata

_FEATURING = re.compile(r"[\s(\[]+(?:feat|ft|featuring)\b\.?.*$", re.IGNORECASE)
_LEADING_THE = re.compile(r"^the\s+(?=\S)")
_TRAILING_THE = re.compile(r",\s*the$")
_LETTERS = str.maketrans(
    {"$": "s", "&": " and ", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i"}
)


def fold(name: str) -> str:
    """Fold a name so that its spellings agree.

    Accents, case, punctuation, spaces, a leading "the", "&" for "and", "$" for "s" and guests
    ("feat. ...") are ignored. A name that consists of signs keeps them.

    >>> fold("The Beatles"), fold("Beyoncé feat. JAY-Z"), fold("A$AP Rocky"), fold("!!!")
    ('beatles', 'beyonce', 'asaprocky', '!!!')
    """
    text = _FEATURING.sub("", name.strip()) or name
    # Ke$ha is Kesha, but $NOT is not Snot.
    text = unicodedata.normalize("NFKD", text.lstrip("$").casefold().translate(_LETTERS))
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = _LEADING_THE.sub("", _TRAILING_THE.sub("", text.strip()))
    letters = "".join(letter for letter in text if letter.isalnum())
    return letters or name.strip().casefold()


_EDITION = re.compile(
    r"""\b(?:
        deluxe | remaster(?:ed)? | re-?issue | expanded | anniversary | \w+\ edition
      | (?:international|explicit|clean|album|extended)\ version
      | bonus\ (?:tracks?|version|disc) | mono | stereo | explicit | clean
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_BRACKETS = re.compile(r"\s*[(\[]([^)\]]*)[)\]]")
_EDITION_AFTER_NAME = re.compile(
    r"""\s*(?:[-–:]\s+|\s)(?:the\s+)?(?:\d{4}\s+)?
    (?:(?:deluxe|platinum|expanded|special)\ edition | deluxe\ version | remaster(?:ed)?(?:\ \d{4})?)\s*$""",
    re.IGNORECASE | re.VERBOSE,
)
_RECORDED_AGAIN = re.compile(
    r"\b(?:taylor'?s version|re-?recorded|live|remix(?:es|ed)?|acoustic|karaoke)\b", re.IGNORECASE
)


def fold_album(album: str) -> str:
    """Fold an album's name without the words that distinguish its editions.

    A live, remixed or re-recorded album is another album, not another edition.

    >>> fold_album("Daughtry (Deluxe Edition)") == fold_album("Daughtry")
    True
    >>> fold_album("Red (Taylor's Version)") == fold_album("Red")
    False
    """
    if _RECORDED_AGAIN.search(album):
        return fold(album)
    plain = _BRACKETS.sub(lambda found: "" if _EDITION.search(found[1]) else found[0], album)
    plain = _EDITION_AFTER_NAME.sub("", plain).strip()
    return fold(plain or album)


_COLLECTIONS = {
    "unreleased": r"""\bunreleased\b | \bdemos?\b | \bouttakes?\b | \bsnippet\b | \bleak\b | \bb-sides?\b
        | \brarit(?:y|ies)\b | \bbootleg\b | \bnon-album\b | \blost\ (?:tapes?|sessions)\b
        | \bfrom\ the\ vault\b | ^covers$""",
    "live": r"""(?<!to\ )\blive\b(?=\s*$ | [!:/)\]] | \s+(?:at|in|from|on|with|\d{4}))
        | \bunplugged\b | \bin\ concert\b | \bon\ broadway\b | \bat\ the\ bbc\b | \bworld\ tour\b
        | \balive\ \d{4}""",
    "best of": r"""\bbest\ of\b | \bgreatest\ (?:hits|songs|performances)\b | \bhits\b | \bessentials?\b
        | \banthology\b | \b(?:ultimate|singles|definitive)\ collection\b | \bthe\ singles\b
        | \bretrospective\b | \bnumber\ ones\b""",
    "box set": r"""\bbox\ ?set\b | \bout\ of\ the\ box\b | \bcollector'?s\b | \bsuper\ deluxe\b
        | \bcomplete\ (?:albums|recordings|studio|works|collection)\b""",
    "deluxe": r"""[(\[:][^)\]]*\bdeluxe\b | \bdeluxe\ (?:edition|version)\b | \bself-titled\ deluxe\b
        | \b(?:special|platinum|expanded|legacy|bonus|paradise|limited|golden\ gate|extended)\ edition\b
        | \bbonus\ (?:tracks?|version|disc)\b | \bcomplete\ (?:confection|experience)\b
        | \banniversary\b""",
    "remixes": r"""\bremix(?:es|ed)?\b | \breimagined\b | \bkaraoke\b | \binstrumentals?\b
        | \bcommentary\b""",
}
_COLLECTION = {
    kind: re.compile(pattern, re.IGNORECASE | re.VERBOSE) for kind, pattern in _COLLECTIONS.items()
}
_REISSUE = re.compile(r"\bremaster(?:ed)?\b|\bre-?issue\b|\banniversary\b|\blegacy edition\b", re.IGNORECASE)


def collection_kind(album: str) -> str:
    """Return the kind of collection that the name of an album indicates, or ``""``.

    >>> collection_kind("Unreleased"), collection_kind("Live Like You Were Dying")
    ('unreleased', '')
    """
    return next((kind for kind, pattern in _COLLECTION.items() if pattern.search(album)), "")


def is_reissue(album: str) -> bool:
    """Return whether the name indicates a reissue."""
    return bool(_REISSUE.search(album))
