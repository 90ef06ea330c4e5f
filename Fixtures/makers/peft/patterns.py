"""The table of rank_pattern / alpha_pattern keys and what PEFT's matcher does with them."""

from makers.common import FIXTURES

import json

from peft.utils.other import get_pattern_key

Q0 = "model.layers.0.self_attn.q_proj"
Q1 = "model.layers.1.self_attn.q_proj"
UP12 = "model.layers.12.mlp.up_proj"
H0 = "transformer.h.0.attn.c_attn"

# keys, in the order of the config; then module names
PATTERNS = [
    (["q_proj"], [Q0, UP12, "q_proj", "model.layers.0.self_attn.q_proj.extra", "model.layers.0.xq_proj"]),
    (["proj"], [Q0, "head.proj"]),
    (["self_attn.q_proj"], [Q0, "self_attn.q_proj", "self_attnXq_proj", "cross_self_attn.q_proj"]),
    (["layers.1.self_attn.q_proj"], [Q0, Q1, "model.layers.11.self_attn.q_proj", "layersx1yself_attnzq_proj"]),
    (["model.layers.0.self_attn.q_proj"], [Q0, "language_model." + Q0, "language_" + Q0]),
    ([r"layers\.1\.self_attn\.q_proj"], [Q1, "layersx1yself_attnzq_proj"]),
    (["^q_proj"], [Q0, "q_proj"]),
    (["^" + Q0], [Q0, "language_model." + Q0]),
    (["^model.layers.*.q_proj$"], [Q1, UP12]),
    (["c_attn$"], [H0, "transformer.h.0.attn.c_attn.x"]),
    (["^h|c_attn"], [H0, "h", "transformer.h"]),
    (["up_proj|down_proj"], [UP12, "model.layers.3.mlp.down_proj", "model.layers.3.mlp.gate_proj"]),
    ([r"mlp\.(up|down)_proj"], [UP12, "model.layers.3.mlp.gate_proj"]),
    ([r"mlp\.(?:gate|up)_proj"], [UP12, "model.layers.3.mlp.down_proj"]),
    ([r"layers\.[01]\.mlp\.up_proj"], [UP12, "model.layers.1.mlp.up_proj"]),
    ([r"layers\.[2-9]\..*"], [UP12, "model.layers.7.mlp.up_proj"]),
    ([r"[^qk]_proj"], [Q0, "model.layers.0.self_attn.v_proj"]),
    ([r"layers\.\d+\.mlp\.up_proj"], [UP12, "model.layers.x.mlp.up_proj"]),
    ([r"layers\.\d\.mlp\.up_proj"], [UP12]),
    ([r"layers\.\d{1,2}\.mlp\.up_proj"], [UP12, "model.layers.123.mlp.up_proj"]),
    ([r"layers\.\d{3}\.mlp\.up_proj"], [UP12, "model.layers.123.mlp.up_proj"]),
    ([r"layers\.\d{2,}\.mlp\.up_proj"], [UP12, "model.layers.3.mlp.up_proj"]),
    ([r"model\..*?\.q_proj"], [Q0, UP12]),
    ([r"layers\.\d+?\.self_attn\.\w+"], [Q1, UP12]),
    (["q?_proj"], ["attn._proj", Q0]),
    ([r"h\.0\..*"], [H0, "transformer.h.10.attn.c_attn"]),
    ([".*"], [UP12]),
    (["q_proj", "self_attn.q_proj"], [Q0]),
    (["self_attn.q_proj", "q_proj"], [Q0, "cross.q_proj"]),
    (["^q_proj", r"layers\.0\..*", "q_proj"], [Q0, Q1]),
    (["gate", "up", "down"], [UP12]),
    (["Q_proj"], [Q0]),
    (["schicht_größe"], ["modell.schicht_größe", "modell.schicht_grösse"]),
    (["schicht_gr..e"], ["modell.schicht_größe"]),
    (["层.[甲乙]"], ["模型.层.乙", "模型.层.丙"]),
    ([], [Q0]),
    ([r"(?!.*layers\.1\.).*q_proj"], [Q0, "q_proj"]),
    ([r"^(?!.*layers\.[01]\.).*_proj"], [Q0, UP12]),
    ([r"(?=.*self_attn).*proj"], [Q0, UP12]),
    ([r".*(?<!gate)_proj"], [UP12, "model.layers.3.mlp.gate_proj"]),
    ([r"model\.(?!vision|audio)\w+\..*q_proj"], [Q0, "model.vision_tower.layers.0.q_proj", "model.audio.q_proj"]),
    ([r"model\.(?:(?!lora).)*\.q_proj"], [Q0, "model.lora.q_proj"]),
    ([r".*(?<=self_attn\.)[qk]_proj"], [Q0, "model.layers.0.cross_attn.q_proj"]),
    ([r"(?!(?=.*mlp).*up).*_proj"], [Q0, "model.layers.3.mlp.down_proj"]),
    ([r".*\bq_proj"], [Q0, "model.layers.0.xq_proj"]),
    ([r".*\b1\b.*"], [Q0, Q1, UP12]),
    ([r".*\Bproj"], [Q0, "head.proj"]),
    ([r"(?P<block>layers\.\d+)\.mlp\.up_proj"], [UP12, Q0]),
    ([r"\Aq_proj\Z"], [Q0, "q_proj"]),
    ([r".*(?=\.self_attn).*(?!x)"], [Q0, UP12]),
    ([r"(?:(?=.*q)|(?=.*mlp)).*_proj"], [Q0, UP12, "model.layers.0.self_attn.v_proj"]),
    (["mlp.down_proj", "up_proj", r".*up\w*", "layers.12.mlp.up_proj"], [UP12]),
    ([r".*up\w*", "layers.12.mlp.up_proj"], [UP12]),
    ([f"layers.{n}.mlp.up_proj" for n in range(24)], [UP12, Q0, "model.layers.23.mlp.up_proj", "layersx3.mlpyup_proj"]),
]


def make_patterns():
    entries = []
    for keys, modules in PATTERNS:
        for module in modules:
            picked = get_pattern_key(keys, module)
            assert picked in keys or picked == module
            entries.append({"keys": keys, "module": module, "match": picked if picked in keys else None})
    text = ",\n".join(" " + json.dumps(e, ensure_ascii=False) for e in entries)
    (FIXTURES / "peft_patterns.json").write_text(f"[\n{text}\n]\n", encoding="utf-8")
    print("peft_patterns.json", len(entries), "entries")
