"""The pre-flight of a `torch.export` file: its entries, its graph in JSON, its pickles.

`torch.export.load` evaluates shape expressions with sympy, turns names and guards into Python text, and unpickles some
entries. So every string of the JSON has to be of the kind that its field holds: a name, an operator of the list, an
expression of a small grammar; a field that is unknown here is refused.
"""

# ruff: noqa: SIM905  (a table of words reads better as one text)

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from debias.errors import Problem
from debias.model.preflight import allowlist, pickles
from debias.model.preflight.entries import read_entries
from debias.model.preflight.expressions import guard_problem, size_problem

MAX_JSON = 64 << 20
"""Largest JSON entry that is read, in bytes."""
MAX_PROBLEMS = 1_000
"""Most reasons that are noted of one entry."""
MODEL = "models/model.json"
SAMPLE = "data/sample_inputs/model.pt"
_ENTRY = re.compile(
    r"""models/model\.json | data/sample_inputs/model\.pt | extra/.+
      | data/weights/(weight_\d+|model_weights_config\.json)
      | data/constants/(tensor_\d+|model_constants_config\.json)
      | archive_format | archive_version | version
      | byteorder | \.data/(version|serialization_id) | \.format_version""",
    re.VERBOSE,
)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STATE = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
_PATH = re.compile(r"([A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*)?(@\d+)?")
_STACK = re.compile(r"[\w.,;@\[\]()<> :\-]*", re.ASCII)
_FREE = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f]*")
_WEIGHT = re.compile(r"(weight|tensor)_\d+")

# anything else, such as constants.pkl, would make torch.load read the example inputs as another kind of file
_SAMPLE_ENTRY = re.compile(
    r"data\.pkl|data/\w+|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id"
)

# by ScalarType of the schema
_ITEM_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 9: 4, 10: 8, 11: 16, 12: 1, 13: 2}

_FIELDS = frozenset(
    """
    graph_module opset_version range_constraints schema_version verifiers torch_version guards_code graph signature
    module_call_graph metadata treespec_namedtuple_fields inputs outputs nodes tensor_values sym_int_values
    sym_bool_values sym_float_values custom_obj_values is_single_tensor_return is_hop_single_tensor_return target name
    arg kind input_specs output_specs user_input user_output parameter buffer tensor_constant constant_input
    buffer_mutation parameter_mutation user_input_mutation parameter_name buffer_name tensor_constant_name
    user_input_name persistent value loss_output gradient_to_parameter gradient_to_user_input token fqn in_spec
    out_spec forward_arg_names min_val max_val major minor dtype sizes requires_grad device strides storage_offset
    layout type index expr_str hint as_none as_tensor as_tensors as_int as_ints as_float as_floats as_string as_strings
    as_sym_int as_sym_ints as_name as_scalar_type as_memory_format as_layout as_device as_bool as_bools as_sym_bool
    as_sym_bools as_optional_tensors as_sym_float as_sym_floats as_optional_tensor as_complex as_nested_tensors
    as_int_lists as_float_lists as_expr real imag config path_name is_param use_pickle tensor_meta
    """.split()
)
_TABLES = frozenset("tensor_values sym_int_values sym_bool_values sym_float_values opset_version".split())


def check(files: Mapping[str, bytes]) -> tuple[list[Problem], bool]:
    """Return everything in the entries of an exported program that a network has no use for.

    Parameters
    ----------
    files : mapping of str to bytes
        Name inside the root folder to content.

    Returns
    -------
    problems : list of Problem
        What was found and where.
    static : bool
        True where no size of the program is free.
    """
    problems = [problem for name in files for problem in _entry(name)]
    documents: dict[str, Any] = {}
    configs = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
    for name in (MODEL, *configs):
        if name not in files:
            problems.append(Problem("the entry is missing", name))
            continue
        try:
            documents[name] = _parse(files[name])
        except (ValueError, RecursionError) as error:
            problems.append(Problem(f"no JSON that torch writes ({error})", name))
            continue
        problems += _Document(name).check(documents[name])
    for name in configs:
        problems += _payloads(documents.get(name), files, name)
    problems += _sample(files.get(SAMPLE))
    problems += [
        Problem("an extra file that is no text", n) for n in files if n.startswith("extra/") and not _is_text(files[n])
    ]
    model = documents.get(MODEL)
    return problems, isinstance(model, dict) and not model.get("range_constraints")


