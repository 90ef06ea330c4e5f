"""A LoRA of PEFT and the file that ONNX Runtime writes of it by Olive's rule, in Fixtures/onnx.

    pip install onnxruntime numpy safetensors
    python -P makers/onnx_adapters.py        # in Fixtures

Olive transposes both factors and multiplies the scale into B (`convert-adapters`).
"""
import json, pathlib, shutil
import numpy as np
import onnxruntime as ort
from safetensors.numpy import load_file

FOLDER = pathlib.Path(__file__).resolve().parent.parent


def main():
    out = FOLDER / "onnx"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    source = FOLDER / "gguf" / "llama"
    config = json.loads((source / "adapter_config.json").read_text())
    scale = np.float32(config["lora_alpha"] / config["r"])
    parameters = {}
    for key, value in load_file(source / "adapter_model.safetensors").items():
        value = value.T * scale if ".lora_B." in key else value.T
        name = key.removeprefix("base_model.model.")
        parameters[name] = ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value))
    adapter = ort.AdapterFormat()
    adapter.set_adapter_version(1)
    adapter.set_model_version(1)
    adapter.set_parameters(parameters)
    adapter.export_adapter(str(out / "llama.onnx_adapter"))


if __name__ == "__main__":
    main()
