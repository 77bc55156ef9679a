"""The message about a run in which no image could be scored. Pure."""

from collections.abc import Mapping, Sequence

from base.console.foreign import shown

# The exit code of `enqueue --wait` and `report`: a script must not read it as a success.
NOTHING_SCORED = 4

_KIND = "the files are not of a kind that is scored (docs/images.md)"
_DAMAGED = "the files are damaged, perhaps copied in part"
_MACHINE = "the workers have too little memory, or the machine is at fault"
# The likely cause if no image at all could be scored.
CAUSES: dict[str, str] = {
    "missing": "DATA_ROOT of the workers is probably not that of the producer",
    "bad_name": "the names of the files are not UTF-8: rename them",
    "outside_root": "the files, or what they link to, do not lie under DATA_ROOT",
    "not_a_file": "the source names folders or devices",
    "unreadable": "the workers may not read the files, or the disk or the store fails",
    "empty": _DAMAGED,
    "too_large": _KIND,
    "not_an_image": _KIND,
    "unsupported": _KIND,
    "bad_size": _KIND,
    "corrupt": _DAMAGED,
    "wrong_digest": "the sha256 in the manifest belongs to other files",
    "bad_score": "the model's output is not a number",
    "worker_died": _MACHINE,
}


def nothing_scored(run_id: int, errors: Mapping[str, int], examples: Sequence[str]) -> str:
    """The text after `run N: `: how many images, their errors, some paths, the likely cause.

    Args:
        run_id: id of the run.
        errors: its images by error code, the most frequent first.
        examples: some paths with the most frequent error.
    """
    total, most = sum(errors.values()), next(iter(errors))
    counts = ", ".join(f"{count} {code}" for code, count in errors.items())
    paths = " and ".join(shown(path) for path in examples)
    images = "its only image" if total == 1 else f"any of its {total} images"
    # Codes of other releases have no cause here.
    cause = CAUSES.get(most, "docs/reference/errors.md says what that is")
    return (
        f"could not score {images} ({counts}), such as {paths}: {cause}; "
        f"once that is fixed, `producer retry {run_id} --error {most}`"
    )
