"""Changes of a sound file: of the manifest's values and text, of payload and envelope. What guards them is mended, so
that a change meets the rules behind: the manifest's digest, and mostly sizes and checksums of the payload's frames.

A change is a function of what draws and of an `Opened` file, which it changes: its tree, or its text, or its frames.
"""

import struct

import zstandard
from makers.adp.files import seal
from makers.adp.frames import frame
from tree import member, text_of, tree_of

CHANGES = []


class Opened:
    """A file's frames and its manifest, to be changed and sealed again."""

    def __init__(self, data):
        self.offset, stored, self.decoded = struct.unpack("<QQQ", data[-64:-40])
        self.text = zstandard.ZstdDecompressor().decompress(data[self.offset : -64])
        self.tree = tree_of(self.text)
        self.payload = data[16 : self.offset]
        self.stored, self.whole, self.lies = None, None, {}  # how the text is stored; the whole file; of the footer

    def rows(self):
        """Of each chunk: its row, its place in the payload, and its stream."""
        at = 0
        for adapter in member(self.tree, "adapters"):
            for stream in member(adapter, "streams"):
                for row in member(stream, "chunks"):
                    yield row, at, stream
                    at += sum(map(int, row[:-1]))

    def sealed(self):
        if self.whole is not None:
            return self.whole
        text = text_of(self.tree).encode(errors="surrogatepass") if self.text is None else self.text
        stored = frame(text) if self.stored is None else self.stored(text)
        return seal(self.payload, stored, text, **self.lies)


def mutated(draw, data):
    """The bytes of a changed file, and the names of the changes: several of values, or one of another kind."""
    opened = Opened(data)
    function, kind = draw_change(draw, CHANGES)
    changes = [function]
    if kind == "values":
        opened.text = None
        others = [each for each in CHANGES if each[1] == "values"]
        changes += [draw_change(draw, others)[0] for _ in range(draw.weighed({0: 8, 1: 2, 2: 1}))]
    for each in changes:
        try:
            each(draw, opened)
        except (AttributeError, IndexError, TypeError, ValueError):
            break  # the change before has left nothing of the kind that this one changes
    return opened.sealed(), " and ".join(each.__name__ for each in changes)


def draw_change(draw, changes):
    return draw.weighed({(function, kind): weight for function, kind, weight in changes})


def change(kind, weight):
    def add(function):
        CHANGES.append((function, kind, weight))
        return function

    return add
