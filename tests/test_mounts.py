"""File systems that a log is not kept on."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from samples import SECRET

from or_audit_logging import AuditFileHandler
from or_audit_logging.errors import ConfigError
from or_audit_logging.log import folder, mounts
from or_audit_logging.log.mounts import Mount, mount_of

MOUNTINFO = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /srv rw,relatime shared:5 - nfs4 filer:/export rw,vers=4.2
31 30 0:26 / /srv/local rw,relatime - xfs /dev/vdb rw
32 22 0:27 / /mnt/with\\040space rw - cifs //host/share rw
33 22 0:28 / /srv2 rw - tmpfs tmpfs rw
34 22 0:29 / /srv2 rw master:3 propagate_from:2 - fuse.sshfs host: rw
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/var/log", Mount("/", "ext4")),
        ("/srv", Mount("/srv", "nfs4")),
        ("/srv/app/logs", Mount("/srv", "nfs4")),
        ("/srv/local/logs", Mount("/srv/local", "xfs")),
        ("/srvx/logs", Mount("/", "ext4")),
        ("/mnt/with space/logs", Mount("/mnt/with space", "cifs")),
        ("/srv2/logs", Mount("/srv2", "fuse.sshfs")),
    ],
)
def test_the_mount_of_a_folder(path: str, mount: Mount) -> None:
    """The nearest one above, of several on one place the last."""
    assert mount_of(path, MOUNTINFO) == mount
    assert mount_of(path, "") is None


def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> Path:
    table = tmp_path / "mountinfo"
    table.write_text(f"22 1 0:1 / / rw - ext4 x rw\n30 22 0:25 / {tmp_path} rw - {kind} filer:/export rw\n")
    monkeypatch.setattr(mounts, "MOUNTINFO", str(table))
    return tmp_path / "logs" / "audit.jsonl"


def test_a_network_file_system_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first record, with what to do instead."""
    with pytest.raises(ConfigError, match=r"nfs4, mounted on .*keep the log on a local disk"):
        AuditFileHandler(mounted(tmp_path, monkeypatch, "nfs4"), key=lambda: SECRET)


def test_a_shared_folder_of_a_virtual_machine_is_warned_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be all right, where one side only writes."""
    monkeypatch.setattr(folder, "_warned", set())
    path = mounted(tmp_path, monkeypatch, "9p")
    with caplog.at_level(logging.WARNING, "or_audit_logging"):
        for _ in range(2):
            AuditFileHandler(path, key=lambda: SECRET).close()
    (message,) = [record.getMessage() for record in caplog.records]
    assert "9p" in message


def test_a_system_that_does_not_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS and Windows have no such file; nothing is refused."""
    monkeypatch.setattr(mounts, "MOUNTINFO", str(tmp_path / "absent"))
    AuditFileHandler(tmp_path / "audit.jsonl", key=lambda: SECRET).close()
