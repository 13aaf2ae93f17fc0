"""`append_lines`: lines added to a file that somebody reads later, on disk when it returns."""

from __future__ import annotations

import errno
import os
import stat


def append_lines(descriptor: int, data: bytes) -> None:
    """Add *data*, whole lines, to the file *descriptor*, opened to read and append; raises `OSError`.

    What a full disk has cut before is ended first, so that it does not spoil the next line.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    if status.st_size:
        os.lseek(descriptor, status.st_size - 1, os.SEEK_SET)
        if os.read(descriptor, 1) != b"\n":
            data = b"\n" + data
    while data:  # mostly once
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)
