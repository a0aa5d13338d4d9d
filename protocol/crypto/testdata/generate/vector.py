# SPDX-License-Identifier: Apache-2.0
"""Reads and writes files of vectors; their form is in vectors/README.md."""

import pathlib
import re

TESTDATA = pathlib.Path(__file__).resolve().parent.parent


def read(path):
    """Yields the blocks of a file as dictionaries of text."""
    block = {}
    for line in [*path.read_text().splitlines(), ""]:
        if line.startswith("#"):
            continue
        if line:
            key, _, value = line.partition(":")
            block[key] = value.strip()
        elif block:
            yield block
            block = {}


def hexadecimal(octets):
    """Writes octets, with a long run of the same one as WORD*N."""
    runs = re.finditer(rb"(.)\1{31,}", octets, re.DOTALL)
    words, at = [], 0
    for run in runs:
        words += [octets[at : run.start()].hex(), f"{run[1].hex()}*{len(run[0])}"]
        at = run.end()
    return " ".join(w for w in [*words, octets[at:].hex()] if w)


class File:
    """Collects vectors and writes them when it is closed."""

    names = set()

    def __init__(self, name, about):
        self.path = TESTDATA / "vectors" / f"{name}.txt"
        self.text = "".join(f"# {line}\n" for line in about.splitlines())
        self.text += "# The form of this file is described in README.md. Made by ../generate: do not edit.\n"
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *failed):
        if not any(failed):
            self.path.write_text(self.text)
            print(f"{self.path.name}: {self.count} vectors")

    def add(self, vector_name, source, operation, **fields):
        """Adds a vector; a field that is None is left out."""
        if vector_name in File.names:
            raise ValueError(f"{vector_name} twice")
        File.names.add(vector_name)
        self.text += f"\nname: {vector_name}\nsource: {source}\noperation: {operation}\n"
        for key, value in fields.items():
            if value is None:
                continue
            if isinstance(value, bool):
                value = str(value).lower()
            elif isinstance(value, bytes | bytearray):
                value = hexadecimal(value)
            key = key.replace("_", "-")
            self.text += f"{key}: {value}".rstrip() + "\n"
        self.count += 1


def number(value, length=None):
    """An integer as octets, big endian."""
    return value.to_bytes(length or max(1, (value.bit_length() + 7) // 8), "big")