def _entry(name: str) -> list[Problem]:
    if _ENTRY.fullmatch(name):
        return []
    if name.startswith("data/aotinductor/"):
        remedy = "Use the file from torch.export.save, before it was compiled."
        return [Problem("compiled code (AOTInductor), which runs when it is loaded", name, remedy)]
    if name.startswith("models/"):
        remedy = "Save each program to a file of its own."
        return [Problem("more than one program, or one under an unusual name", name, remedy)]
    if re.fullmatch(r"data/(weights|constants)/.*\.pt", name):
        return [
            Problem("weights in a pickle (an old layout)", name, "Save the model again with a torch of 2.10 or later.")
        ]
    if name.startswith("data/constants/"):
        return [Problem("an object in a pickle, which can run code when it is loaded", name)]
    return [Problem("an entry that no exported program has", name)]


def _parse(content: bytes) -> Any:
    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key that occurs twice")
        return found

    if len(content) > MAX_JSON:
        raise ValueError(f"{len(content):,} bytes; at most {MAX_JSON:,} are read")
    return json.loads(content.decode("utf-8"), object_pairs_hook=table)


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class _Document:
    """A walk over one JSON entry, with a rule for every string."""

    def __init__(self, entry: str) -> None:
        self.entry = entry
        self.problems: list[Problem] = []

    def refuse(self, found: str, path: str, remedy: str = "") -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(found, f"{self.entry}, {path}", remedy))

    def check(self, value: Any) -> list[Problem]:
        if isinstance(value, dict):
            try:
                self.fields(value, "$")
            except RecursionError:
                self.refuse("values that are nested too deep", "$")
        else:
            self.refuse("no table at the top", "$")
        return self.problems

    def fields(self, table: dict[str, Any], path: str) -> None:
        for key, value in table.items():
            place = f"{path}.{key[:60]}"
            if key not in _FIELDS:
                what = "a part that is not plain tensor arithmetic" if key.startswith("as_") else "an unknown field"
                self.refuse(f"{what} ({key[:60]!r})", path)
            elif key in ("custom_obj_values", "treespec_namedtuple_fields"):
                if value:
                    self.refuse("objects other than tensors", place)
            elif key == "metadata" or key in _TABLES or key in ("range_constraints", "config"):
                self.table(key, value, place)
            else:
                self.value(key, value, place)

    def table(self, key: str, value: Any, path: str) -> None:
        """A mapping whose keys are names of the model, not of the schema."""
        if not isinstance(value, dict):
            self.refuse("no table", path)
            return
        for name, content in value.items():
            if key == "metadata":
                self.metadata(name, content, path)
                continue
            if key == "range_constraints":
                problem = size_problem(name)
            else:
                problem = None if _fits(_STATE if key == "config" else _IDENTIFIER, name) else "is not a name"
            if problem:
                self.refuse(f"{name[:80]!r} {problem}", path)
            self.value("", content, f"{path}.{name[:60]}")

    def value(self, key: str, value: Any, path: str) -> None:
        if isinstance(value, dict):
            self.fields(value, path)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                self.value(key, item, f"{path}[{number}]")
        elif isinstance(value, str):
            rule = _RULES.get(key)
            problem = "stands where a number belongs" if rule is None else rule(value)
            if problem:
                self.refuse(f"{value[:80]!r} {problem}", path)

    def metadata(self, name: str, value: Any, path: str) -> None:
        """Remarks on a node: where it stood in the program of its author."""
        if not isinstance(value, str):
            self.refuse(f"the remark {name[:60]!r} is no text", path)
        elif name in ("stack_trace", "torch_fn", "source_fn_stack", "nn_module_stack"):
            pattern = _FREE if name == "stack_trace" else _STACK
            if not _fits(pattern, value):
                self.refuse(f"unusual characters in the remark {name!r}", path)
        elif name in ("from_node", "custom"):
            try:
                json.loads(value)
            except (ValueError, RecursionError):
                self.refuse(f"the remark {name!r} is no JSON", path)
        else:
            self.refuse(f"an unknown remark ({name[:60]!r})", path)


def _fits(pattern: re.Pattern[str], text: str) -> bool:
    return pattern.fullmatch(text) is not None


def _match(pattern: re.Pattern[str], what: str) -> Callable[[str], str | None]:
    return lambda text: None if _fits(pattern, text) else what


def _operator(text: str) -> str | None:
    match = re.fullmatch(r"torch\.ops\.aten\.(\w+)\.\w+", text, re.ASCII)
    if (match and match.group(1) in allowlist.EXPORT_ATEN) or text in allowlist.EXPORT_TARGETS:
        return None
    return "is not on the list of harmless operators"


