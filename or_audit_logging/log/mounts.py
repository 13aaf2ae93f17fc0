"""On what kind of file system a folder stands, where the system says so (Linux).

    mount_of("/srv/logs", mountinfo)        -> Mount(place="/srv", kind="nfs4")

A lock between processes and an append are what a log relies on, and network file systems do neither well.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

MOUNTINFO = "/proc/self/mountinfo"

REFUSED = frozenset(
    {
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.blobfuse2",
        "fuse.ceph-fuse",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.goofys",
        "fuse.juicefs",
        "fuse.mount-s3",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "nfs",
        "nfs4",
        "smb3",
    }
)
"""Kinds of file systems, as Linux calls them, whose files other machines write as well."""

DOUBTFUL = frozenset({"9p", "virtiofs", "vboxsf", "fuse.vmhgfs-fuse", "fuse.osxfs", "fuse.grpcfuse"})
"""Kinds by which a virtual machine or container sees its host's files; locks may not hold on both sides."""

_ESCAPED = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """Where a file system is mounted, and its kind."""

    place: str
    kind: str


def mount_of(folder: str | os.PathLike[str], mountinfo: str) -> Mount | None:
    """Return the mount that *folder* is on, by the text of /proc/self/mountinfo; None where none fits.

    The format is proc_pid_mountinfo(5): the mount point is the fifth field, the kind the first one behind
    the dash. Of several on one place the last one counts.
    """
    path, found = os.fspath(folder), None
    for line in mountinfo.splitlines():
        before, _, behind = line.partition(" - ")
        fields, kind = before.split(" "), behind.split(" ")[0]
        if len(fields) < 5 or not kind:
            continue
        place = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4])
        inside = place in {"/", path} or path.startswith(place + "/")
        if inside and (found is None or len(place) >= len(found.place)):
            found = Mount(place, kind)
    return found


def mount_here(folder: Path) -> Mount | None:
    """Return the mount that *folder* is on; None where the system does not say."""
    try:
        with open(MOUNTINFO, encoding="utf-8", errors="surrogateescape") as file:
            return mount_of(os.path.realpath(folder), file.read())
    except OSError:
        return None
