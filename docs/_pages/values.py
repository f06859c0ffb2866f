"""What stands in the JSON documents: a page for every value, from its schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from _pages.markup import code, contents, page, table, text
from debias.report.as_json import SCHEMA_FILES, schema, schema_text


def pages() -> Iterator[tuple[str, str]]:
    """Yield a page and a schema file for each value, and the list of them."""
    names = []
    for file_name in SCHEMA_FILES:
        name = file_name.partition(".")[0]
        names.append(f"json/{name}")
        yield f"reference/json/{file_name}", schema_text(file_name)
        yield f"reference/json/{name}.md", _page(name, file_name)
    about = [
        "`--json` prints one document, `--report FILE.json` writes it. The Python values have the same fields. Numbers "
        "that are undefined are null, never 0. The version of the layout stands in `schema_version`.",
        "",
    ]
    yield "reference/json.md", page("JSON documents", [*about, *contents(names)])


def _page(name: str, file_name: str) -> str:
    whole = schema(file_name)
    lines = [text(whole.get("description", "")), "", f"Schema: {{download}}`{file_name}`, `{whole['$id']}`.", ""]
    lines += _fields(whole)
    for part, shape in sorted(whole.get("$defs", {}).items()):
        lines += [f"## {part}", "", text(shape.get("description", "")), ""]
        lines += _fields(shape)
    return page(f"{name[0].upper()}{name[1:]}", lines)


def _fields(shape: Mapping[str, Any]) -> list[str]:
    rows = [
        (code(name), _kind(field), text(field.get("description", "")))
        for name, field in shape.get("properties", {}).items()
    ]
    return table(("field", "holds", "meaning"), rows)


def _kind(field: Mapping[str, Any]) -> str:
    """Return what a field holds, in words."""
    if "$ref" in field:
        part = field["$ref"].rpartition("/")[2]
        return f"[{part}](#{part.lower()})"
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_kind(kind) for kind in field["anyOf"]))
    if "const" in field:
        return code(str(field["const"]))
    if "enum" in field:
        return ", ".join(code(str(item)) for item in field["enum"])
    kind = field.get("type")
    if kind == "array":
        items = field.get("items") or {}
        if "prefixItems" in field:
            return f"{len(field['prefixItems'])} of {_kind(field['prefixItems'][0])}"
        return f"list of {_kind(items)}" if items else "list"
    if kind == "object":
        values = field.get("additionalProperties")
        return f"object of {_kind(values)}" if isinstance(values, dict) and values else "object"
    return {
        "null": "null",
        "number": "number",
        "integer": "whole number",
        "string": "text",
        "boolean": "yes or no",
    }.get(str(kind), "any")
