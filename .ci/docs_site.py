"""Hook of mkdocs: generated reference pages and links that leave docs/.

- ``reference/commands.md`` comes from the argument parser, ``reference/params.md`` from
  ``params.yaml`` and the params models, ``reference/code/`` from the docstrings.
- Pages at the top of the repository (CONTRIBUTING.md, CHANGELOG.md) join the site.
- A link from docs/ to a file of the repository leads to the page of its code, else to the file in
  ``repo_url``, else it becomes plain text. A link to a file that does not exist is a warning, so
  ``mkdocs build --strict`` fails.
- A mention such as "specification 3 §4.2" becomes a link to that section.
"""

from __future__ import annotations

import argparse
import ast
import html
import importlib
import json
import logging
import os
import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

ROOT = Path(__file__).resolve().parent.parent
TOP_PAGES = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
CODE = ("statewright", "methods", "releaf")
CORES = 8
MERMAID = ROOT / "node_modules" / "mermaid" / "dist" / "mermaid.min.js"
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (Specification ([1-5]) §([\d.]+):.*)$", re.MULTILINE)
MENTION = re.compile(r"\b([Ss]pec(?:ification)? ([1-5]),? (?:§|sections? )(\d+(?:\.\d+)*))")
CLAIM = re.compile(r"(<td[^>]*>)(([1-5]) §(\d+(?:\.\d+)*))(</td>)")
log = logging.getLogger("mkdocs.hooks.docs_site")
sections: dict[tuple[str, str], str] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Load the drawing library from the site itself if it is installed."""
    if MERMAID.is_file():
        config.extra_javascript.append("assets/mermaid.min.js")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not written in docs/."""
    sys.path.insert(0, str(ROOT))
    generated = {
        "reference/commands.md": commands_page(),
        "reference/params.md": params_page(),
        **code_pages(),
        **{page: (ROOT / source).read_text(encoding="utf-8") for page, source in TOP_PAGES.items()},
    }
    for path, text in generated.items():
        files.append(File.generated(config, path, content=text))
    if MERMAID.is_file():
        files.append(File.generated(config, "assets/mermaid.min.js", abs_src_path=str(MERMAID)))
    sections.update(read_sections(files))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of a page that lead out of docs/."""
    path = page.file.src_uri
    if path.startswith("reference/"):
        return markdown
    base = TOP_PAGES.get(path, f"docs/{path}")
    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(
        part
        if part.startswith("```")
        else LINK.sub(lambda match: resolve(match, base, path, config, files), part)
        for part in parts
    )


def on_page_content(html_text: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Link mentions of the specification, outside links, code and headings."""
    path = page.file.src_uri
    if path.startswith("specification"):
        return html_text
    if path == "claims.md":
        html_text = CLAIM.sub(
            lambda match: f"{match[1]}{anchor(match[2], match[3], match[4], page, files)}{match[5]}",
            html_text,
        )
    depth, pieces = 0, []
    for piece in re.split(r"(<[^>]+>)", html_text):
        if re.match(r"<(a|code|pre|h[1-6])\b", piece):
            depth += 1
        elif re.match(r"</(a|code|pre|h[1-6])>", piece):
            depth -= 1
        elif depth == 0 and not piece.startswith("<"):
            piece = MENTION.sub(lambda match: anchor(match[1], match[2], match[3], page, files), piece)
        pieces.append(piece)
    return "".join(pieces)


def read_sections(files: Files) -> dict[tuple[str, str], str]:
    """Return ``page#anchor`` of each section of the specifications."""
    found = {}
    for file in files.documentation_pages():
        if file.src_uri.startswith("specification/"):
            for title, number, section in HEADING.findall(file.content_string):
                slug = re.sub(r"[^\w\s-]", "", title.lower()).strip().replace(" ", "-")
                found[number, section] = f"{file.src_uri}#{slug}"
    return found


def anchor(text: str, number: str, section: str, page: Page, files: Files) -> str:
    """Return a mention of a section as a link."""
    target = sections.get((number, section))
    if target is None:
        log.warning("%s: '%s' has no heading in docs/specification/", page.file.src_uri, text)
        return text
    path, _, name = target.partition("#")
    file = files.get_file_from_path(path)
    if file is None:
        return text
    return f'<a href="{get_relative_url(file.url, page.url)}#{name}">{text}</a>'


