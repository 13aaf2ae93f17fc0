"""The page around its contents: head, style sheet, and a policy that runs nothing and fetches nothing.

The policy names the style sheet by its hash: `default-src 'none'` refuses everything, and only the style
sheet of `style` is let in. A style sheet or a style attribute that got in by other ways would have no
effect. `frame-ancestors` and `sandbox` are not there: browsers take them from an HTTP header only.
"""

from __future__ import annotations

import base64
import hashlib

from or_audit_logging.evidence.html.markup import Child, tag
from or_audit_logging.evidence.html.style import STYLE


def policy() -> str:
    """Return the content security policy."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def document(title: str, *body: Child) -> str:
    """Return the page as text that any UTF-8 file can hold; every id in *body* is there once."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy()),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", STYLE),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', *body), lang='en').render()}\n"
