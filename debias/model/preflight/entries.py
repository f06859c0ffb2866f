"""The zip of a model file, read strictly: every byte of it belongs to exactly one entry.

Readers of zip files disagree about doubtful ones (which of two names counts, what an offset is relative to), so a
doubtful file is refused, and what is loaded later is a new zip of the entries that were looked at.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from debias.errors import Problem

MAX_FILE = 2 << 30
"""Largest file that is read, in bytes."""
MAX_ENTRIES = 20_000
"""Most entries of one archive."""
MAX_TOTAL = 4 << 30
"""Largest sum of the unpacked sizes, in bytes."""
MAX_PACKED_ENTRY = 64 << 20
"""Largest unpacked size of one compressed entry, in bytes; torch compresses program text only."""
MAX_PACKED_TOTAL = 256 << 20
"""Largest sum of the unpacked sizes of all compressed entries, in bytes."""
MAX_DIRECTORY = 8 << 20
"""Largest directory of an archive, in bytes; it is measured before it is read."""
MAX_RATIO = 200
"""Largest ratio of unpacked to packed size of an entry of more than 1 MiB."""

_LOCAL = struct.Struct("<4s5H3I2H")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
_UTF8 = 0x800
_DESCRIPTOR = 0x8
_FLAGS = _UTF8 | _DESCRIPTOR | 0x6  # 0x6: deflate level, a remark without effect
_NAME = re.compile(r"[A-Za-z0-9_.@\-+= ]+(/[A-Za-z0-9_.@\-+= ]+)*\Z")
_SHOWN = 120  # characters of a name in a message
_TOLD = 40  # problems of a zip that are told
_SAVE_AGAIN = "Save the model again with torch.jit.save or torch.export.save."


@dataclass(frozen=True)
class Entries:
    """The entries of one archive.

    Parameters
    ----------
    root : str
        The one folder that all entries lie in.
    files : mapping of str to bytes
        Name inside the root folder to content, in the order of the file.
    """

    root: str
    files: Mapping[str, bytes]


def read_entries(data: bytes, where: str) -> tuple[Entries | None, list[Problem]]:
    """Read every entry of a zip that holds nothing else.

    Parameters
    ----------
    data : bytes
        The whole file.
    where : str
        What to call the file in a problem.

    Returns
    -------
    entries : Entries or None
        None where there is a problem.
    problems : list of Problem
        Everything that is wrong with the zip.
    """
    # the library's reader makes an object of every line of the directory, however many there are
    length = _directory_length(data)
    if length > MAX_DIRECTORY:
        found = f"a directory of {length:,} bytes; at most {MAX_DIRECTORY:,} are read"
        return None, [Problem(found, where, _SAVE_AGAIN)]
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error, EOFError) as error:
        found = f"the zip is broken or cut off ({str(error) or type(error).__name__})"
        return None, [Problem(found, where, "Fetch or save the file again.")]
    problems = _listing_problems(infos, where) or _names(infos, where)
    if problems:
        if len(problems) > _TOLD:
            problems[_TOLD:] = [Problem(f"{len(problems) - _TOLD:,} further problems", where, _SAVE_AGAIN)]
        return None, problems
    files, problems = _contents(data, infos, where)
    if problems:
        return None, problems
    root = infos[0].filename.split("/", 1)[0]
    return Entries(root, {name[len(root) + 1 :]: content for name, content in files.items()}), []


def rebuild(files: Mapping[str, bytes], root: str = "archive") -> bytes:
    """Return a new, uncompressed zip with `files` in the folder `root`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(f"{root}/{name}")
            archive.writestr(info, content)
    return buffer.getvalue()


def _directory_length(data: bytes) -> int:
    """Length that the end records give for the directory; the larger one where they differ, 0 where there is none."""
    longest = 0
    # an end record may have a comment of up to 65,535 bytes behind it; such a file is refused once it is read
    at = data.rfind(b"PK\x05\x06", max(0, len(data) - _END.size - 0xFFFF))
    if 0 <= at <= len(data) - _END.size:
        size = _END.unpack_from(data, at)[5]
        longest = 0 if size == 0xFFFFFFFF else size
        record = at - _LOCATOR64.size - _END64.size
        if record >= 0 and data[record : record + 4] == b"PK\x06\x06":
            longest = max(longest, _END64.unpack_from(data, record)[8])
    return min(longest, len(data))


