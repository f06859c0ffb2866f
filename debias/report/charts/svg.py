"""What matplotlib wrote, made fit for a page: variables for colours, own ids, no style, marks with their data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from xml.etree import ElementTree

from debias.report.charts.colours import with_variables
from debias.report.text import visible

Element = ElementTree.Element
Data: TypeAlias = Mapping[str, str | float | None]

_DRAWN = {
    *("fill", "fill-opacity", "fill-rule", "opacity", "stroke", "stroke-dasharray", "stroke-dashoffset"),
    *("stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "stroke-opacity", "stroke-width", "text-anchor"),
}
"""Properties of a style that are attributes as well."""
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_SIZE = re.compile(r"([\d.]+)px")
_BOLD = re.compile(r"\b(bold|[67]00)\b")
_ROTATED_BY_NOTHING = re.compile(r"rotate\(-?0(\.0)? [^)]*\)")


@dataclass(frozen=True)
class Mark:
    """A place in a chart with what it stands for.

    Attributes
    ----------
    x, y : float
        Where it is drawn, in units of the axes.
    tip : str
        What a tooltip says.
    data : mapping of str to str, float, int or None
        ``data-`` attributes; numbers are written as JSON writes them, None is left out.
    """

    x: float
    y: float
    tip: str
    data: Data


def for_page(
    drawn: bytes, id: str, title: str, description: str, marks: Mapping[str, Sequence[Mark]], size: tuple[int, int]
) -> str:
    """Return the SVG of a page from the one that matplotlib wrote.

    Parameters
    ----------
    drawn : bytes
        What `savefig` wrote with ``svg.fonttype`` none.
    id : str
        Of the root, and the beginning of all others.
    title, description : str
        The chart's name and what it says.
    marks : mapping of str to sequence of Mark
        By the id (gid) of a drawn group, what its parts stand for, in their order.
    size : tuple of int
        Width and height in pixels, which are matplotlib's points.
    """
    root = ElementTree.fromstring(drawn)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    for dropped in ("metadata", "style"):
        _drop(root, dropped)
    _tell(root, marks)
    for element in root.iter():
        _plain(element)
    for shape in root.iterfind(".//defs/path"):  # each use of it says how it looks
        shape.attrib = {name: value for name, value in shape.attrib.items() if name in ("id", "d")}
    for group in root.iter("g"):
        _share(group)
    _own_ids(root, id)
    body = list(root)
    root.clear()
    root.extend([_worded("title", title, f"{id}-title"), _worded("desc", description, f"{id}-desc"), *body])
    _unwrap(root)
    width, height = size
    root.attrib = {
        "xmlns": "http://www.w3.org/2000/svg",
        "id": id,
        "class": "chart",
        "role": "img",
        "aria-labelledby": f"{id}-title {id}-desc",
        "viewBox": f"0 0 {width} {height}",
        "width": str(width),
        "height": str(height),
        "stroke-linejoin": "round",
        "stroke-linecap": "butt",
    }
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _drop(root: Element, tag: str) -> None:
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag == tag]:
            parent.remove(child)


def _tell(root: Element, marks: Mapping[str, Sequence[Mark]]) -> None:
    """Write on the parts of each named group what they stand for."""
    groups = {element.get("id"): element for element in root.iter("g")}
    for gid, told in marks.items():
        parts = list(_parts(groups[gid]))
        for part, mark in zip(parts, told, strict=True):
            part.set("class", "mark")
            for name, value in mark.data.items():
                if value is not None:
                    part.set(f"data-{name}", visible(value) if isinstance(value, str) else repr(value))
            part.set("data-tip", visible(mark.tip))
            part.append(_worded("title", mark.tip))


def _parts(group: Element) -> Iterator[Element]:
    """Yield what is drawn: not what is kept to be used."""
    for child in group:
        if child.tag in ("use", "path"):
            yield child
        elif child.tag == "g":
            yield from _parts(child)


def _worded(tag: str, text: str, id: str | None = None) -> Element:
    element = ElementTree.Element(tag, {"id": id} if id else {})
    element.text = visible(text)
    return element


def _plain(element: Element) -> None:
    """Turn the style into attributes, shorten numbers, name colours by variables."""
    for declaration in element.attrib.pop("style", "").split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name in ("font", "font-size", "font-weight"):  # the family is the page's
            if size := _SIZE.search(value):
                element.set("font-size", size[1])
            if _BOLD.search(value):
                element.set("font-weight", "600")
        elif name in _DRAWN:
            element.set(name, value)
    for name in [name for name in element.attrib if name.endswith("}href")]:
        element.set("href", element.attrib.pop(name))
    for name, value in element.attrib.items():
        if name.startswith("data-"):
            continue
        if name == "d":
            value = " ".join(value.split())
        if name in ("d", "x", "y", "width", "height", "transform", "stroke-width"):
            value = _LONG_NUMBER.sub(_short, value)
        element.set(name, with_variables(value))
    if _ROTATED_BY_NOTHING.fullmatch(element.get("transform", "")):
        del element.attrib["transform"]
    element.tail = None
    if element.tag not in ("text", "title", "desc", "tspan"):
        element.text = None


def _share(group: Element) -> None:
    """Let a group say once what all that it draws have in common."""
    if len(group) > 2 and all(child.tag == "use" for child in group):
        for name in ("fill", "fill-opacity", "stroke", "stroke-width"):
            values = {child.get(name) for child in group}
            if len(values) == 1 and None not in values:
                group.set(name, values.pop() or "")
                for child in group:
                    del child.attrib[name]


def _short(number: re.Match[str]) -> str:
    short = f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def _own_ids(root: Element, id: str) -> None:
    """Keep the ids that something refers to, numbered behind the chart's own."""
    used: dict[str, str] = {}

    def own(old: str) -> str:
        return used.setdefault(old, f"{id}-{len(used) + 1}")

    for element in root.iter():
        for name, value in element.attrib.items():
            if name == "href":
                element.set(name, f"#{own(value[1:])}")
            elif not name.startswith("data-") and "url(#" in value:
                element.set(name, _REFERENCE.sub(lambda found: f"url(#{own(found[1])})", value))
    for element in root.iter():
        old = element.attrib.pop("id", None)
        if old in used:
            element.set("id", used[old])


def _unwrap(element: Element) -> None:
    """Take groups away that say nothing, and what draws nothing."""
    children: list[Element] = []
    for child in list(element):
        _unwrap(child)
        if child.tag == "g" and not child.attrib:
            children += list(child)
        elif child.tag in ("g", "defs") and not len(child):
            continue
        else:
            children.append(child)
    element[:] = children
