#!/usr/bin/env python3
"""Reads and checks `.adp` files, version 1.0: written from adp-v1.md alone, to be short and whole.

Usage: reader.py check FILE... | reader.py list FILE | reader.py extract FILE FOLDER
"""
import hashlib
import io
import json
import math
import re
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import zstandard

HEADER = b"\x89ADP\r\n\x1a\n\1\0\0\0\0\0\0\0"
BITS = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8,
        "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16,
        "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64,
        "U64": 64}
WIDTH = {dtype: max(bits // 8, 1) for dtype, bits in BITS.items()} | {"C64": 4}  # bytes of a unit
EXPONENT = {"F16": 0x7C00, "BF16": 0x7F80, "F32": 0x7F800000, "C64": 0x7F800000,
            "F64": 0x7FF << 52}  # the mask in a unit; these types are rotated
FLOATS = set(EXPONENT) - {"C64"}

# Types of JSON values: int; float, any number; None, null; object, anything; a pattern of a string's
# UTF-8; [type], an array; [type, type], an array of two; (type, type), the second for an object;
# {key: type}, an object, where * marks a required key and a pattern stands for all keys.
TEXT, HEX32, SHA256, SHAPE = rb"(?s:.*)", rb"[0-9a-f]{32}", rb"[0-9a-f]{64}", [int]
NAME = rb"(?!__metadata__\Z)[^\0-\x1f\x7f]{1,1024}"
OPERAND = (NAME, {"tensor*": NAME, "window*": [[int, int]]})
OPERATION = {"op*": TEXT, "target": NAME, "tensors*": {TEXT: OPERAND}, "shape": SHAPE, "bound": [NAME]}
LOW_RANK = OPERATION | {
    "target*": NAME, "tensors*": {"a*": OPERAND, "b*": OPERAND}, "scale*": float,
    "layout*": b"out_in|in_out|unresolved",
    "layout_from": b"base|name|flag|siblings|model_type|user"}
STREAM = {"dtype*": TEXT, "code*": TEXT, "chunk*": int, "chunks*": [[int]],
          "tensors*": [{"name*": NAME, "shape*": SHAPE, "sha256*": SHA256}]}
ADAPTER = {
    "name*": rb"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", "method*": rb"[a-z0-9_]{1,64}",
    "inert": [{"tensor*": NAME, "reason*": TEXT}], "nonfinite": [NAME],
    "operations*": [OPERATION], "streams*": [STREAM],
    "source": {"format*": TEXT, "config": TEXT, "sha256": SHA256, "header": TEXT},
    "files": [{"path*": rb"(?!\.\.?\Z)[^\0-\x1f\x7f/\\]{1,255}", "size*": int, "sha256*": SHA256,
               "tensor": NAME}]}
FINGERPRINT = {"tensors*": {NAME: ["|".join(BITS).encode(), SHAPE, HEX32, object]},
               "digest*": SHA256, "sketch": {TEXT: rb"[0-9a-f]{256}"}}
MANIFEST = {
    "generator": TEXT, "requires": [TEXT], "metadata": {TEXT: TEXT}, "adapters*": [ADAPTER],
    "base": {"name": TEXT, "revision": TEXT, "architecture": TEXT, "fingerprint": FINGERPRINT}}


class AdpError(Exception):
    """A breach of the rules; its arguments are one of the kinds of section 11 and a message."""


def require(condition, kind, message):
    if not condition:
        raise AdpError(kind, message)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def check_type(value, schema):
    if isinstance(schema, tuple):
        schema = schema[isinstance(value, dict)]
    if schema is None:
        require(value is None, "manifest", "MAN-1: null expected")
    elif schema in (int, float):
        require(schema is float or type(value) is not float, "json", "JSN-4: integer expected")
        require(type(value) in (int, schema), "manifest", "MAN-1: number expected")
    elif isinstance(schema, bytes):
        require(isinstance(value, str), "manifest", "MAN-1: string expected")
        require(re.fullmatch(schema, value.encode()), "manifest", f"MAN-1: not {schema}")
    elif isinstance(schema, list):
        require(isinstance(value, list), "manifest", "MAN-1: array expected")
        parts = schema * len(value) if len(schema) == 1 else schema
        require(len(value) == len(parts), "manifest", f"MAN-1: {len(parts)} members expected")
        for member, part in zip(value, parts):
            check_type(member, part)
        legal = schema is not SHAPE or len(value) <= 8 and math.prod(filter(None, value)) < 2**53
        require(legal, "limit", "LIM-3, LIM-4: shape")
    elif isinstance(schema, dict):
        require(isinstance(value, dict), "manifest", "MAN-1: object expected")
        for key, part in schema.items():
            if isinstance(key, bytes):
                check_type([*value], [key])
                check_type([*value.values()], [part])
            elif key.rstrip("*") in value:
                check_type(value[key.rstrip("*")], part)
            else:
                require(key[-1] != "*", "manifest", f"MAN-1: {key} is missing")


def has_unknown_key(value, schema):
    if isinstance(schema, tuple):
        schema = schema[1]
    if isinstance(value, list) and isinstance(schema, list):
        return any(has_unknown_key(member, schema[0]) for member in value)
    if not isinstance(value, dict) or not isinstance(schema, dict):
        return False
    known = {key.rstrip("*"): part for key, part in schema.items()}
    return any(key not in known or has_unknown_key(value[key], known[key]) for key in value)


def frame(data, n):
    """The n bytes of a frame (FRM-1 to FRM-3)."""
    tag, width, size = (0x20, 1, n) if n < 256 else (0x60, 2, n - 256) if n < 65792 else (0xA0, 4, n)
    start = b"\x28\xB5\x2F\xFD" + bytes([tag]) + size.to_bytes(width, "little")
    require(data.startswith(start), "frame", f"FRM-1: not a frame of {n} bytes")
    at, last = len(start), 0
    while not last:
        block = int.from_bytes(data[at:at + 3], "little")
        last, kind, size = block & 1, block >> 1 & 3, block >> 3
        require(at + 3 <= len(data) and kind < 3 and size <= min(n, 2**17), "frame", "FRM-2: block")
        at += 3 + (1 if kind == 1 else size)
    require(at == len(data), "frame", "FRM-2: the last block does not end the frame")
    try:
        content = zstandard.ZstdDecompressor().decompress(data, max_output_size=n)
    except zstandard.ZstdError as error:
        raise AdpError("frame", f"FRM-3: {error}")
    require(len(content) == n, "frame", "FRM-3: length")
    return content
