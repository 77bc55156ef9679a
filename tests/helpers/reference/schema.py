"""JSON Schemas of what `--format json` prints, from outputs of runs that hold every kind of thing.

An object's key that not every output has is not required. Objects whose keys are names of files,
codes or figures are told from the others by `BY_NAME`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from reference import outputs

# Keys whose object has names of the user's, error codes or figures as keys.
BY_NAME = (
    "design_effects",
    "errors",
    "monte_carlo_errors",
    "other_diagnoses",
    "standard_errors",
)
DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def of_report() -> Schema:
    """Of `report --format json`."""
    return {"$schema": DIALECT, "title": "report --format json"} | joined(outputs.reports())


def of_status() -> Schema:
    """Of `producer status --format json`."""
    return {"$schema": DIALECT, "title": "producer status --format json"} | joined(
        outputs.statuses()
    )


def joined(values: Sequence[Any], key: str = "") -> Schema:
    """The schema that all these values keep to."""
    types = {_type(value) for value in values}
    if types >= {"integer", "number"}:
        types -= {"integer"}
    if key in ("value", "low", "high") and "number" in types:
        types |= {"null"}  # an undefined figure, of which the runs here need not have one
    schema: Schema = {"type": min(types) if len(types) == 1 else sorted(types)}
    objects = [value for value in values if isinstance(value, dict)]
    if objects and key in BY_NAME:
        inner = [value for one in objects for value in one.values()]
        schema["additionalProperties"] = joined(inner) if inner else {}
    elif objects:
        schema |= _object(objects)
    items = [item for value in values if isinstance(value, list) for item in value]
    if items:
        schema["items"] = joined(items)
    return schema


def _object(objects: Sequence[dict[str, Any]]) -> Schema:
    names = list(dict.fromkeys(name for one in objects for name in one))
    properties = {
        name: joined([one[name] for one in objects if name in one], name) for name in names
    }
    required = [name for name in names if all(name in one for one in objects)]
    if isinstance(properties.get("value", {}).get("type"), list) and "low" in properties:
        properties.setdefault("reason", {"type": "string"})
    return {"properties": properties, "required": required}


def _type(value: object) -> str:
    if value is None:
        return "null"
    kinds: dict[type, str] = {
        bool: "boolean",
        int: "integer",
        float: "number",
        str: "string",
        list: "array",
        dict: "object",
    }
    return kinds[type(value)]


def tables(schemas: dict[str, Schema]) -> str:
    """The keys of each schema as a table, by their paths."""
    lines: list[str] = []
    for name, schema in schemas.items():
        file = f"{name}.schema.json"
        lines += [f"## The {name}", "", f"What `{schema['title']}` prints, as a JSON Schema in"]
        lines += [f"[{file}]({file}).", ""]
        lines += ["| key | type | always there |", "|---|---|---|"]
        lines += [*_rows(schema, ""), ""]
    return "\n".join(lines)


def _rows(schema: Schema, path: str) -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        there = "yes" if name in schema["required"] else ""
        here = f"{path}.{name}" if path else name
        if _is_figure(inner):
            more = [key for key in inner["properties"] if key not in ("value", "low", "high")]
            extra = f" with {', '.join(more)}" if more else ""
            yield f"| `{here}` | figure{extra} | {there} |"
            continue
        yield f"| `{here}` | {_in_words(inner)} | {there} |"
        yield from _rows(inner, here)
        yield from _rows(inner.get("items", {}), f"{here}[]")


def _is_figure(schema: Schema) -> bool:
    return {"value", "low", "high"} <= set(schema.get("properties", {})) and all(
        "properties" not in inner for inner in schema["properties"].values()
    )


def _in_words(schema: Schema) -> str:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    words = " or ".join(types)
    if "additionalProperties" in schema:
        words += " by name"
    return words
