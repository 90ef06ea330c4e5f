"""Makes tokenizers/: small tokenizers in the forms of known families, and what the `tokenizers`
package does with generated texts. See Fixtures/README.md. In Fixtures,

    python3 -m makers.tokenizers             writes everything
    python3 -m makers.tokenizers --real DIR  prints the same digests for DIR/tokenizer.json
    python3 -m makers.tokenizers --unicode   prints CanonicalTable.swift
"""
import hashlib
import json
import os
import struct
import sys

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, processors, trainers)

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tokenizers")
COUNT, BLOCK, SEQUENCES = 12000, 100, 3000
MASK = (1 << 64) - 1

# Characters of many scripts, as ranges; some hold unassigned ones, which is as it should be.
RANGES = [
    (0x20, 0x7E), (0x20, 0x7E), (0x41, 0x5A), (0x61, 0x7A), (0x00, 0x20), (0x7F, 0xA0), (0xA0, 0x17F),
    (0x180, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x58F),
    (0x590, 0x5FF), (0x600, 0x6FF), (0x700, 0x7FF), (0x800, 0x8FF), (0x900, 0x97F), (0x980, 0xA7F),
    (0xA80, 0xB7F), (0xB80, 0xC7F), (0xC80, 0xD7F), (0xD80, 0xE7F), (0xE80, 0xFFF), (0x1000, 0x10FF),
    (0x1100, 0x11FF), (0x1200, 0x139F), (0x13A0, 0x16FF), (0x1700, 0x18FF), (0x1900, 0x1AFF),
    (0x1B00, 0x1CFF), (0x1D00, 0x1DFF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x218F),
    (0x2190, 0x23FF), (0x2400, 0x27BF), (0x2C00, 0x2DFF), (0x2E00, 0x303F), (0x3040, 0x30FF),
    (0x3100, 0x33FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7FF),
    (0xE000, 0xE0FF), (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFFFF), (0x10000, 0x103FF),
    (0x10400, 0x10FFF), (0x11000, 0x117FF), (0x11800, 0x11FFF), (0x12000, 0x16FFF),
    (0x1B000, 0x1BCFF), (0x1CC00, 0x1DFFF), (0x1E000, 0x1EFFF), (0x1F000, 0x1FAFF), (0x1FB00, 0x1FBFF),
    (0x20000, 0x2FFFF), (0x30000, 0x3FFFF), (0xE0000, 0xE01FF), (0x10FF00, 0x10FFFF),
]
SPACES = [" ", "  ", "   ", "\n", "\n\n", "\r\n", "\r", "\t", " \n", "\n ", " \t ", "\v", "\f", "\u0085",
          "\u00a0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u180e",
          "\u200b", "\ufeff", "\u001c", "\u001f", " \r\n ", "\n\n  \n", "    ", "        "]
