"""Makes .keras files reproducible: what scores alike has the same bytes and digest."""

import json
import zipfile
from pathlib import Path
from typing import Any

from model.card import Decode

# The earliest time that a zip entry can have.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def make_reproducible(path: Path, decode: Decode) -> None:
    """Rewrite a .keras file without the date and the memory addresses that Keras puts into it.

    Decode settings other than the default go into it: the same weights with other settings score
    differently, and runs know a checkpoint by its digest.
    """
    plain = Decode(height=decode.height, width=decode.width)
    settings = dict(decode.model_dump().items() - plain.model_dump().items())
    draft = path.with_name(f"{path.name}.rewritten")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(draft, "w") as new:
        for name in sorted(old.namelist()):
            if not name.endswith("/"):
                _copy(old, new, name, settings)
    draft.replace(path)


def _copy(old: zipfile.ZipFile, new: zipfile.ZipFile, name: str, settings: dict[str, Any]) -> None:
    data = old.read(name)
    if name == "metadata.json":
        decode = {"decode": settings} if settings else {}
        metadata = {**json.loads(data), "date_saved": "", **decode}
        data = json.dumps(metadata, sort_keys=True).encode()
    if name == "config.json":
        data = json.dumps(_without_addresses(json.loads(data), {}), sort_keys=True).encode()
    new.writestr(zipfile.ZipInfo(name, _EPOCH), data)


def _without_addresses(config: Any, numbers: dict[int, int]) -> Any:  # noqa: ANN401 - JSON
    """`config` with each `shared_object_id`, an address in memory, replaced by a count from 1."""
    if isinstance(config, list):
        return [_without_addresses(item, numbers) for item in config]
    if not isinstance(config, dict):
        return config
    return {
        key: numbers.setdefault(value, len(numbers) + 1)
        if key == "shared_object_id"
        else _without_addresses(value, numbers)
        for key, value in config.items()
    }
