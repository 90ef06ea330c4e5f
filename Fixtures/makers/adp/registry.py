"""The tables of all files of the corpus, which the modules of `vectors` fill.

A function makes one file out of its argument, a fresh manifest of valid/example.adp. It returns the file, or a manifest
to be packed, or nothing where it changed the one given. A valid file has the name of its function, whose docstring is
its description; an invalid one has a path, whose folder is the kind of error, the rules that it breaks, a description,
and the level of the readers that must refuse it (section 10). A file of a group has keys of conformance.json.
"""

from makers.adp.files import payload_of, seal, text_of

VALID = {}
INVALID = {}
EITHER = {}


def valid(maker):
    assert maker.__name__ not in VALID
    VALID[maker.__name__] = maker
    return maker


def case(path, rules, description, change, level=1):
    """Registers a file. A change returns the file, or another manifest, or nothing where it changed the one given."""
    assert path not in INVALID, path
    INVALID[path] = (rules.split(), description, level, change)


def manifest_case(name, rules, description, change):
    case(f"manifest/{name}", rules, description, change)


def manifest_frame(path, rules, description, stored, decoded=len):
    """The stored manifest and its decoded length are functions of its text."""

    def change(m):
        text = text_of(m)
        return seal(payload_of(m), stored(text), text, decoded=decoded(text))

    case(path, rules, description, change)


def either(name, description, make, **keys):
    """Registers a file of a group, of which a reader accepts one at most."""
    EITHER[name] = (description, make, keys)