FRAGMENTS = [
    "Hello, world!", "It's John's, isn't it? I'd say we've, they're, she'll, I'm.",
    "IT'S JOHN'S, ISN'T IT? I'D SAY WE'VE, THEY'RE, SHE'LL, I'M.", "'s 'S 't 'T 're 'Re 'rE 'RE",
    "'\u017f 'S\u017f '\u017ft", "' s '' 'sss 'lll 'l 'r 'v 've'd'm", "\u2019s \u2019t",
    "def f(x: int) -> int:\n    return x ** 2  # square\n", "for (int i = 0; i < n; ++i) { a[i] += 1; }",
    "#include <stdio.h>\r\n\r\nint main(void) {\r\n\treturn 0;\r\n}\r\n", "SELECT * FROM t WHERE a='b' -- no",
    "https://example.org/a_b?c=d&e=%20#f", "<html><body class=\"x\">&nbsp;</body></html>",
    "1234567890", "3.14159", "1,000,000", "0x1F", "1e-9", "v2.0.1-rc3", "12 34 5678 90123 456789",
    "\u0661\u0662\u0663\u0664", "\u0967\u0968\u0969", "\u2160\u2161\u2162", "\u00b2\u00b3\u00bc\u00bd",
    "\u2460\u2461\u3280", "\U0001d7d8\U0001d7d9", "\U00011de0\U00011de1", "\U00016ff4", "\u0be7\u0be8\u0bf0",
    "Gr\u00fc\u00dfe aus K\u00f6ln", "Gru\u0308\u00dfe, K\u006f\u0308ln", "\u00e9\u0065\u0301\u0301",
    "\u1e9b\u0323", "q\u0307\u0323", "\u212b \u2126 \u1fef", "\u0958 \u095c", "\u1100\u1161\u11a8 \uac00\u11a8",
    "a\u0345\u1ac2", "a\u0345\u0897", "\U00011935\U00011930", "\U00016121\U0001611f", "\u0344\u0f73\u0f75",
    "\u0627\u0644\u0633\u0644\u0627\u0645 \u0639\u0644\u064a\u0643\u0645\u060c \u0643\u064a\u0641\u061f",
    "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e\u0964",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01", "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u3001",
    "\u3053\u3093\u306b\u3061\u306f\u4e16\u754c\u2026", "\u304b\u3099 \u30cf\u309a", "\uc548\ub155 \uc138\uc0c1",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", "\u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5 \u03ba\u03cc\u03c3\u03bc\u03b5",
    "\u06d4 \u060c \u0964", "(a|b) [c] {d} ||", "...!!!???", "\u2026\u2026", " . , ! ?", "a.b,c!d?e",
    "\U0001f600\U0001f4a9", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f3f3\ufe0f\u200d\U0001f308",
    "\U0001f44d\U0001f3fd", "\U0001f1e9\U0001f1ea\U0001f1eb", "1\ufe0f\u20e3", "z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334",
    "Luke, the quick brown fox jumps over the lazy dog", "the of and to in is you that it he was for on are as with",
    "\u0000", "\u0001\u0004\u0006\u0013\u0014\u0016\u001d", "\u007f", "\ufffd", "\ufffe\uffff", "\U00050000\U000f0000",
    "\u0130\u0131\u1e9e\ufb03", "camelCaseAndSnake_case", "a" * 40, "ab" * 30, "_____", "=====", "\\n\\t",
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_start|>user\nHi<|im_end|>\n", "<|endoftext", "|>",
    "<s>", "</s>", "<pad>", "<unk>", "<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>",
    "<|end_header_id|>", "<|end_of_text|>", "<repo_name>", "<mask>", "<left>", "<right>", "<word>",
    "word<word>word", "\u00e9<word>\u0301", "caf\u00e9!", "cafe\u0301!", "caf\u00e9 noir", "cafe\u0301 noir", "new word", "<long><longer>", "<longer", " <mask> ",
    "\u2003<left>\n", "\t<right>\u00a0", "<left><right> <left> <right>",
]


class Generator:
    """splitmix64."""

    def __init__(self, seed):
        self.state = seed & MASK

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, count):
        return self.next() % count


def scalar(g, low, high):
    value = low + g.below(high - low + 1)
    return chr(0xFFFD if 0xD800 <= value < 0xE000 else value)


def part(g):
    kind = g.below(12)
    if kind < 4:
        return FRAGMENTS[g.below(len(FRAGMENTS))]
    if kind < 6:
        return SPACES[g.below(len(SPACES))]
    if kind == 6:
        return scalar(g, 0, 0x10FFFF)
    if kind == 7:
        low, high = RANGES[g.below(len(RANGES))]
        one = scalar(g, low, high)
        return one * (1 + g.below(20))
    if kind == 8:
        data = bytes(g.below(256) for _ in range(1 + g.below(12)))
        return data.decode("utf-8", errors="replace")
    if kind == 9:
        return "".join(scalar(g, 0x20, 0x7E) for _ in range(1 + g.below(12)))
    low, high = RANGES[g.below(len(RANGES))]
    return "".join(scalar(g, low, high) for _ in range(1 + g.below(12)))


