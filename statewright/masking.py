"""Replace secrets by ``***`` in what the engine prints and records.

A secret is recognised by its location, because its text looks like any other:

- the password of a URL, ``scheme://user:***@host``
- an ``Authorization`` header, ``Bearer ***``
- the value of a key whose name says so, such as ``db.password`` or ``HF_TOKEN``: a param, an option or
  an assignment of a command, a variable of the environment

The values of secret params and variables are also replaced where a stage prints them. `docs/security.md`
lists what is masked, and what cannot be.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

MASK = "***"

SHORTEST_VALUE = 8
"""Characters that a value needs to be searched for in other text; a shorter one is in ordinary words."""

_WORDS = frozenset(
    {"apikey", "apikeys", "accesskey", "authorization", "authtoken", "credential", "credentials"}
    | {"passcode", "passphrase", "passwd", "password", "passwords", "privatekey", "pwd"}
    | {"secret", "secretkey", "secrets", "token"}
)
_PAIRS = frozenset(
    (first, second)
    for first in ("access", "account", "api", "auth", "encryption", "private", "shared", "signing", "ssh")
    for second in ("key", "keys")
)
_ABOUT_A_SECRET = frozenset(
    {"count", "dim", "dir", "endpoint", "expires", "expiry", "file", "folder", "format", "len"}
    | {"length", "limit", "name", "path", "size", "stdin", "ttl", "type", "uri", "url"}
)
"""Last words of a key that names a property of a secret: ``password_file``, ``token_type``."""

_SPECIAL_TOKEN = re.compile(r"[<\[{(|].*[>\]})|]")
"""Value of a tokenizer's ``pad_token``: ``<pad>``, ``[MASK]``."""

_REFERENCE = re.compile(r"""["']?(\$|env:|%\(|\{\{)""")
"""Start of a value that names the location of a secret, such as ``$DB_PASSWORD``."""

# A password may contain "@"; it may contain "/" unless it then looks like a port.
_URL = re.compile(
    r"""([A-Za-z][A-Za-z0-9+.-]*://[^\s:/?#@"'<>]*:)"""
    r"""(?:[^\s/"'<>]*|(?!\d+[/?#])[^\s@"'<>]*)(?=@)"""
)
_URL_TOKEN = re.compile(r"""(https?://)[^\s:/?#@"'<>]{16,}(?=@)""")
_AUTHORIZATION = re.compile(r"(?i)(\bauthorization[\"']?\s*[:=]\s*[\"']?(?:[a-z]+\s+)?+)([^\s\"'$]+)")
_BEARER = re.compile(r"(\bBearer\s+)([A-Za-z0-9._~+/=-]{8,})")
_QUOTED = r""""(?:[^"\\]|\\.)*"|'[^']*'"""
_EQUALS = re.compile(rf"([A-Za-z_][\w.-]*)(=)({_QUOTED}|(?:\\.|[^\s\"';|&<>()\\])+)")
_COLON = re.compile(rf"([A-Za-z_][\w.-]*)([\"']?:\s+|\"\s*:\s*)({_QUOTED}|\[?[^\s\"';|&<>,{{}}()\[\]]+)")
_OPTION = re.compile(rf"(?<!\S)(--?[A-Za-z][\w.-]*)(\s+)({_QUOTED}|[^\s\"';|&<>-][^\s\"';|&<>]*)")
_IN_QUOTES = re.compile(r"""(["'])([A-Za-z_][\w.-]*)([:=]\s*)([^"'$]+)(?=\1)""")
"""Quotes around the key too: a header ``-H 'X-API-Key: v'``, an argument ``--set 'db.password=a b'``."""

_CURL_USER = re.compile(r"""(?<!\S)((?:-u|--user|--proxy-user)[\s=]*["']?[^\s:"'$]+:)([^\s"'$]+)""")
_FORMATS = re.compile(
    r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|hf_[A-Za-z0-9]{30,}"
    r"|sk-[A-Za-z0-9-]{0,12}[A-Za-z0-9_]{20,}|xox[abprs]-[A-Za-z0-9-]{10,})"
)
_FORMAT_STARTS = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "hf_", "sk-", "xox")
"""Tokens of GitHub, GitLab, Hugging Face, OpenAI and Slack, which have a format of their own."""

_SSHPASS = re.compile(r"(\bsshpass\s+-p\s*)([^\s$]+)")