def _tree(text: str) -> str | None:
    """The nesting of inputs or outputs: tuples, lists and dicts with plain keys."""
    try:
        protocol, root = _parse(text.encode())
        nodes = [root]
        while nodes:
            node = nodes.pop()
            if set(node) != {"type", "context", "children_spec"}:
                raise ValueError
            context = json.loads(node["context"]) if node["context"] is not None else None
            if node["type"] not in (
                None,
                "builtins.tuple",
                "builtins.list",
                "builtins.dict",
                "collections.OrderedDict",
            ):
                return f"nests a {str(node['type'])[:60]}"
            # pytree turns a table in this place into an enumeration, and imports its module for that
            keys = [] if context is None else context
            if not isinstance(keys, list) or not all(isinstance(key, str) and _fits(_IDENTIFIER, key) for key in keys):
                return "has unusual keys"
            nodes += node["children_spec"]
        if protocol != 1:
            return f"has the protocol {protocol}"
    except (ValueError, TypeError, KeyError, RecursionError):
        return "is no nesting of inputs or outputs"
    return None


_NOT_A_NAME = "is not a name"
_RULES: dict[str, Callable[[str], str | None]] = {
    "expr_str": size_problem,
    "guards_code": guard_problem,
    "target": _operator,
    "in_spec": _tree,
    "out_spec": _tree,
    "fqn": _match(_PATH, "is not the path of a layer"),
    "parameter_name": _match(_STATE, _NOT_A_NAME),
    "buffer_name": _match(_STATE, _NOT_A_NAME),
    "tensor_constant_name": _match(_STATE, _NOT_A_NAME),
    "path_name": _match(_WEIGHT, "is not the name of a weight entry"),
    "torch_version": _match(re.compile(r"[\w.+<=\- ]*", re.ASCII), "is not a version"),
    # operator arguments; they are printed with quotes and escapes
    "as_string": _match(_FREE, "has unusual characters"),
    "as_strings": _match(_FREE, "has unusual characters"),
} | {
    key: _match(_IDENTIFIER, _NOT_A_NAME)
    for key in ("name", "as_name", "user_input_name", "forward_arg_names", "verifiers", "type")
}


def _payloads(config: Any, files: Mapping[str, bytes], entry: str) -> list[Problem]:
    """Weights: raw numbers that their entries really hold, never a pickle."""
    if not isinstance(config, dict):
        return []
    folder, _, _ = entry.rpartition("/")
    problems = []
    table = config.get("config")
    for name, payload in table.items() if isinstance(table, dict) else ():
        place = f"{entry}, {name[:60]}"
        try:
            if payload["use_pickle"] is not False:
                problems.append(Problem("a weight in a pickle, which can run code when it is loaded", place))
                continue
            found = _beyond(payload, files, folder)
        except (KeyError, TypeError, ValueError, AttributeError):
            found = "a weight without a proper description"
        if found:
            problems.append(Problem(found, place))
    return problems


def _beyond(payload: Mapping[str, Any], files: Mapping[str, bytes], folder: str) -> str:
    meta = payload["tensor_meta"]
    entry = f"{folder}/{payload['path_name']}"
    if entry not in files:
        return f"the numbers are missing ({payload['path_name']})"
    width = _ITEM_SIZES.get(meta["dtype"])
    if width is None:
        return f"numbers of an unknown type ({meta['dtype']})"
    sizes = [size["as_int"] for size in meta["sizes"]]
    steps = [step["as_int"] for step in meta["strides"]]
    numbers = (*sizes, *steps, meta["storage_offset"]["as_int"])
    whole = all(type(number) is int and number >= 0 for number in numbers)
    if not whole or len(sizes) != len(steps) or len(sizes) > pickles.MAX_SIZES:
        return "an impossible shape"
    if 0 in sizes:
        return ""
    last = numbers[-1] + sum((n - 1) * step for n, step in zip(sizes, steps, strict=True))
    if (last + 1) * width > len(files[entry]):
        return f"the shape {str(sizes)[:60]} reaches beyond {payload['path_name']}"
    if math.prod(sizes) * width > max(len(files[entry]), pickles.MAX_SHARED):
        return f"the shape {str(sizes)[:60]} shows the numbers of {payload['path_name']} again and again"
    return ""


def _sample(content: bytes | None) -> list[Problem]:
    """The example inputs: a torch.save file of plain tensors."""
    if not content:
        return []
    found, problems = read_entries(content, SAMPLE)
    if found is None:
        return problems
    pickled = found.files.get("data.pkl")
    if pickled is None:
        return [Problem("the example inputs are no torch.save file", SAMPLE)]
    odd = [name for name in found.files if not _SAMPLE_ENTRY.fullmatch(name)]
    if odd:
        return [Problem("an entry that no torch.save file of tensors has", f"{SAMPLE}, {name}") for name in odd]
    texts = pickles.scan(pickled, pickles.TENSOR_GLOBALS.__contains__)
    texts = texts or pickles.tensor_problems(pickled, found.files, "data")
    return [Problem(text, f"{SAMPLE}, data.pkl") for text in texts]
