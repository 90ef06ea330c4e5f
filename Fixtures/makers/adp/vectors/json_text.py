"""The JSON profile (section 4): JSN."""

import json

from makers.adp.files import edited, pack, payload_of, seal, text_of
from makers.adp.frames import block, head
from makers.adp.manifests import fingerprint, first, manifest_of, operation_of, prints
from makers.adp.registry import case, valid
from makers.adp.streams import u8


@valid
def json_escapes(m):
    """every escape of JSON, in names, keys and metadata; a slash escaped; a pair of surrogates; U+0000"""
    m = manifest_of(u8(1, name="t/\U0001f600\u00e9"))
    text = text_of(m).decode().replace("t/\U0001f600\u00e9", r"\u0074\/\uD83D\ude00\u00E9", 1)
    return pack(m, text.replace("{", r'{"metadata":{"\u006b\"":"\\\/\b\f\n\r\t\u0000\u001f\uFFFF\u007F"},', 1).encode())


@valid
def json_space(m):
    """white space of all four kinds wherever JSON allows it, before and after the text too"""
    text = json.dumps(m, indent=1).replace("\n", "\r\n\t").encode()
    return pack(m, b" \t\r\n" + text + b"\r\n \t")


@valid
def json_depth_16(m):
    """an ignored key whose arrays reach depth 16"""
    return {**m, "x": json.loads("[" * 15 + "]" * 15)}


@valid
def json_ignored_numbers(m):
    """numbers under ignored keys that no integer could be: large, negative, fractions, zeros with exponents"""
    return edited(
        m, '{"adapters"', '{"x":[123456789012345678901234567890,-1,1.0,-0.0e+999,0E-9999,2.5e-324],"adapters"'
    )


@valid
def json_key_order(m):
    """keys in another order everywhere: what a key means does not depend on those before it"""

    def turned(value):
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(member) for member in value] if isinstance(value, list) else value

    m = {"requires": [], "metadata": {"k": "v"}, "base": {"name": "n", "fingerprint": fingerprint(prints())}, **m}
    roles = {"a": {"tensor": "a", "window": [[0, 1], [0, 2]]}, "b": "b"}
    first(m).update(operations=[{**operation_of(m), "tensors": roles}], source={"format": "peft", "config": "{}"})
    return pack(m, text_of(turned(m)))


def json_case(name, rule, description, change):
    """The change is one of the manifest's text."""
    case(f"manifest/json_{name}", rule, description, lambda m: pack(m, change(text_of(m))))


def edit(old, new):
    def change(text):
        assert text.count(old) == 1, (old, text)
        return text.replace(old, new)

    return change


def extra(value):
    """An ignored key in front of the manifest's others."""
    return edit(b'{"adapters"', b'{"x":' + value + b',"adapters"')


def scale_as(value):
    return edit(b'"scale":0.5', b'"scale":' + value)


def chunk_as(value):
    return edit(b'"chunk":1024', b'"chunk":' + value)


json_case("bom", "JSN-1", "a byte order mark before the text", lambda text: b"\xef\xbb\xbf" + text)
json_case("utf8_key", "JSN-1", "a cut UTF-8 sequence in an ignored key", edit(b'{"ad', b'{"\xe4\xb8":1,"ad'))
json_case("utf16", "JSN-1", "the text in UTF-16", lambda text: text.decode().encode("utf-16-le"))
json_case("two_values", "JSN-1", "a second value after the text", lambda text: text + b"{}")
json_case("nul_after", "JSN-1", "a zero byte after the text", lambda text: text + b"\0")
json_case("space_other", "JSN-1", "a no-break space after the text", lambda text: text + "\u00a0".encode())
json_case("form_feed", "JSN-1", "a form feed after the text", lambda text: text + b"\f")
json_case("only_space", "JSN-1", "white space and no value", lambda text: b"  \n")
json_case("cut", "JSN-1", "the last brace is missing", lambda text: text[:-1])
json_case("tab_in_key", "JSN-1", "a raw tab in an ignored key", edit(b'{"adapters"', b'{"a\tb":1,"adapters"'))
json_case("string_open", "JSN-1", "the text ends within a string", lambda text: text[: text.index(b"default")])
json_case("bracket_more", "JSN-1", "a bracket more at the end", lambda text: text + b"]")
json_case("record_separator", "JSN-1", "a record separator before the text", lambda text: b"\x1e" + text)
for name, description, value in [
    ("utf8", "a byte of Latin-1", b"layer.w\xe9"),
    ("utf8_end", "a UTF-8 sequence that the end of the string cuts", b"layer.w\xc3"),
    ("control", "a raw line feed", b"layer\nw"),
    ("quote", "a quotation mark that is not escaped", b'layer"w'),
    ("surrogate", "a high surrogate alone", b"layer.\\ud83d"),
]:
    rule = "JSN-3" if name == "surrogate" else "JSN-1"
    json_case(f"target_{name}", rule, f"{description} in a target's name", edit(b"layer.weight", value))
