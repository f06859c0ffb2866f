"""What can be set in a configuration file or in the environment, from the options of the verbs."""

from __future__ import annotations

from collections.abc import Iterator

from _pages.markup import code, page, table, text
from debias.cli.configuration import variable
from debias.cli.settings import FLAG_ONLY, settings_of_verbs


def pages() -> Iterator[tuple[str, str]]:
    """Yield the page of all keys."""
    import debias.cli.main  # registers the verbs

    del debias.cli.main
    verbs = settings_of_verbs()
    keys: dict[str, list[str]] = {}
    for verb, settings in verbs.items():
        for key in settings:
            keys.setdefault(key, []).append(verb)
    rows = []
    for key in sorted(set(keys) - set(FLAG_ONLY)):
        one = verbs[keys[key][0]][key]
        rows.append((code(key), code(variable(key)), text(one.takes), _verbs(keys[key], len(verbs))))
    intro = [
        "Every flag is a key of `[tool.debias]` in `pyproject.toml`, or of `debias.toml`, under its own name; of "
        "`[tool.debias.VERB]` for one verb alone. Flags go before variables, variables before the file; "
        f"`debias config` says what holds and from where. {code(variable('eps', 'audit'))} is the variable of a verb. "
        f"Only flags lift checks: {', '.join(map(code, FLAG_ONLY))}.",
        "",
    ]
    yield (
        "reference/keys.md",
        page("Configuration keys", [*intro, *table(("key", "variable", "takes", "verbs"), rows)]),
    )


def _verbs(names: list[str], of: int) -> str:
    return "all" if len(names) == of else ", ".join(f"{{doc}}`{name} <verbs/{name}>`" for name in names)
