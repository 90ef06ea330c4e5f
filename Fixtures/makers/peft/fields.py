"""The fields of every configuration that PEFT has: a converter must know each."""

from makers.common import FIXTURES

import json
from dataclasses import fields

from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING


def make_fields():
    table = {
        str(kind.value): {field.name: None for field in sorted(fields(config), key=lambda field: field.name)}
        for kind, config in sorted(PEFT_TYPE_TO_CONFIG_MAPPING.items(), key=lambda item: item[0].value)
    }
    lines = ",\n".join(f" {json.dumps(kind)}: {json.dumps(names)}" for kind, names in table.items())
    (FIXTURES / "peft_fields.json").write_text("{\n" + lines + "\n}\n")
    print("peft_fields.json", len(table), "methods")