def text(index):
    """A text: some parts, or now and then a very long run of one of them."""
    if index == 0:
        return ""
    g = Generator(index)
    if index % 400 == 7:
        one = part(g)
        return one * (1 + 3000 // (1 + len(one.encode())))
    return "".join(part(g) for _ in range(1 + g.below(12)))


def sequence(index, size):
    """Ids, a few of which are none."""
    g = Generator(1_000_000 + index)
    return [g.below(size + 3) for _ in range(g.below(24))]


def digest_ids(lists):
    h = hashlib.sha256()
    for ids in lists:
        h.update(struct.pack(f"<{len(ids) + 1}I", len(ids), *ids))
    return h.hexdigest()[:24]


def digest_texts(texts):
    h = hashlib.sha256()
    for one in texts:
        data = one.encode()
        h.update(struct.pack("<I", len(data)) + data)
    return h.hexdigest()[:24]


def blocks(count):
    return [range(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]


def expectations(tokenizer):
    """What the package does with all texts and sequences."""
    encoded = [tokenizer.encode(text(i)).ids for i in range(COUNT)]
    size = tokenizer.get_vocab_size()
    sequences = [sequence(i, size) for i in range(SEQUENCES)]
    plain = [tokenizer.decode(ids, skip_special_tokens=False) for ids in sequences]
    skipped = [tokenizer.decode(ids, skip_special_tokens=True) for ids in sequences]
    round_trip = [tokenizer.decode(ids, skip_special_tokens=False) for ids in encoded]
    bare = [tokenizer.encode(text(i), add_special_tokens=False).ids for i in range(0, COUNT, 40)]
    samples = [i for i in range(1, COUNT) if len(encoded[i]) < 60][::170][:40]
    return {
        "size": size,
        "ids": [digest_ids(encoded[i] for i in block) for block in blocks(COUNT)],
        "roundTrip": digest_texts(round_trip),
        "bare": digest_ids(bare),
        "decoded": [digest_texts(plain[i] for i in block) for block in blocks(SEQUENCES)],
        "skipped": digest_texts(skipped),
        "samples": [[i, encoded[i]] for i in samples],
    }


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
BLOOM = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"


def isolated(pattern):
    return pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False)


def byte_level(prefix=False, regex=True):
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix, trim_offsets=True, use_regex=regex)


def special(*names, normalized=False):
    return [AddedToken(name, special=True, normalized=normalized) for name in names]


def train(size, first, pre, normalizer=None, **model):
    """A vocabulary of the fragments; `first` take the first ids."""
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=first, show_progress=False, min_frequency=1,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([f + " " + f for f in FRAGMENTS] + FRAGMENTS, trainer)
    return tokenizer


def gpt2():
    t = train(900, [], byte_level())
    # In GPT-2's file the token is a normalized one.
    t.add_special_tokens(special("<|endoftext|>", normalized=True))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def bloom():
    t = train(900, special("<unk>", "<s>", "</s>", "<pad>"),
              pre_tokenizers.Sequence([isolated(BLOOM), byte_level(regex=False)]))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def smollm2():
    return train(900, special("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>"),
                 pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level()]))


def llama3():
    t = train(900, [], pre_tokenizers.Sequence([isolated(LLAMA3), byte_level(regex=False)]),
              ignore_merges=True)
    t.add_special_tokens(special("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
                                 "<|end_header_id|>", "<|eot_id|>"))
    bos = t.token_to_id("<|begin_of_text|>")
    t.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=True),
        processors.TemplateProcessing(single="<|begin_of_text|> $A",
                                      pair="<|begin_of_text|> $A <|begin_of_text|> $B",
                                      special_tokens=[("<|begin_of_text|>", bos)])])
    return t


