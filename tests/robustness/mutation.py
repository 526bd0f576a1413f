"""Random damage to good files: in their bytes, and in what they say."""

from __future__ import annotations

import copy
import json
import random

_TOKENS = (
    *(b"1e308", b"-1", b"null", b'"x"', b"[", b"]", b"{", b"}", b",", b"\n", b"\0", b"\xff", b"NaN", b"true", b""),
    *(
        b"1e999",
        b"9" * 400,
        b"[" * 3000,
        b'{"a":' * 3000,
        b"\\ud800",
        b"\xef\xbb\xbf",
        b"../",
        b"/",
        b"\r\n",
        b"-0.0",
    ),
)
_VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1.5, 7, 2**53 + 1, 2**63, 2**70, -(2**70), 10**400, 1e308, -1e308, 1e-320),
    *(float("nan"), float("inf"), float("-inf"), "", "x", "nan", "7", "..", "../x", "/etc/passwd", "a" * 3000),
    *("\ud800", "\0", "ä日", "C:\\x", [], [[]], [None], [1], [1, 2, 3], [1, 2, 3, 4], {}, {"a": 1}, [{}], [0] * 51),
)


def damaged_bytes(data: bytes, rng: random.Random) -> bytes:
    """The file after a few random replacements, a cut, a repetition or an exchange of lines."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(result) + 1)
        kind = rng.random()
        if kind < 0.7:
            result[at : at + rng.choice((0, 1, 1, 4, 30))] = rng.choice(_TOKENS)
        elif kind < 0.8:
            del result[at:]
        elif kind < 0.9:
            result[at:at] = result[at : at + rng.randrange(1, 200)]
        else:
            lines = bytes(result).splitlines(keepends=True)
            rng.shuffle(lines)
            result = bytearray(b"".join(lines))
    return bytes(result)


def damaged_json(content: object, rng: random.Random) -> bytes:
    """The document's text after one to three of its values were removed, doubled, exchanged or replaced."""
    content = copy.deepcopy(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        _damage(content, rng)
    return json.dumps(content).encode("utf-8", "surrogatepass")


def _damage(content: object, rng: random.Random) -> None:
    """Goes down at random, so that what stands near the top is hit as often as the many numbers below."""
    while True:
        keys = list(content) if isinstance(content, dict) else range(len(content))
        if not keys:
            return
        key = rng.choice(keys)
        inner = content[key]
        if isinstance(inner, (dict, list)) and inner and rng.random() < 0.75:
            content = inner
            continue
        break
    kind = rng.random()
    if kind < 0.2:
        del content[key]
    elif kind < 0.3 and isinstance(content, list):
        content.insert(rng.randrange(len(content) + 1), copy.deepcopy(rng.choice(content)))
    elif kind < 0.35 and isinstance(content, list):
        rng.shuffle(content)
    elif kind < 0.45 and isinstance(content, dict):
        content[rng.choice(("x", "", "id", "\ud800", key + "s"))] = content.pop(key)
    else:
        content[key] = copy.deepcopy(rng.choice(_VALUES))