def _listing_problems(infos: list[zipfile.ZipInfo], where: str) -> list[Problem]:
    if not infos:
        return [Problem("the zip is empty", where, _SAVE_AGAIN)]
    if len(infos) > MAX_ENTRIES:
        return [Problem(f"{len(infos):,} entries; at most {MAX_ENTRIES:,} are read", where, _SAVE_AGAIN)]
    problems = []
    total = sum(info.file_size for info in infos)
    if total > MAX_TOTAL:
        problems.append(Problem(f"{total:,} bytes unpacked; at most {MAX_TOTAL:,} are read", where, "Is this a model?"))
    packed = sum(info.file_size for info in infos if info.compress_type != zipfile.ZIP_STORED)
    if packed > MAX_PACKED_TOTAL:
        found = f"packed entries of {packed:,} bytes; at most {MAX_PACKED_TOTAL:,} are unpacked (a zip bomb?)"
        problems.append(Problem(found, where, _SAVE_AGAIN))
    for info in infos:
        place = f"{where}: {info.filename[:_SHOWN]!r}"
        if info.flag_bits & 0x1:
            problems.append(Problem("the entry is encrypted", place, _SAVE_AGAIN))
        elif info.flag_bits & ~_FLAGS:
            problems.append(Problem(f"the entry has unusual zip flags ({info.flag_bits:#06x})", place, _SAVE_AGAIN))
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            problems.append(Problem(f"the entry is packed by method {info.compress_type}", place, _SAVE_AGAIN))
        elif info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
            problems.append(Problem("the entry is not packed, yet has two sizes", place, _SAVE_AGAIN))
        elif info.compress_type == zipfile.ZIP_DEFLATED:
            ratio = info.file_size / max(info.compress_size, 1)
            if info.file_size > MAX_PACKED_ENTRY or (info.file_size > 1 << 20 and ratio > MAX_RATIO):
                found = f"{info.compress_size:,} bytes that unpack to {info.file_size:,} (a zip bomb?)"
                problems.append(Problem(found, place, _SAVE_AGAIN))
    return problems


def _names(infos: list[zipfile.ZipInfo], where: str) -> list[Problem]:
    problems = []
    root = infos[0].filename.split("/", 1)[0]
    seen: set[str] = set()
    for info in infos:
        name = info.orig_filename
        place = f"{where}: {name[:_SHOWN]!r}"
        if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or re.match(r"[A-Za-z]:", name):
            problems.append(Problem("the name leads out of the archive", place, _SAVE_AGAIN))
        elif "\\" in name or any(part in ("", ".") for part in name.split("/")) or not _NAME.match(name):
            problems.append(Problem("the name is not one that torch writes", place, _SAVE_AGAIN))
        elif not name.startswith(f"{root}/"):
            problems.append(Problem(f"the entry lies outside the root folder {root[:_SHOWN]!r}", place, _SAVE_AGAIN))
        if name.lower() in seen:
            # torch's reader does not tell capitals from small letters
            problems.append(Problem("the name occurs twice (capitals do not count)", place, _SAVE_AGAIN))
        seen.add(name.lower())
    return problems


def _contents(data: bytes, infos: list[zipfile.ZipInfo], where: str) -> tuple[dict[str, bytes], list[Problem]]:
    """Unpack the entries, checking that they and the directory fill the file without gap or overlap."""
    problems: list[Problem] = []
    files: dict[str, bytes] = {}
    position = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        place = f"{where}: {info.filename[:_SHOWN]!r}"
        if info.header_offset != position:
            word = "overlaps the one before" if info.header_offset < position else "has hidden bytes before it"
            problems.append(Problem(f"the entry {word} (offset {info.header_offset})", place, _SAVE_AGAIN))
            break
        start, problem = _local_header(data, info)
        end = start + info.compress_size
        if problem or end > len(data):
            found = problem or "the entry reaches past the end of the file"
            problems.append(Problem(found, place, "Fetch or save the file again."))
            break
        content, problem = _unpack(data[start:end], info)
        if problem:
            problems.append(Problem(problem, place, "Fetch or save the file again."))
        files[info.filename] = content
        position = end + _descriptor(data, end, info)
    else:
        problem = _directory(data, position, len(infos))
        if problem:
            problems.append(Problem(problem, where, _SAVE_AGAIN))
    return {info.filename: files.get(info.filename, b"") for info in infos}, problems