def qwen2():
    t = train(900, [], pre_tokenizers.Sequence([isolated(QWEN2), byte_level(regex=False)]),
              normalizers.NFC())
    t.add_special_tokens(special("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


SPACE = "\u2581"


def characters(normalizer, pre, strips, first, **trainer):
    """A vocabulary of characters and bytes, as SentencePiece's that are converted."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre:
        tokenizer.pre_tokenizer = pre
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(steps + [decoders.Strip(" ", 1, 0)] * strips)
    names = first + [AddedToken(f"<0x{byte:02X}>", normalized=False) for byte in range(256)]
    words = [f + " " + f for f in FRAGMENTS] + FRAGMENTS
    tokenizer.train_from_iterator(words, trainers.BpeTrainer(
        vocab_size=1200, special_tokens=names, show_progress=False, min_frequency=2, limit_alphabet=300,
        max_token_length=12, **trainer))
    # To train, bytes have to be special; in these families they are not.
    document = json.loads(tokenizer.to_str())
    document["added_tokens"] = [t for t in document["added_tokens"] if not t["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(document))


def begun_with(t, token):
    t.post_processor = processors.TemplateProcessing(
        single=f"{token} $A", pair=f"{token} $A {token} $B", special_tokens=[(token, t.token_to_id(token))])
    return t


def llama2():
    """With added tokens that are looked for in the normalized text, where they have a space before them."""
    t = characters(normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]), None, True,
                   special("<unk>", "<s>", "</s>"))
    t.add_tokens([AddedToken("<word>", normalized=True), AddedToken("new word", normalized=True)])
    return begun_with(t, "<s>")


def phi3():
    t = characters(normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]), None, True,
                   special("<unk>", "<s>", "</s>"))
    t.add_special_tokens([AddedToken(name, rstrip=True, special=True, normalized=False)
                          for name in ("<|im_start|>", "<|im_end|>", "<|endoftext|>")])
    return begun_with(t, "<s>")


def mistral3():
    t = characters(None, pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="first", split=False), True,
                   special("<unk>", "<s>", "</s>"))
    return begun_with(t, "<s>")


def gemma():
    t = characters(normalizers.Replace(" ", SPACE),
                   pre_tokenizers.Split(" ", behavior="merged_with_previous", invert=False), False,
                   special("<pad>", "<eos>", "<s>", "<unk>"))
    t.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("<mask>", normalized=False), AddedToken("new word")])
    return begun_with(t, "<s>")


def metaspace():
    """No family: words that begin at spaces, each piece with one before it."""
    t = characters(normalizers.NFC(), pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=True), True,
                   special("<unk>", "<s>"))
    t.add_tokens([AddedToken("<word>", single_word=True, normalized=False), AddedToken("<left>", lstrip=True, normalized=False)])
    return t


def flags():
    """No family, but every kind of added token, and a space before every piece."""
    t = train(700, [], byte_level(prefix=True), normalizers.Sequence([normalizers.NFC()]))
    t.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True, normalized=False)])
    t.add_tokens([
        AddedToken("<left>", lstrip=True, normalized=False),
        AddedToken("<right>", rstrip=True, normalized=True),
        AddedToken("<word>", single_word=True, normalized=False),
        AddedToken("caf\u00e9 noir", normalized=True),
        AddedToken("caf\u00e9!", normalized=False),
        AddedToken("new word", normalized=True),
        AddedToken("<long>", normalized=False),
        AddedToken("<long><longer>", normalized=False),
        AddedToken("\u0e2a", single_word=True, normalized=True),
        AddedToken("= =", lstrip=True, rstrip=True, normalized=False),
        AddedToken("the", single_word=True, normalized=True),
    ])
    t.post_processor = processors.TemplateProcessing(
        single="$A <mask>", special_tokens=[("<mask>", t.token_to_id("<mask>"))])
    return t


def write(name, value):
    with open(os.path.join(FOLDER, name), "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


def print_unicode():
    """The decompositions that the package's NFD knows; after "-" those that its NFC does not undo."""
    nfc, nfd = normalizers.NFC(), normalizers.NFD()
    words = []
    for value in range(0x110000):
        if 0xD800 <= value < 0xE000 or 0xAC00 <= value < 0xD7A4:
            continue
        parts = nfd.normalize_str(chr(value))
        if parts != chr(value):
            sign = "." if nfc.normalize_str(parts) == chr(value) else "-"
            words.append(f"{value:X}{sign}" + ".".join(f"{ord(part):X}" for part in parts))
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) > 94:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    print("/// The parts that characters are made of, in the version of Unicode by which the package composes (9.0). Made by")
    print("/// Fixtures/makers/tokenizers.py.")
    print("enum CanonicalTable {")
    print("  /// A character, a point and its parts, in hexadecimal; a minus where the parts are not composed again.")
    print('  static let text: StaticString = """')
    print("\n".join("    " + line for line in lines))
    print('    """\n}')


def main():
    if sys.argv[1:] == ["--unicode"]:
        print_unicode()
        return
    if sys.argv[1:2] == ["--real"]:
        t = Tokenizer.from_file(os.path.join(sys.argv[2], "tokenizer.json"))
        print(json.dumps(expectations(t), separators=(",", ":")))
        return
    os.makedirs(FOLDER, exist_ok=True)
    write("texts.json", {
        "count": COUNT, "block": BLOCK, "sequences": SEQUENCES, "ranges": RANGES, "spaces": SPACES,
        "fragments": FRAGMENTS,
        "digests": [digest_texts(text(i) for i in block) for block in blocks(COUNT)],
    })
    for make in (gpt2, bloom, smollm2, llama3, qwen2, flags, llama2, phi3, mistral3, gemma, metaspace):
        name = make.__name__
        write(f"{name}.json", json.loads(make().to_str()))
        t = Tokenizer.from_file(os.path.join(FOLDER, f"{name}.json"))
        write(f"{name}.expected.json", expectations(t))
        print(name, t.get_vocab_size())


main()