json_case("infinity", "JSN-1", "-Infinity as a number", scale_as(b"-Infinity"))
for name, description, value in [
    ("utf8_overlong", "an overlong encoding of a slash", b'"\xc0\xaf"'),
    ("utf8_surrogate", "a surrogate in UTF-8", b'"\xed\xa0\x80"'),
    ("utf8_beyond", "a code point beyond U+10FFFF", b'"\xf4\x90\x80\x80"'),
    ("utf8_latin1", "a byte of Latin-1", b'"\xe9"'),
    ("trailing_comma", "a comma after the last member of an array", b"[1,]"),
    ("trailing_comma_object", "a comma after the last member of an object", b'{"a":1,}'),
    ("comment", "a comment", b"/* */1"),
    ("single_quotes", "single quotes", b"'a'"),
    ("key_bare", "a key without quotes", b"{a:1}"),
    ("control_in_string", "a raw line feed in a string", b'"a\nb"'),
    ("escape_unknown", "an escape that JSON does not have", b'"\\x41"'),
    ("escape_short", "an escape with three digits", b'"\\u00e"'),
    ("escape_signed", "an escape with a sign among its digits", b'"\\u+0e9"'),
    ("nan", "NaN as a number", b"NaN"),
    ("leading_zero", "a number with a leading zero", b"01"),
    ("leading_plus", "a number with a plus sign", b"+1"),
    ("leading_dot", "a number that begins with its point", b".5"),
    ("trailing_dot", "a number that ends with its point", b"1."),
    ("exponent_empty", "a number with an empty exponent", b"1e"),
    ("hexadecimal", "a hexadecimal number", b"0x10"),
    ("digits_arabic", "a number in Arabic-Indic digits", "\u0661".encode()),
    ("true_capital", "True for true", b"True"),
    ("utf8_continuation", "a continuation byte alone", b'"\x80"'),
    ("utf8_overlong_nul", "an overlong encoding of U+0000", b'"\xc0\x80"'),
    ("utf8_overlong_three", "an overlong encoding of three bytes", b'"\xe0\x9f\xbf"'),
    ("utf8_overlong_four", "an overlong encoding of four bytes", b'"\xf0\x8f\xbf\xbf"'),
    ("utf8_pair", "a pair of surrogates in UTF-8", b'"\xed\xa0\xbd\xed\xb8\x80"'),
    ("utf8_five", "a sequence of five bytes", b'"\xf8\x88\x80\x80\x80"'),
    ("escape_letter", "an escape with a letter that is no digit", b'"\\u00g0"'),
    ("escape_capital", "an escape with a capital U", b'"\\U00e9"'),
    ("escape_braces", "an escape with braces", b'"\\u{e9}"'),
    ("leading_zero_negative", "a negative number with a leading zero", b"-01"),
    ("minus_alone", "a minus sign alone", b"-"),
    ("exponent_sign_alone", "an exponent of a sign alone", b"1e+"),
    ("exponent_fraction", "an exponent with a point", b"1e1.5"),
    ("separators", "a number with an underscore", b"1_0"),
    ("suffix", "a number with a letter after it", b"1f"),
    ("literal_cut", "a literal without its last letter", b"nul"),
    ("literal_long", "a literal with a letter more", b"nulll"),
    ("comma_absent", "two elements without a comma", b"[1 2]"),
    ("comma_alone", "an array of a comma", b"[,]"),
    ("comma_twice", "two commas in an array", b"[1,,2]"),
    ("colon_absent", "a key without a colon", b'{"a" 1}'),
    ("value_absent", "a key without a value", b'{"a":}'),
    ("key_number", "a number as a key", b"{1:1}"),
    ("brackets_crossed", "an array that a brace closes", b"[1}"),
]:
    json_case(name, "JSN-1", description, extra(value))