def _local_header(data: bytes, info: zipfile.ZipInfo) -> tuple[int, str]:
    """Where the content starts, and what the entry's own header says otherwise than the directory."""
    offset = info.header_offset
    if offset + _LOCAL.size > len(data):
        return offset, "the entry has no header"
    magic, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack_from(data, offset)
    start = offset + _LOCAL.size + name_length + extra_length
    name = data[offset + _LOCAL.size : offset + _LOCAL.size + name_length]
    if magic != b"PK\x03\x04":
        return start, "the entry has no header"
    try:
        same = name.decode("utf-8" if flags & _UTF8 else "cp437") == info.orig_filename
    except UnicodeDecodeError:
        same = False
    if not same:
        return start, f"its own header names another file ({name[:_SHOWN]!r})"
    if flags != info.flag_bits or method != info.compress_type:
        return start, "its own header disagrees with the directory"
    stated = (crc, packed, size)
    # sizes may stand behind the data (zeros here) or in the 64-bit field (ones here)
    blank = (0, 0xFFFFFFFF) if flags & _DESCRIPTOR else (0xFFFFFFFF,)
    true = (info.CRC, info.compress_size, info.file_size)
    if any(a != b and a not in blank for a, b in zip(stated, true, strict=True)):
        return start, "its own header disagrees with the directory"
    return start, ""


def _descriptor(data: bytes, end: int, info: zipfile.ZipInfo) -> int:
    """Length of the record of sizes behind the content."""
    if not info.flag_bits & _DESCRIPTOR:
        return 0
    for layout, mark in (("<4s3I", True), ("<4sI2Q", True), ("<3I", False), ("<I2Q", False)):
        record = struct.Struct(layout)
        if end + record.size > len(data):
            continue
        values = record.unpack_from(data, end)
        if mark and values[0] != b"PK\x07\x08":
            continue
        if values[-3:] == (info.CRC, info.compress_size, info.file_size):
            return record.size
    return 0


def _unpack(packed: bytes, info: zipfile.ZipInfo) -> tuple[bytes, str]:
    content = packed
    if info.compress_type == zipfile.ZIP_DEFLATED:
        inflater = zlib.decompressobj(-15)
        try:
            content = inflater.decompress(packed, info.file_size + 1)
        except zlib.error as error:
            return b"", f"the packed data are broken ({error})"
        if not inflater.eof or inflater.unused_data:
            return b"", "the packed data do not end where they should"
    if len(content) != info.file_size:
        return b"", f"{len(content):,} bytes where {info.file_size:,} are announced"
    if zlib.crc32(content) != info.CRC:
        return b"", "the checksum does not match: the data were changed or damaged"
    return content, ""


def _directory(data: bytes, position: int, count: int) -> str:
    """What is wrong between the last entry and the end of the file; empty when nothing."""
    start = len(data) - _END.size
    if start < position:
        return "the zip's end record is missing"
    magic, disk, disk_start, here, total, size, offset, comment = _END.unpack_from(data, start)
    if magic != b"PK\x05\x06" or comment:
        return "there are bytes behind the zip's end record"
    end = start
    locator = start - _LOCATOR64.size
    if locator >= position and data[locator : locator + 4] == b"PK\x06\x07":
        _, _, record, _ = _LOCATOR64.unpack_from(data, locator)
        if record + _END64.size != locator or data[record : record + 4] != b"PK\x06\x06":
            return "the zip's 64-bit end record is not where it should be"
        _, _, _, _, disk, disk_start, here, total, size, offset = _END64.unpack_from(data, record)
        end = record
    if (disk, disk_start) != (0, 0) or here != count or total != count:
        return "the zip's end record disagrees with its directory"
    if offset != position or offset + size != end:
        return "there are hidden bytes before or behind the zip's directory"
    return ""
