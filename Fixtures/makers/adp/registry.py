"""The tables of all files of the corpus, which the modules of `vectors` fill.

A function makes one file out of its argument, a fresh manifest of valid/example.adp. It returns the file, or a manifest
to be packed, or nothing where it changed the one given. A valid file has the name of its function, whose docstring is
the description in RULES.tsv; an invalid one has a path, the rules that it breaks and a description.
"""

from makers.adp.files import payload_of, seal, text_of

VALID = {}
INVALID = {}


def valid(maker):
    assert maker.__name__ not in VALID
    VALID[maker.__name__] = maker
    return maker


def case(path, rules, description, change):
    """Registers a file. A change returns the file, or another manifest, or nothing where it changed the one given."""
    assert path not in INVALID, path
    INVALID[path] = (rules.split(), description, change)


def manifest_case(name, rules, description, change):
    case(f"manifest/{name}", rules, description, change)


def manifest_frame(path, rules, description, stored, decoded=len):
    """The stored manifest and its decoded length are functions of its text."""
    case(path, rules, description, lambda m: seal(payload_of(m), stored(text_of(m)), decoded(text_of(m))))