def is_secret(key: str, value: Any = "") -> bool:
    """Return whether the value of a key is a secret, by the words of the key.

    Parameters
    ----------
    key : str
        A dotted key, an option, a variable: ``db.password``, ``--api-key``, ``HF_TOKEN``.
    value : object
        True, False and None are no secrets. A number is one only if the last word of the key is, and
        a short number of tokens is none.
    """
    if value is None or isinstance(value, bool) or key.lstrip("-") == "PWD":
        return False
    words = _split(key)
    secret = [word in _WORDS or pair in _PAIRS for word, pair in zip(words, _pairs(words), strict=True)]
    if not any(secret) or words[-1] in _ABOUT_A_SECRET:
        return False
    text = str(value).strip("\"'")
    if isinstance(value, int | float) or _is_number(text):
        return secret[-1] and (words[-1] != "token" or len(text) >= SHORTEST_VALUE)
    return not _SPECIAL_TOKEN.fullmatch(text)


def _split(key: str) -> list[str]:
    """Return the words of a key, also of ``apiKey``."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", key)
    return [word.lower() for word in re.split(r"[^A-Za-z0-9]+", spaced) if word] or [""]


def _pairs(words: list[str]) -> Iterable[tuple[str, str]]:
    return zip(["", *words], words, strict=False)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def mask_value(key: str, value: Any) -> Any:
    """Return a params value without secrets; mappings and lists are copied."""
    if isinstance(value, Mapping):
        return {name: mask_value(f"{key}.{name}", item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask_value(key, item) for item in value]
    if is_secret(key, value) and not _REFERENCE.match(str(value)) and value != "":
        return MASK
    return mask_text(value) if isinstance(value, str) else value


def mask_text(text: str, values: Collection[str] = ()) -> str:
    """Return a text without passwords of URLs, authorization headers and `values`."""
    for value in values:
        text = text.replace(value, MASK)
    if "://" in text:
        text = _URL_TOKEN.sub(rf"\1{MASK}", _URL.sub(rf"\1{MASK}", text))
    if "uthorization" in text or "AUTHORIZATION" in text:
        text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
    if "Bearer" in text:
        text = _BEARER.sub(rf"\1{MASK}", text)
    return _FORMATS.sub(MASK, text) if any(start in text for start in _FORMAT_STARTS) else text


def mask_command(text: str, values: Collection[str] = ()) -> str:
    """Return a command line, or text that quotes one, without secrets.

    A reference such as ``--password=$DB_PASSWORD`` stays, because it names no value.
    """
    text = mask_text(text, values)
    text = _SSHPASS.sub(rf"\1{MASK}", text)
    if "curl" in text:
        text = _CURL_USER.sub(rf"\1{MASK}", text)
    text = _IN_QUOTES.sub(_mask_quoted, text)
    for pattern in (_EQUALS, _COLON, _OPTION):
        text = pattern.sub(_mask_match, text)
    return text


def mask_arguments(arguments: Sequence[str]) -> str:
    """Return the arguments of a process as one text without secrets."""
    masked = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        key, equals, value = argument.partition("=")
        key = key.rpartition(":")[2]  # FILE:KEY=VALUE
        if before.startswith("-") and "=" not in before and is_secret(before, argument):
            masked.append(MASK)
        elif equals and is_secret(key, value) and not _REFERENCE.match(value):
            masked.append(f"{argument.partition('=')[0]}={MASK}")
        else:
            masked.append(mask_command(argument))
    return " ".join(masked)


def _mask_match(found: re.Match[str]) -> str:
    key, between, value = found.groups()
    if not is_secret(key, value) or _REFERENCE.match(value):
        return found[0]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{key}{between}{quote}{MASK}{quote}"


def _mask_quoted(found: re.Match[str]) -> str:
    quote, key, between, value = found.groups()
    return f"{quote}{key}{between}{MASK}" if is_secret(key, value) else found[0]


def secret_values(*groups: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the secrets among params or variables, except short ones.

    The longest is first, so that no part of it remains.
    """
    values = {text for group in groups for key, value in group.items() for text in _secrets(key, value)}
    return tuple(sorted(values, key=lambda text: (-len(text), text)))


def _secrets(key: str, value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _secrets(f"{key}.{name}", item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets(key, item)
    elif value is not None:
        text = str(value)
        if is_secret(key, value) and len(text) >= SHORTEST_VALUE and not _REFERENCE.match(text):
            yield text
        for found in _URL.finditer(text):
            password = found[0].removeprefix(found[1])
            if len(password) >= SHORTEST_VALUE:
                yield password
