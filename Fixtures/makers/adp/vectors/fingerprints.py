"""The base and its fingerprint (section 7): FPR."""

from makers.adp.changes import drop, put, whole
from makers.adp.manifests import fingerprint, print_of, prints
from makers.adp.registry import manifest_case, valid
from makers.adp.streams import f32


@valid
def base(m):
    """a base with everything, a fingerprint with a sketch too, and the generator"""
    sketch = {"layer.weight": f32(*range(32)).hex()}
    texts = {"name": "tiny", "revision": "main", "architecture": "TinyForCausalLM"}
    return {"generator": "make_adp 1", "base": {**texts, "fingerprint": fingerprint(prints(), sketch=sketch)}, **m}


@valid
def fingerprint_sketches(m):
    """a sketch of 256 tensors of the four types that have a value, the most there may be (FPR-1)"""
    types = ["F16", "BF16", "F32", "F64"]
    tensors = {f"t{index}": print_of(f"t{index}", types[index % 4], [index]) for index in range(257)}
    sketch = {f"t{index}": f32(*range(index, index + 32)).hex() for index in range(256)}
    return {"base": {"fingerprint": fingerprint(tensors, sketch=sketch)}, **m}


@valid
def fingerprint_unknown_key(m):
    """an unknown key in the fingerprint (MAN-7)"""
    return {"base": {"fingerprint": fingerprint(prints(), **{"x-sampler": [1, None]})}, **m}


def fingerprint_case(name, description, change, seal_after=True, rule="FPR-1"):
    """A changed fingerprint, whose digest is right unless told otherwise."""

    def made(m):
        print_ = fingerprint(prints(), sketch={"layer.weight": f32(*range(32)).hex()})
        change(print_)
        if seal_after:
            print_["digest"] = fingerprint(print_["tensors"])["digest"]
        return {"base": {"fingerprint": print_}, **m}

    manifest_case(f"fingerprint_{name}", rule, description, made)


def weight(print_):
    return print_["tensors"]["layer.weight"]


def tensors_in(print_):
    return print_["tensors"]


def sketch_in(print_):
    return print_["sketch"]


valued = put(tensors_in, "step", ["I64", [], "0" * 32, "0" * 32])
of_others = "the fingerprint's digest is that of other entries"
fingerprint_case("digest", of_others, put(whole, "digest", "0" * 64), False)
fingerprint_case("dtype", "an unknown element type in an entry", put(weight, 0, "F128"))
fingerprint_case("shape", "an entry's shape is a number", put(weight, 1, 4), False)
fingerprint_case("exact_short", "an entry's exact has 31 digits", put(weight, 2, "0" * 31))
fingerprint_case("exact_letter", "an entry's exact has a g", put(weight, 2, "g" * 32))
fingerprint_case("exact_upper", "an entry's exact in capitals", put(weight, 2, "A" * 32))
fingerprint_case("exact_null", "an entry's exact is null", put(weight, 2, None))
fingerprint_case("value_null", "an entry of F32 whose value is null", put(weight, 3, None))
fingerprint_case("value_upper", "an entry's value in capitals", put(weight, 3, "A" * 32))
fingerprint_case("value_of_integer", "an entry of I64 with a value", valued)
fingerprint_case("entry_short", "an entry of three members", drop(weight, 3), False)
fingerprint_case("entry_long", "an entry of five members", lambda print_: weight(print_).append(0), False)
fingerprint_case("entry_object", "an entry is an object", put(tensors_in, "step", {}), False)
fingerprint_case("sketch_unknown", "a sketch of a tensor without an entry", put(sketch_in, "x", "0" * 256))
fingerprint_case("sketch_short", "a sketch of 254 digits", put(sketch_in, "layer.weight", "0" * 254))
fingerprint_case("sketch_valueless", "a sketch of a tensor whose value is null", put(sketch_in, "step", "0" * 256))
fingerprint_case("sketch_upper", "a sketch in capitals", put(sketch_in, "layer.weight", "A" * 256))


def sketch_of_257(print_):
    names = [f"t{index}" for index in range(257)]
    print_["tensors"] = {name: print_of(name, "F32", [1]) for name in names}
    print_["sketch"] = dict.fromkeys(names, "0" * 256)


fingerprint_case("sketch_many", "a sketch of 257 tensors", sketch_of_257)
fingerprint_case("missing_tensors", "a fingerprint without tensors", drop(whole, "tensors"), False)
fingerprint_case("missing_digest", "a fingerprint without a digest", drop(whole, "digest"), False)
nine_print, large_print = put(weight, 1, [1] * 9), put(weight, 1, [0, 2**32, 2**21])
fingerprint_case("dimensions_9", "an entry's shape has nine dimensions", nine_print, rule="LIM-3")
fingerprint_case("product", "an entry's non-zero dimensions reach 2^53", large_print, rule="LIM-4")
