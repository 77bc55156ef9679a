"""Archives are not read: the error says how to unpack them."""

from pathlib import PurePath

from base.console.shell import typed
from imaging.errors import SourceError

_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
# Python is there wherever this program is.
_COMMANDS = {
    ".zip": "python -m zipfile -e {archive} {folder}",
    ".7z": "7z x {archive} -o{folder}",
    ".rar": "unrar x {archive} {folder}/",
    **dict.fromkeys(_TARS, "mkdir -p {folder} && tar -xf {archive} -C {folder}"),
}


def refuse_archive(source: str) -> None:
    """Refuse a source that is an archive, by the ending of its name.

    Raises:
        SourceError: it is one; the message has the commands to type instead.
    """
    name = PurePath(source).name.lower()
    endings = [ending for ending in _COMMANDS if name.endswith(ending) and name != ending]
    if not endings:
        return
    ending = max(endings, key=len)
    folder = source[: -len(ending)]
    command = _COMMANDS[ending].format(archive=typed(source), folder=typed(folder))
    raise SourceError(
        f"{typed(source)} is an archive, whose images are not read: unpack it with `{command}`, "
        f"then SOURCE is {typed(folder)}"
    )
