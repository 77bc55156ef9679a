"""Reads docker-compose.yml as docker compose does, as far as this project's own file goes."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from processes import PROJECT

_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


def env_file(path: Path) -> dict[str, str]:
    """The variables of a file such as .env.example."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def variables_of(text: str) -> dict[str, str | None]:
    """Variables that a compose file names, with their default, None where one must be given."""
    return {
        found["name"]: found["rest"] if found["kind"] == "-" else None
        for found in _VARIABLE.finditer(text)
        if found["name"]
    }


def secret_variables(file: str) -> set[str]:
    """Variables that a compose file's `secrets` are made of."""
    declared = yaml.safe_load((PROJECT / file).read_text()).get("secrets", {})
    return {secret["environment"] for secret in declared.values()}


def services(file: str, variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The services of a compose file, merge keys and variables resolved.

    Raises:
        KeyError: a variable without a default is not given.
    """
    tree = yaml.safe_load((PROJECT / file).read_text())
    found: dict[str, dict[str, Any]] = _resolved(tree["services"], variables)
    return found


def _resolved(node: Any, variables: Mapping[str, str]) -> Any:
    match node:
        case dict():
            return {key: _resolved(value, variables) for key, value in node.items()}
        case list():
            return [_resolved(value, variables) for value in node]
        case str():
            return _VARIABLE.sub(lambda found: _value(found, variables), node)
    return node


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found[0] == "$$":
        return "$"
    given = variables.get(found["name"], "")
    if not given and found["kind"] != "-":
        raise KeyError(f"{found['name']}: {found['rest'] or 'not given'}")
    return given or str(found["rest"])
