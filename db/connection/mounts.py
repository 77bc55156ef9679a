"""The file system of a file, from Linux's table of mounts."""

import re
from pathlib import Path
from typing import NamedTuple

MOUNTS = Path("/proc/self/mountinfo")
# SQLite shares its log through memory, which machines that mount the same folder do not share.
_NETWORK = re.compile(
    "nfs4?|cifs|smb3|smbfs|9p|ceph|lustre|gpfs|beegfs|glusterfs|afs|ocfs2|gfs2|virtiofs|vboxsf|prl_fs"
    "|fuse\\.(sshfs|s3fs|rclone|gcsfuse|blobfuse2?|goofys|glusterfs|ceph|ceph-fuse|juicefs|davfs2?"
    "|moosefs|mfs|grpcfuse|osxfs|smbnetfs|vmhgfs-fuse)|davfs|vmhgfs"
)
_ESCAPE = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """A line of the table: what is mounted, and where."""

    point: str
    kind: str
    source: str


def read_mounts(table: str) -> list[Mount]:
    """The mounts in a text like /proc/self/mountinfo, in its order."""
    mounts = []
    for line in table.splitlines():
        before, separator, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if separator and len(fields) > 4 and len(rest) > 1:
            mounts.append(Mount(_plain(fields[4]), rest[0], _plain(rest[1])))
    return mounts


def mount_of(path: Path, mounts: list[Mount]) -> Mount | None:
    """The mount of `path`, absolute and without links; the later one of two at the same place."""
    above = [mount for mount in mounts if path.is_relative_to(mount.point)]
    return max(reversed(above), key=lambda mount: len(mount.point), default=None)


def network_mount(path: Path, table: str | None = None) -> Mount | None:
    """The network file system of `path`; None if it is local, or if this machine cannot tell."""
    if table is None:
        try:
            table = MOUNTS.read_text(errors="surrogateescape")
        except OSError:  # not Linux
            return None
    mount = mount_of(path.resolve(), read_mounts(table))
    return mount if mount is not None and _NETWORK.fullmatch(mount.kind) else None


def _plain(field: str) -> str:
    """A field with its escapes replaced: the kernel writes spaces and similar in octal."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), field)
