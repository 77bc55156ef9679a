"""What of a source is not listed: by patterns, folders of systems, files of other kinds."""

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import translate
from itertools import accumulate

import click

from base.console.foreign import shown
from base.console.shell import typed
from imaging.errors import SourceError

# What NAS devices and operating systems leave beside images, with copies and thumbnails in it.
_SYSTEM_FOLDERS = {
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "@__thumb",
    "@eadir",
    "@recycle",
    "@recently-snapshot",
    "@tmp",
    "__macosx",
    "lost+found",
    "network trash folder",
    "recycler",
    "system volume information",
    "temporary items",
}
_MOST_NAMED = 3


class Selection:
    """Selects what is listed, and counts what is not.

    `given` are the names of class folders that a person gave, each of which must be found. While
    `goes_on`, the same selection is for another source, too, in which a pattern may match.
    """

    def __init__(self, exclude: Sequence[str] = (), given: Iterable[str] = ()) -> None:
        self.given = frozenset(given)
        self.goes_on = False
        self._sources: list[str] = []
        self.excludes_some = bool(exclude)
        self._patterns = {pattern: re.compile(translate(pattern)).match for pattern in exclude}
        self._unmatched = set(exclude)
        self._excluded_files = self._excluded_folders = 0
        self._others = 0
        self._first_other = ""
        self._system_folders: dict[str, str] = {}

    def omits_folder(self, path: str) -> bool:
        """Whether nothing in this folder, by its path below the source, is listed; counts it."""
        name = path.rpartition("/")[2]
        if name.startswith(".") or name.lower() in _SYSTEM_FOLDERS:
            self._system_folders[path] = name
            return True
        omits = self.excludes_some and self._matches(path, name)
        self._excluded_folders += omits
        return omits

    def omits_file(self, path: str) -> bool:
        """Whether a file, by its path below the source, is excluded by a pattern; counts it."""
        omits = self.excludes_some and self._matches(path, path.rpartition("/")[2])
        self._excluded_files += omits
        return omits

    def pass_over(self, path: str) -> None:
        """Count a file that is not an image."""
        self._others += 1
        self._first_other = self._first_other or path

    def require_matches(self, source: str) -> None:
        """Refuse patterns that excluded nothing, in this source and those before it.

        Raises:
            SourceError: there are such patterns.
        """
        self._sources.append(shown(source))
        if self._unmatched and not self.goes_on:
            patterns = " ".join(f"--exclude {typed(each)}" for each in sorted(self._unmatched))
            raise SourceError(
                f"{patterns} matches nothing in {' or '.join(self._sources)}: a pattern is for a "
                "path below a folder, or for the name of a folder or file in it"
            )

    def lines(self) -> Iterator[str]:
        """What was not listed, in words; nothing if all was."""
        if self._others:
            files = _count(self._others, "other file")
            yield f"{files} passed over, such as {shown(self._first_other)}"
        if self._system_folders:
            names = sorted(set(self._system_folders.values()))
            more = ", …" if len(names) > _MOST_NAMED else ""
            named = ", ".join(map(shown, names[:_MOST_NAMED]))
            folders = _count(len(self._system_folders), "system folder")
            yield f"{folders} passed over ({named}{more})"
        counts = ((self._excluded_folders, "folder"), (self._excluded_files, "file"))
        excluded = [_count(count, what) for count, what in counts if count]
        if excluded:
            yield f"{' and '.join(excluded)} excluded"

    def _matches(self, path: str, name: str) -> bool:
        """Every pattern is asked, so that each which matches anything is known."""
        matching = [each for each, fits in self._patterns.items() if fits(path) or fits(name)]
        self._unmatched.difference_update(matching)
        return bool(matching)


class SelectedPaths:
    """The same selection for paths that are all known, as of a glob and of an object store."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._omitted: dict[str, bool] = {"": False}

    def omits(self, path: str) -> bool:
        """Whether a file is excluded, or lies in a folder that is left out."""
        folder = path.rpartition("/")[0]
        if folder not in self._omitted:
            above = accumulate(folder.split("/"), "{}/{}".format)
            self._omitted[folder] = any(self._omits_folder(each) for each in above)
        return self._omitted[folder] or self._selection.omits_file(path)

    def _omits_folder(self, folder: str) -> bool:
        if folder not in self._omitted:
            self._omitted[folder] = self._selection.omits_folder(folder)
        return self._omitted[folder]


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


exclude_option = click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Leave out files and folders of this name, or of this path below SOURCE: masks, "
    "'*_mask.png', 'site2/*'. May be given several times.",
)