def resolve(match: re.Match[str], base: str, path: str, config: MkDocsConfig, files: Files) -> str:
    """Return a Markdown link as the site needs it."""
    image, text, link = match.groups()
    if re.match(r"[a-z]+:|#|//", link):
        return match[0]
    target, _, fragment = link.partition("#")
    file = posixpath.normpath(posixpath.join(posixpath.dirname(base), target))
    if not (ROOT / file).exists() and not files.get_file_from_path(file.removeprefix("docs/")):
        log.warning("%s: the link to '%s' leads to no file of the repository", base, link)
        return text
    top = {source: page for page, source in TOP_PAGES.items()}
    page = file.removeprefix("docs/") if file.startswith("docs/") else top.get(file) or code_page(file)
    if files.get_file_from_path(page):
        relative = posixpath.relpath(page, posixpath.dirname(path) or ".")
        return f"{image}[{text}]({relative}{'#' + fragment if fragment else ''})"
    if config.repo_url:
        return f"{image}[{text}]({config.repo_url.rstrip('/')}/blob/main/{file})"
    return text if text.startswith("`") else f"`{text}`" if "/" in text else text


def commands_page() -> str:
    """Return the manual of the command line as Markdown."""
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "80"}),
        mock.patch("os.cpu_count", return_value=CORES),
    ):
        parser = importlib.import_module("statewright.cli").build_parser()
        return "\n".join(_commands(parser))


def _commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    yield "# Commands\n"
    yield f"{parser.description}\n"
    yield f"Generated from the parser. Defaults that depend on the machine are shown for {CORES} cores.\n"
    yield "| command | what it does |\n| --- | --- |"
    for choice in commands._choices_actions:
        yield f"| [`{choice.dest}`](#statewright-{choice.dest}) | {(choice.help or '').replace('%%', '%')} |"
    yield f"\n```text\n{parser.format_help().strip()}\n```\n"
    for name, command in commands.choices.items():
        yield f"## statewright {name}\n\n```text\n{command.format_help().strip()}\n```\n"


def params_page() -> str:
    """Return the params of every stage as Markdown tables."""
    from statewright.functions.describe import describe_params
    from statewright.repository.declaration import declare, open_repository

    repository = open_repository(ROOT)
    workflow = declare(repository)
    lines = [
        "# Parameters\n",
        "The values of `params.yaml` with their type, range and meaning. Change one with "
        "`statewright run --set KEY=VALUE`.",
    ]
    headings: list[str] = []
    for parameter in sorted(describe_params(repository.root, workflow, workflow.stages), key=_by_block):
        pipeline, block, *rest = parameter.key.split(".")
        for heading in (f"## {pipeline}", f"### {pipeline}.{block}"):
            if heading not in headings:
                headings.append(heading)
                lines.append(f"\n{heading}\n")
                if heading.startswith("###"):
                    lines.append("| key | value | type | range | meaning |\n| --- | --- | --- | --- | --- |")
        value = json.dumps(parameter.value, default=str)
        cells = (
            f"`{'.'.join(rest)}`",
            f"`{value}`",
            f"`{parameter.type}`",
            parameter.range,
            parameter.meaning,
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _by_block(parameter: Any) -> list[str]:
    return [*parameter.key.split(".")[:2]]


def code_pages() -> dict[str, str]:
    """Return a page for every module of the engine, the mathematics and the domain."""
    pages, index = {}, ["# Code\n", "Docstrings and source of every module.\n"]
    for package in CODE:
        index += [f"## {package}\n", "| module | content |\n| --- | --- |"]
        for file in sorted((ROOT / package).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            if file.name == "__main__.py" or not (file.parent / "__init__.py").is_file():
                continue
            name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            page = code_page(path)
            pages[page] = f"---\nsearch:\n  boost: 0.5\n---\n\n# {name}\n\n::: {name}\n"
            relative = posixpath.relpath(page, "reference")
            summary = html.escape(docstring.partition("\n")[0]).replace("|", "\\|")
            index.append(f"| [`{name}`]({relative}) | {summary} |")
        index.append("")
    pages["reference/code.md"] = "\n".join(index)
    return pages


def code_page(path: str) -> str:
    """Return the page of a module or package of the repository."""
    stem = path.removesuffix("/").removesuffix("/__init__.py")
    if stem.endswith(".py"):
        return f"reference/code/{stem.removesuffix('.py')}.md"
    return f"reference/code/{stem}/index.md" if "/" in stem or stem in CODE else f"{stem}.md"
