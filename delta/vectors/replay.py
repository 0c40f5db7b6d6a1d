"""Replays the golden vectors with an applier of its own, written after README.md alone, with the standard library alone.

    python3 replay.py [VECTORS_FOLDER]

Prints each vector that does not hold, and at the end one line with the counts; exits 1 if any does not hold. Of Zstandard it decodes
raw and repeated blocks; what needs a whole decoder (or Brotli's) is skipped where Python has none.
"""

import json
import pathlib
import sys

try:
    from compression import zstd  # Python 3.14
except ImportError:
    zstd = None

HEADER, TRAILER, MAX_SIZE, MAX_INDEX, MAX_OPERATIONS = 24, 4, 2**40, 2**24, 65_536
MAX_ZSTD_WINDOW, MAX_BROTLI_WINDOW_BITS = 2**23, 22


class Refused(Exception):
    """The delta is refused; the first argument is the reason."""


class NoDecoder(Exception):
    """This Python cannot decompress it."""


def require(holds: bool, reason: str) -> None:
    if not holds:
        raise Refused(reason)


class Cursor:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        require(count <= self.left(), "malformed")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self) -> int:
        value = 0
        for index in range(6):
            (byte,) = self.take(1)
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                require(byte != 0 or index == 0, "malformed")
                return value
        raise Refused("malformed")

    def signed(self) -> int:
        value = self.varint()
        return -((value + 1) // 2) if value % 2 else value // 2


def unframe(frame: bytes, size: int) -> bytes:
    """A Zstandard frame (RFC 8878, section 3.1.1) of at most `size` bytes."""
    cursor = Cursor(frame)
    if cursor.take(4) != b"\x28\xb5\x2f\xfd":
        raise Refused("corrupt")
    (descriptor,) = cursor.take(1)
    single, size_flag = descriptor >> 5 & 1, descriptor >> 6
    if not single:
        (window,) = cursor.take(1)
        require((8 + (window & 7)) << (7 + (window >> 3)) <= MAX_ZSTD_WINDOW, "corrupt")
    # A dictionary would be of the number that stands here.
    require(descriptor & 3 == 0, "corrupt")
    cursor.take((single, 2, 4, 8)[size_flag])
    output, last = b"", False
    while not last:
        header = int.from_bytes(cursor.take(3), "little")
        last, kind, length = header & 1 == 1, header >> 1 & 3, header >> 3
        if kind == 2:
            if zstd is None:
                raise NoDecoder
            decoder = zstd.ZstdDecompressor()
            output = decoder.decompress(frame, max_length=size + 1)
            require(decoder.eof and not decoder.unused_data, "corrupt")
            return output
        require(kind != 3 and len(output) + length <= size, "corrupt")
        output += cursor.take(length) if kind == 0 else cursor.take(1) * length
    require(cursor.left() == (4 if descriptor & 4 else 0), "corrupt")
    return output


def decompress(stored: bytes, codec: int, size: int) -> bytes:
    if len(stored) == size:
        return stored
    if codec == 3:
        # RFC 7932, section 9.1.
        require(stored[0] & 1 == 0 or 17 + (stored[0] >> 1 & 7) <= MAX_BROTLI_WINDOW_BITS, "corrupt")
        raise NoDecoder
    try:
        plain = unframe(stored, size)
    except Refused:
        raise Refused("corrupt") from None
    require(len(plain) == size, "corrupt")
    return plain


def sparse(body: bytes, length: int, position: int, base: bytes) -> bytes:
    head = Cursor(body)
    lengths = [head.varint() for _ in range(3)]
    operations, runs, differences = (Cursor(head.take(count)) for count in lengths)
    output, copied_places, place, count = bytearray(), [], position, 0
    while operations.left():
        count += 1
        require(count <= MAX_OPERATIONS, "malformed")
        literal, copied = operations.varint(), operations.varint()
        require(0 < literal + copied <= length - len(output), "malformed")
        output += head.take(literal)
        if copied == 0:
            continue
        place += operations.signed()
        require(0 <= place and place + copied <= len(base), "outside-base")
        copied_places.extend(range(len(output), len(output) + copied))
        output += base[place : place + copied]
        place += copied
    at = 0
    while runs.left():
        unchanged, changed = runs.varint(), runs.varint()
        require(changed >= 1 and at + unchanged + changed <= len(copied_places), "malformed")
        at += unchanged
        for difference in differences.take(changed):
            output[copied_places[at]] = (output[copied_places[at]] + difference) % 256
            at += 1
    require(len(output) == length and not differences.left() and not head.left(), "malformed")
    return bytes(output)


def entries(index: Cursor, sizes: dict, bodies_end: int):
    """(kind, output position, output length, place in the base or the delta, stored, plain) of each segment."""
    body, expected = HEADER, 0
    for position in range(0, sizes["output"], sizes["segment"]):
        length = min(sizes["segment"], sizes["output"] - position)
        stored, kind = divmod(index.varint(), 4)
        if kind == 0:
            require(stored == 0, "malformed")
            place = expected + index.signed()
            require(0 <= place and place + length <= sizes["base"], "outside-base")
            expected = place + length
            yield kind, position, length, place, 0, 0
            continue
        require(kind != 3, "malformed")
        plain = length if kind == 1 else index.varint()
        require(plain <= 2 * sizes["segment"], "too-large")
        require(0 < stored <= plain and (sizes["codec"] != 1 or stored == plain), "malformed")
        require(body + stored <= bodies_end, "truncated")
        yield kind, position, length, body, stored, plain
        body += stored
        expected += length
    require(not index.left() and body == bodies_end, "malformed")


def apply(delta: bytes, base: bytes) -> bytes:
    require(len(delta) >= HEADER + TRAILER, "truncated")
    require(delta[:4] == b"IDHD", "not-a-delta")
    version, codec, segment_log, reserved = delta[4:8]
    require(version == 1 and codec in (1, 2, 3) and 16 <= segment_log <= 20 and reserved == 0, "unsupported")
    base_size, output_size = (int.from_bytes(delta[at : at + 8], "little") for at in (8, 16))
    require(base_size <= MAX_SIZE and output_size <= MAX_SIZE, "too-large")
    index_size = int.from_bytes(delta[-TRAILER:], "little")
    require(index_size <= MAX_INDEX, "too-large")
    index_at = len(delta) - TRAILER - index_size
    require(index_at >= HEADER, "truncated")
    require(base_size == len(base), "wrong-base")
    sizes = {"base": base_size, "output": output_size, "segment": 1 << segment_log, "codec": codec}
    segments = list(entries(Cursor(delta[index_at:-TRAILER]), sizes, index_at))
    output = b""
    for kind, position, length, place, stored, plain in segments:
        if kind == 0:
            output += base[place : place + length]
            continue
        body = decompress(delta[place : place + stored], codec, plain)
        output += body if kind == 1 else sparse(body, length, position, base)
    return output


def main() -> int:
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__)
    folder = folder if folder.is_dir() else folder.parent
    counts = {"replayed": 0, "skipped": 0, "failed": 0}
    for vector in json.loads((folder / "vectors.json").read_text())["vectors"]:
        base, delta = (folder / vector["base"]).read_bytes(), (folder / f"{vector['name']}.delta").read_bytes()
        try:
            output, reason = apply(delta, base), None
        except NoDecoder:
            counts["skipped"] += 1
            continue
        except Refused as refusal:
            output, reason = None, refusal.args[0]
        expected = (folder / vector["output"]).read_bytes() if "output" in vector else None
        counts["replayed"] += 1
        if output != expected or reason != vector.get("reason"):
            counts["failed"] += 1
            print(f"{vector['name']}: {reason or f'{len(output)} bytes'} instead of {vector.get('reason', 'its output')}")
    print(json.dumps(counts))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
