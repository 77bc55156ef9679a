"""Fills in the page's template: one HTML text that loads nothing from a network."""

import base64
import hashlib
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from base.console.foreign import for_html
from report.html.formatting import images
from report.html.page_context import Page
from report.render.numbers import decimal


def render(page: Page) -> str:
    """The HTML; all values are escaped, in text, attributes and JSON."""
    styles, script = _inline("page.css"), _inline("page.js")
    return _templates().get_template("page.html.j2").render(
        page=page, styles=styles, script=script, policy=_policy(styles, script)
    )  # fmt: skip


def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_without_controls,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["three"] = decimal
    templates.filters["images"] = images
    templates.filters["share"] = _share
    templates.filters["capital"] = _capital
    templates.filters["sentence"] = _sentence
    templates.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return templates


def _without_controls(value: object) -> object:
    """Remove control characters from a value; the output of macros and filters is safe already."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else for_html(value)


def _share(count: int, total: int) -> str:
    return f"{count / total:.3f}" if total else "no images"


def _capital(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"


def _sentence(words: str) -> Markup:
    """A sentence; text in backticks becomes code."""
    parts = f"{_capital(words)}.".split("`")
    code = Markup("<code>{}</code>")  # it escapes its arguments
    return Markup("").join(
        code.format(part) if index % 2 else part for index, part in enumerate(parts)
    )


def _inline(name: str) -> str:
    return files("report.html").joinpath("templates", name).read_text(encoding="utf-8")


def _policy(styles: str, script: str) -> str:
    """A policy that loads nothing and allows only this style and this script."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(styles)}'; "
        f"script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
