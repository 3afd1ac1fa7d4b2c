"""Encodes values as netlink attributes with nothing but struct: an opinion independent of nearwire's.

stdin:  one JSON object {"definitions", "values"}; definitions map a name to {id, type, byteOrder?, multi?, of?, members?}
stdout: one line of hexadecimal a value
64-bit integers are strings, bytes hexadecimal.
"""
import json
import struct
import sys

CODES = {"u8": "B", "s8": "b", "u16": "H", "s16": "h", "u32": "I", "s32": "i", "u64": "Q", "s64": "q"}


def integer(kind, value, order=None):
    value = int(value)
    if kind in ("uint", "sint"):
        short, wide = ("I", "Q") if kind == "uint" else ("i", "q")
        fits = 0 <= value < 1 << 32 if kind == "uint" else -(1 << 31) <= value < 1 << 31
        code = short if fits else wide
    else:
        code = CODES[kind]
    return struct.pack((">" if order == "big-endian" else "<") + code, value)


def attribute(kind, payload):
    length = len(payload) + 4
    return struct.pack("<HH", length, kind) + payload + b"\0" * (-length % 4)


NESTED = 0x8000


def one(definition, number, value):
    kind = definition["type"]
    if kind == "flag":
        return attribute(number, b"") if value else b""
    if kind == "string":
        return attribute(number, value.encode() + b"\0")
    if kind == "binary":
        if "of" in definition:
            return attribute(number, b"".join(integer(definition["of"], v) for v in value))
        if "members" in definition:
            parts = [integer(m, value[name]) for name, m in definition["members"].items()]
            return attribute(number, b"".join(parts))
        return attribute(number, bytes.fromhex(value))
    if kind == "bitfield32":
        return attribute(number, struct.pack("<II", value["value"], value["selector"]))
    if kind == "nested":
        return attribute(number | NESTED, many(definition["of"], value))
    if kind == "array":
        parts = [one(definition["of"], i + 1, v) for i, v in enumerate(value)]
        return attribute(number | NESTED, b"".join(parts))
    return attribute(number, integer(kind, value, definition.get("byteOrder")))


def many(definitions, values):
    out = b""
    for name, value in values.items():
        definition = definitions[name]
        for single in value if definition.get("multi") else [value]:
            out += one(definition, definition["id"], single)
    return out


def main():
    task = json.load(sys.stdin)
    for values in task["values"]:
        print(many(task["definitions"], values).hex())


main()
