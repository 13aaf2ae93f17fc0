"""The page in a real browser: it is drawn as meant, nothing in it runs, nothing is fetched.

Needs Chromium (`apt-get install chromium`) and is skipped without it. All of the browser's traffic goes to a
proxy on loopback that writes down what is asked for and hands out nothing; a page that does ask shows
that it sees.
"""

from __future__ import annotations

import os
import re
import shutil
import socketserver
import struct
import subprocess
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_samples import hostile_report, sample_report

from or_audit_logging.evidence.html import page
from or_audit_logging.evidence.html.style import COLOURS

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")

INTRUDER = (
    "<style>html,body{background:#f0f!important}</style>"
    "<img src='http://evil.example/image'><script src='http://evil.example/script'></script>"
    "<script>document.body.id='ran';document.body.style.background='#f0f'</script>"
    "<p onclick='1' style='position:fixed;inset:0;background:#f0f'>"
    "<iframe src='http://evil.example/frame'></iframe><link rel='stylesheet' href='http://evil.example/style'>"
)
"""What a page must not have, as if the escaping had failed."""


class Proxy(socketserver.ThreadingTCPServer):
    """A proxy that keeps the first line of every request and closes the connection."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Keep)


class _Keep(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Proxy)
        line = self.rfile.readline(4096).decode("latin-1").strip()
        if line:
            self.server.asked.append(line)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A recording proxy."""
    with Proxy() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def browse(path: Path, proxy: Proxy, *options: str) -> subprocess.CompletedProcess[str]:
    """Open a page from a file, without a profile and without what the browser asks for on its own."""
    assert CHROMIUM is not None
    own = "background-networking component-update sync default-apps domain-reliability breakpad".split()
    return subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
            *(f"--disable-{name}" for name in own),
            f"--user-data-dir={path.parent / 'profile'}",
            f"--proxy-server=127.0.0.1:{proxy.server_address[1]}",
            "--proxy-bypass-list=<-loopback>",
            "--enable-logging=stderr",
            "--hide-scrollbars",
            "--window-size=1280,900",
            *options,
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
        check=True,
    )


def write(folder: Path, markup: str) -> Path:
    """Return the file that a page was written to."""
    path = folder / "report.html"
    path.write_text(markup, encoding="utf-8", newline="")
    return path


def first_pixel(path: Path) -> str:
    """Return the colour of the upper left corner of a PNG: of a first pixel, no filter changes the bytes."""
    held, at, packed = path.read_bytes(), 8, b""
    while at < len(held):
        size, kind = struct.unpack_from(">I4s", held, at)
        packed += held[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    return "#" + zlib.decompress(packed)[1:4].hex()


def asked_by_pages(proxy: Proxy) -> list[str]:
    """Return what was asked for, but for what the browser asks its maker."""
    return [line for line in proxy.asked if not re.search(r"\b(google|gvt1|googleapis)\.com\b", line)]


def test_nothing_is_fetched_and_nothing_runs(tmp_path: Path, proxy: Proxy) -> None:
    """The page with hostile names is drawn as it is written: no request, no complaint, no change."""
    markup = page(hostile_report())
    done = browse(write(tmp_path, markup), proxy, "--dump-dom")
    assert asked_by_pages(proxy) == []
    assert "CONSOLE" not in done.stderr
    assert "<title>LLM calls and their cost, 1 to 3 Nov 2026</title>" in done.stdout
    assert done.stdout.count("<svg") == markup.count("<svg")
    assert done.stdout.count("<script") == 0


def test_the_proxy_sees_what_a_page_asks_for(tmp_path: Path, proxy: Proxy) -> None:
    """The same without the policy and with an intruder is seen: the test can fail."""
    markup = re.sub(r"<meta http-equiv=[^>]*>", "", page(sample_report(1))).replace("</footer>", INTRUDER)
    done = browse(write(tmp_path, markup), proxy, "--dump-dom")
    assert {line.split()[1].rpartition("/")[2] for line in asked_by_pages(proxy)} == {
        "image",
        "script",
        "frame",
        "style",
    }
    assert 'id="ran"' in done.stdout


@pytest.mark.slow
def test_the_policy_stops_what_escaping_would_have_let_in(tmp_path: Path, proxy: Proxy) -> None:
    """An intruder on the page finds nothing to run, nothing to fetch, nothing to paint."""
    path = write(tmp_path, page(sample_report(1)).replace("</footer>", INTRUDER))
    done = browse(path, proxy, f"--screenshot={tmp_path / 'page.png'}")
    assert asked_by_pages(proxy) == []
    assert done.stderr.count("Content Security Policy") >= 5
    assert first_pixel(tmp_path / "page.png") == COLOURS["light"]["paper"]


@pytest.mark.slow
@pytest.mark.parametrize(("theme", "setting"), [("light", "1"), ("dark", "0")])
def test_light_and_dark(tmp_path: Path, proxy: Proxy, theme: str, setting: str) -> None:
    """The style sheet is let in by its hash, and follows the reader's preference."""
    browse(
        write(tmp_path, page(sample_report())),
        proxy,
        f"--screenshot={tmp_path / 'page.png'}",
        f"--blink-settings=preferredColorScheme={setting}",
    )
    assert first_pixel(tmp_path / "page.png") == COLOURS[theme]["paper"]


@pytest.mark.slow
def test_it_prints(tmp_path: Path, proxy: Proxy) -> None:
    """On paper the folds are open: the numbers take pages of their own."""
    browse(write(tmp_path, page(sample_report())), proxy, f"--print-to-pdf={tmp_path / 'page.pdf'}")
    printed = (tmp_path / "page.pdf").read_bytes()
    assert printed.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 8