emoji_twice = '{"\U0001f600":1,"\\ud83d\\ude00":1}'.encode()
json_case("key_twice", "JSN-2", "the key chunk twice, with the same value", chunk_as(b'1024,"chunk":1024'))
json_case("key_twice_escaped", "JSN-2", "a key twice, once with an escape", extra(b'{"a":1,"\\u0061":2}'))
json_case("key_twice_surrogates", "JSN-2", "an emoji twice as a key, raw and as surrogates", extra(emoji_twice))
json_case("key_twice_empty", "JSN-2", "the empty key twice", extra(b'{"":1,"":1}'))
forty = b",".join(b'"%d":0' % (index % 39) for index in range(40))
json_case("key_twice_far", "JSN-2", "a key twice, with 38 others between", extra(b"{" + forty + b"}"))
empty_adapters = edit(b'{"adapters"', b'{"adapters":[],"adapters"')
json_case("key_twice_adapters", "JSN-2", "the key adapters twice, the first time without adapters", empty_adapters)
in_metadata = edit(b'{"adapters"', b'{"metadata":{"license":"a","license":"b"},"adapters"')
json_case("key_twice_metadata", "JSN-2", "a key of metadata twice", in_metadata)
json_case("key_twice_role", "JSN-2", "a role twice", edit(b'"b":"b"', b'"b":"b","b":"b"'))
json_case("key_twice_scale", "JSN-2", "scale twice, with other values", scale_as(b'1,"scale":2'))
in_tensor = edit(b'"name":"b"', b'"name":"b","name":"b"')
json_case("key_twice_name", "JSN-2", "a tensor's name twice", in_tensor)
print_twice = b'"e":["U8",[],"' + b"0" * 32 + b'",null]'
print_twice = b'{"base":{"fingerprint":{"tensors":{' + print_twice + b"," + print_twice + b'},"digest":""}},"adapters"'
json_case("key_twice_fingerprint", "JSN-2", "a stored tensor twice in a fingerprint", edit(b'{"adapters"', print_twice))
in_later = edit(b'"operations":[', b'"operations":[{"op":"later","tensors":{},"x":[{"y":1,"y":1}]},')
json_case("key_twice_opaque", "JSN-2", "a key twice, deep in an opaque operation", in_later)
in_stream = edit(b'"code":', b'"x":{"y":1,"y":1},"code":')
json_case("key_twice_opaque_stream", "JSN-2", "a key twice below an unknown key of a stream", in_stream)
json_case("surrogate_high", "JSN-3", "a high surrogate alone", extra(b'"\\ud800"'))
json_case("surrogate_low", "JSN-3", "a low surrogate alone", extra(b'"\\udc00"'))
json_case("surrogate_reversed", "JSN-3", "a low surrogate before a high one", extra(b'"\\ude00\\ud83d"'))
json_case("surrogate_high_high", "JSN-3", "two high surrogates and a low one", extra(b'"\\ud83d\\ud83d\\ude00"'))
json_case("surrogate_then_escape", "JSN-3", "a high surrogate before another escape", extra(b'"\\ud83d\\u0041"'))
json_case("surrogate_key", "JSN-3", "a surrogate in an ignored key", extra(b'{"\\udfff":1}'))
json_case("integer_point", "JSN-4", "an integer written 1024.0", chunk_as(b"1024.0"))
json_case("integer_exponent", "JSN-4", "an integer written 1.024e3", chunk_as(b"1.024e3"))
json_case("integer_negative", "JSN-4", "a dimension of -1", edit(b'"shape":[1,2]', b'"shape":[-1,2]'))
minus_zero = edit(b'"a":"a"', b'"a":{"tensor":"a","window":[[-0,1],[0,2]]}')
json_case("integer_minus_zero", "JSN-4", "a start of -0 in a window", minus_zero)
file_2_53 = b'"files":[{"path":"x","size":9007199254740992,"sha256":"' + b"0" * 64 + b'"}],"operations"'
json_case("integer_2_53", "JSN-4", "a file's size of 2^53", edit(b'"operations"', file_2_53))
only_wrapped = "a chunk of 2^64 + 1024: right only where it wraps"
json_case("integer_2_64", "JSN-4", only_wrapped, chunk_as(b"18446744073709552640"))
json_case("integer_crc_point", "JSN-4", "a CRC written with a point", edit(b"]]}]}]}", b".0]]}]}]}"))
json_case("overflow", "JSN-5", "a scale of 1e309", scale_as(b"1e309"))
json_case("overflow_rounding", "JSN-5", "a scale that rounds up to infinity", scale_as(b"1.7976931348623159e308"))
json_case("overflow_digits", "JSN-5", "400 digits under an ignored key", extra(b"1" * 400))
json_case("overflow_exponent", "JSN-5", "an exponent of 24 digits", scale_as(b"-1e" + b"9" * 24))
json_case("underflow", "JSN-5", "a scale of 1e-400", scale_as(b"1e-400"))
to_zero = "2.4e-324 under an ignored key, which rounds to zero"
json_case("underflow_rounding", "JSN-5", to_zero, extra(b"-2.4e-324"))
json_case("underflow_digits", "JSN-5", "400 zeros after the point, then a 1", extra(b"0." + b"0" * 400 + b"1"))
in_later = edit(b'"operations":[', b'"operations":[{"op":"later","tensors":{},"x":-1e999},')
json_case("overflow_opaque", "JSN-5", "-1e999 under an unknown key of an opaque operation", in_later)
in_stream = edit(b'"code":', b'"x":1e-999,"code":')
json_case("underflow_opaque", "JSN-5", "1e-999 under an unknown key of a stream", in_stream)
json_case("depth_17", "JSN-6", "arrays that reach depth 17", extra(b"[" * 16 + b"]" * 16))
json_case("depth_17_objects", "JSN-6", "objects that reach depth 17", extra(b'{"a":' * 16 + b"0" + b"}" * 16))
in_later = edit(b'"operations":[', b'"operations":[{"op":"later","tensors":{},"x":' + b"[" * 12 + b"]" * 12 + b"},")
json_case("depth_17_opaque", "JSN-6", "arrays in an opaque operation that reach depth 17", in_later)
json_case("depth_17_value", "JSN-6", "arrays that reach depth 17 as a scale", scale_as(b"[" * 12 + b"]" * 12))
twenty = edit(b'"shape":[1,2]', b'"shape":[1,' + b"9" * 20 + b"]")
json_case("integer_20_digits", "JSN-4", "a dimension of 20 digits", twenty)
opaque_point = edit(b'"chunk":1024', b'"later":0,"chunk":0.5')
json_case("integer_opaque_chunk", "JSN-4", "a chunk of 0.5 in an opaque stream", opaque_point)
opaque_row = edit(b'"chunk":1024', b'"later":0,"chunk":1024')
row_point = edit(b"[[13,13,16,16,", b"[[13,13,16,16.0,")
json_case("integer_opaque_row", "JSN-4", "a size written 16.0 in an opaque stream", lambda t: row_point(opaque_row(t)))
opaque_shape = edit(b'"operations":[', b'"operations":[{"op":"later","tensors":{},"shape":[-1]},')
json_case("integer_opaque_shape", "JSN-4", "a dimension of -1 in an opaque operation's shape", opaque_shape)


def depth_million(m):
    left, right = text_of(m).split(b'"adapters"')
    left += b'"x":'
    right = b',"adapters"' + right
    deep = [block(1, 2**17, byte) for byte in (b"[", b"]") for _ in range(4)]
    text = left + b"[" * 2**19 + b"]" * 2**19 + right
    stored = head(len(text)) + block(0, len(left), left) + b"".join(deep) + block(0, len(right), right, True)
    return seal(payload_of(m), stored, text)


case("manifest/json_depth_million", "JSN-6", "half a million arrays in each other, in a small file", depth_million)
