"""Weights as bitsandbytes, transformers, compressed-tensors, MLX, GPTQ and AWQ store them, in Fixtures/quantised, and
the values that each library gives for them.

    pip install torch bitsandbytes transformers peft compressed-tensors nvidia-modelopt "mlx[cpu]" numpy safetensors
    python -P makers/quantised.py            # in Fixtures

Each folder has model.safetensors, config.json where the tensors do not say all, and values.safetensors: the library's
own, in its type; and requantised.safetensors, what they are with a LoRA added and put back. GPTQ's and AWQ's are worked
out here, by their published formulas, in numpy; so are those of groups in an order of their own, as compressed-tensors
0.9 had them and its later versions do not. In Fixtures/quantised_merged is what PEFT's merge_and_unload makes of the
same LoRA and bitsandbytes' layers.
"""
import json, pathlib, shutil, tempfile
import numpy as np
import torch
from safetensors.torch import load_file, save_file

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "quantised"
Q, GATE = "model.layers.0.self_attn.q_proj", "model.layers.0.mlp.gate_proj"
SIZES = {Q: (96, 128), GATE: (160, 64)}


def weights(dtype=torch.float32):
    return {name: (torch.randn(*size) * 0.1).to(dtype) for name, size in SIZES.items()}


def save(name, tensors, values, config=None, family="llama"):
    folder = FOLDER / name
    folder.mkdir(parents=True)
    norm = {"model.norm.weight": torch.ones(8)}
    save_file({k: v.contiguous() for k, v in (tensors | norm).items()}, folder / "model.safetensors")
    save_file({k: v.contiguous() for k, v in values.items()}, folder / "values.safetensors")
    if config:
        (folder / "config.json").write_text(json.dumps({"model_type": family, "torch_dtype": "bfloat16", "quantization_config": config}, indent=2))
    print(name, sorted(tensors))


def four_bits():
    import bitsandbytes.functional as bnb
    for name, kind, block, nested, dtype, storage in (
            ("nf4", "nf4", 64, False, torch.bfloat16, torch.uint8), ("nf4_double", "nf4", 64, True, torch.bfloat16, torch.uint8),
            ("nf4_odd", "nf4", 128, True, torch.float16, torch.uint8), ("nf4_stored_bf16", "nf4", 64, True, torch.bfloat16, torch.bfloat16),
            ("nf4_f32", "nf4", 32, False, torch.float32, torch.uint8), ("fp4", "fp4", 64, False, torch.bfloat16, torch.uint8),
            ("fp4_double", "fp4", 64, True, torch.float16, torch.uint8)):
        tensors, values = {}, {}
        sizes = {Q: torch.randn(45, 33) * 0.1, GATE: torch.randn(160, 64) * 0.1} if name == "nf4_odd" else weights()
        for module, weight in sizes.items():
            weight = weight.to(dtype)
            codes, state = bnb.quantize_4bit(weight, blocksize=block, compress_statistics=nested, quant_type=kind, quant_storage=storage)
            tensors[module + ".weight"] = codes
            tensors |= {f"{module}.weight.{key}": value for key, value in state.as_dict(packed=True).items()}
            values[module + ".weight"] = portable(codes, state, kind, dtype)
        save(name, tensors, values, {"quant_method": "bitsandbytes", "load_in_4bit": True})


def portable(codes, state, kind, dtype):
    """The library's kernel, by its parts: its vector kernel is wrong where rows are not whole blocks."""
    import bitsandbytes.functional as bnb
    absmax = state.absmax
    if state.nested:
        absmax = bnb.dequantize_blockwise(state.absmax, state.state2) + state.offset
    flat = codes.contiguous().view(torch.uint8).flatten()
    nibbles = torch.stack([flat >> 4, flat & 15], 1).flatten()[: state.shape.numel()].long()
    table = state.code.float()
    value = table[nibbles] * absmax.float().repeat_interleave(state.blocksize)[: nibbles.numel()]
    result = value.to(dtype).reshape(state.shape)
    if state.shape[-1] % state.blocksize == 0:
        assert torch.equal(result, bnb.dequantize_4bit(codes, state)), kind
    return result


def eight_bits():
    import bitsandbytes.functional as bnb
    tensors, values = {}, {}
    for module, weight in weights(torch.float16).items():
        codes, scale, _ = bnb.int8_vectorwise_quant(weight)
        tensors |= {f"{module}.weight": codes, f"{module}.SCB": scale.float(), f"{module}.weight_format": torch.tensor(0, dtype=torch.uint8)}
        values[module + ".weight"] = bnb.int8_vectorwise_dequant(codes, scale.float())
    save("int8", tensors, values, {"quant_method": "bitsandbytes", "load_in_8bit": True})


def conv1d():
    """GPT-2 through transformers: the layer is linear then, and the model without the scheme has the transpose."""
    import bitsandbytes.functional as bnb
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    for name, options in (("nf4_conv1d", {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}), ("int8_conv1d", {"load_in_8bit": True})):
        model = AutoModelForCausalLM.from_pretrained(
            FOLDER.parent / "bases" / "tiny-gpt2", quantization_config=BitsAndBytesConfig(**options), dtype=torch.float16)
        values = {}
        for path, module in model.named_modules():
            if path.startswith("transformer.h.0.") and hasattr(module, "weight") and type(module).__name__.startswith("Linear"):
                weight = module.weight
                value = (portable(weight.data, weight.quant_state, "nf4", torch.float16) if "nf4" in name
                         else bnb.int8_vectorwise_dequant(weight.data, weight.SCB))
                values[path + ".weight"] = value.T
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            stored = load_file(pathlib.Path(folder) / "model.safetensors")
        modules = [key.removesuffix(".weight") for key in values]
        tensors = {key: value for key, value in stored.items() if any(key.startswith(module + ".") for module in modules) and not key.endswith(".bias")}
        save(name, tensors, values, {"quant_method": "bitsandbytes"} | options, "gpt2")


def fp8():
    for name, block, dtype in (("fp8_blocks", (32, 32), torch.float32), ("fp8_short_blocks", (64, 48), torch.bfloat16)):
        tensors, values = {}, {}
        for module, weight in weights().items():
            rows, columns = weight.shape
            grid = torch.zeros(-(-rows // block[0]), -(-columns // block[1]))
            spread = lambda g: g.repeat_interleave(block[0], 0)[:rows].repeat_interleave(block[1], 1)[:, :columns]
            for i in range(grid.shape[0]):
                for j in range(grid.shape[1]):
                    grid[i, j] = weight[i * block[0]:(i + 1) * block[0], j * block[1]:(j + 1) * block[1]].abs().max() / 448
            grid = grid.to(dtype)
            codes = (weight / spread(grid.float())).to(torch.float8_e4m3fn)
            tensors |= {f"{module}.weight": codes, f"{module}.weight_scale_inv": grid}
            values[module + ".weight"] = codes.float() * spread(grid.float())
        save(name, tensors, values, {"quant_method": "fp8", "weight_block_size": list(block)})
    tensors, values = {}, {}
    for module, weight in weights(torch.bfloat16).items():
        scale = (weight.abs().amax(1, keepdim=True) / 448).to(torch.bfloat16)
        codes = (weight.float() / scale.float()).to(torch.float8_e4m3fn)
        tensors |= {f"{module}.weight": codes, f"{module}.weight_scale": scale, f"{module}.input_scale": torch.ones(1)}
        values[module + ".weight"] = (codes.float() * scale.float()).to(torch.bfloat16)
    save("fp8_channel", tensors, values, {"quant_method": "compressed-tensors", "format": "float-quantized"})


def mxfp4():
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors
    tensors, values = {}, {}
    for name, (experts, out, inner) in {"model.layers.0.mlp.experts.gate_up_proj": (3, 48, 64), "model.layers.0.mlp.experts.down_proj": (3, 64, 96)}.items():
        blocks = torch.randint(0, 256, (experts, out, inner // 32, 16), dtype=torch.uint8)
        scales = torch.randint(110, 130, (experts, out, inner // 32), dtype=torch.uint8)
        tensors |= {name + "_blocks": blocks, name + "_scales": scales}
        value = convert_moe_packed_tensors(blocks.clone(), scales.clone(), dtype=torch.bfloat16)
        values[name] = value if value.shape == (experts, inner, out) else value.transpose(1, 2)
    save("mxfp4", tensors, values, {"quant_method": "mxfp4"})


def compressed():
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
    for name, bits, group, asymmetric in (("packed_int4", 4, 32, False), ("packed_int4_asymmetric", 4, 32, True), ("packed_int8", 8, 0, False), ("packed_int3", 3, 32, True)):
        tensors, values = {}, {}
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        for module, weight in weights(torch.bfloat16).items():
            size = group or weight.shape[1]
            scale = torch.rand(weight.shape[0], weight.shape[1] // size).to(torch.bfloat16) * 0.02 + 0.01
            codes = torch.randint(low, high + 1, weight.shape, dtype=torch.int8)
            zero = torch.randint(low, high + 1, scale.shape, dtype=torch.int8) if asymmetric else torch.zeros_like(scale, dtype=torch.int8)
            tensors |= {f"{module}.weight_packed": pack_to_int32(codes, bits), f"{module}.weight_scale": scale,
                        f"{module}.weight_shape": torch.tensor(weight.shape, dtype=torch.int64)}
            if asymmetric:
                tensors[f"{module}.weight_zero_point"] = pack_to_int32(zero, bits, packed_dim=0)
            wide = lambda t: t.float().repeat_interleave(size, 1)
            values[module + ".weight"] = ((codes.float() - wide(zero)) * wide(scale)).to(torch.bfloat16)
        save(name, tensors, values, {"quant_method": "compressed-tensors", "format": "pack-quantized"})


E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


def small_floats():
    for name, size in (("nvfp4", 16), ("packed_mxfp4", 32)):
        tensors, values = {}, {}
        for module, weight in weights().items():
            codes = torch.randint(0, 256, (weight.shape[0], weight.shape[1] // 2), dtype=torch.uint8)
            value = E2M1[torch.stack([codes & 15, codes >> 4], 2).flatten(1).long()]
            if name == "nvfp4":
                scale = (torch.rand(weight.shape[0], weight.shape[1] // size) * 200 + 1).to(torch.float8_e4m3fn)
                whole = torch.rand(1) * 1000 + 100
                tensors |= {f"{module}.weight_scale": scale, f"{module}.weight_global_scale": whole, f"{module}.input_global_scale": torch.ones(1)}
                factor = scale.float() / whole
            else:
                scale = torch.randint(110, 130, (weight.shape[0], weight.shape[1] // size), dtype=torch.uint8)
                tensors[f"{module}.weight_scale"] = scale
                factor = torch.exp2(scale.float() - 127)
            tensors[f"{module}.weight_packed"] = codes
            values[module + ".weight"] = (value * factor.repeat_interleave(size, 1)).to(torch.bfloat16)
        save(name, tensors, values, {"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized" if name == "nvfp4" else "mxfp4-pack-quantized"})


def modelopt():
    from modelopt.torch.quantization.qtensor import NVFP4QTensor
    tensors, values = {}, {}
    for module, weight in weights(torch.bfloat16).items():
        packed, scale, whole = NVFP4QTensor.quantize(weight, 16)
        tensors |= {f"{module}.weight": packed._quantized_data, f"{module}.weight_scale": scale, f"{module}.weight_scale_2": whole.float().reshape(()),
                    f"{module}.input_scale": torch.tensor(0.5)}
        values[module + ".weight"] = packed.dequantize(torch.bfloat16, scale=scale, double_scale=whole, block_sizes={-1: 16})
    save("modelopt_nvfp4", tensors, values, {"quant_method": "modelopt", "quant_algo": "NVFP4"})


def ordered():
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
    from compressed_tensors.quantization import QuantizationArgs
    from compressed_tensors.quantization.lifecycle.forward import dequantize
    for name, packs in (("packed_int4_order", True), ("int8_zero", False), ("int8_groups_zero", False)):
        tensors, values = {}, {}
        bits = 4 if packs else 8
        for module, weight in weights(torch.bfloat16).items():
            size = weight.shape[1] if name == "int8_zero" else 32
            groups = weight.shape[1] // size
            low, high = -(2 ** (bits - 1)), 2 ** (bits - 1)
            scale = (torch.rand(weight.shape[0], groups) * 0.02 + 0.01).to(torch.bfloat16)
            codes = torch.randint(low, high, weight.shape, dtype=torch.int8)
            zero = torch.randint(low, high, scale.shape, dtype=torch.int8)
            tensors |= {f"{module}.weight_scale": scale}
            if packs:
                order = torch.arange(weight.shape[1], dtype=torch.int32)[torch.randperm(weight.shape[1])] // size
                tensors |= {f"{module}.weight_packed": pack_to_int32(codes, bits), f"{module}.weight_zero_point": pack_to_int32(zero, bits, packed_dim=0),
                            f"{module}.weight_shape": torch.tensor(weight.shape, dtype=torch.int64), f"{module}.weight_g_idx": order}
                value = (codes.to(scale.dtype) - zero[:, order.long()].to(scale.dtype)) * scale[:, order.long()]
            else:
                tensors |= {f"{module}.weight": codes, f"{module}.weight_zero_point": zero}
                kind = dict(strategy="channel") if groups == 1 else dict(strategy="group", group_size=size)
                value = dequantize(codes, scale, zero, QuantizationArgs(num_bits=8, symmetric=False, **kind))
            values[module + ".weight"] = value
        save(name, tensors, values, {"quant_method": "compressed-tensors", "format": "pack-quantized" if packs else "int-quantized"})


def dense(codes, bits, axis):
    """Integers of so many bits as words of 32, little end first, along an axis."""
    codes = np.moveaxis(codes.astype(np.uint64), axis, -1)
    bitmap = (codes[..., None] >> np.arange(bits, dtype=np.uint64)) & np.uint64(1)
    bitmap = bitmap.reshape(*codes.shape[:-1], -1)
    words = (bitmap.reshape(*codes.shape[:-1], -1, 32) << np.arange(32, dtype=np.uint64)).sum(-1).astype(np.uint32)
    return torch.from_numpy(np.moveaxis(words, -1, axis).copy().view(np.int32))


def gptq():
    random = np.random.default_rng(5)
    for name, bits, version, order in (("gptq", 4, "gptq", False), ("gptq_act_order", 4, "gptq", True), ("gptq_v2", 8, "gptq_v2", False), ("gptq_3", 3, "gptq", False), ("gptq_2", 2, "gptq", False)):
        tensors, values = {}, {}
        for module, (out, inner) in SIZES.items():
            groups = inner // 32
            codes = random.integers(0, 2**bits, (inner, out))
            zeros = random.integers(0, 2**bits, (groups, out))
            scales = (random.random((groups, out)) * 0.02 + 0.001).astype(np.float16)
            index = np.arange(inner) // 32
            if order:
                index = random.permutation(index)
            stored = (zeros - 1) % 2**bits if version == "gptq" else zeros
            tensors |= {f"{module}.qweight": dense(codes, bits, 0), f"{module}.qzeros": dense(stored, bits, 1),
                        f"{module}.scales": torch.from_numpy(scales), f"{module}.g_idx": torch.from_numpy(index.astype(np.int32))}
            value = scales[index].astype(np.float32) * (codes - zeros[index]).astype(np.float32)
            values[module + ".weight"] = torch.from_numpy(value.T.astype(np.float16).copy())
        save(name, tensors, values, {"quant_method": "gptq", "bits": bits, "group_size": 32, "checkpoint_format": version})


def awq():
    random = np.random.default_rng(6)
    tensors, values = {}, {}
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    def pack(codes):
        return dense(codes.reshape(codes.shape[0], -1, 8)[:, :, order].reshape(codes.shape), 4, 1)
    for module, (out, inner) in SIZES.items():
        groups = inner // 32
        codes, zeros = random.integers(0, 16, (inner, out)), random.integers(0, 16, (groups, out))
        scales = (random.random((groups, out)) * 0.02 + 0.001).astype(np.float16)
        tensors |= {f"{module}.qweight": pack(codes), f"{module}.qzeros": pack(zeros), f"{module}.scales": torch.from_numpy(scales)}
        index = np.arange(inner) // 32
        value = (codes - zeros[index]).astype(np.float32) * scales[index].astype(np.float32)
        values[module + ".weight"] = torch.from_numpy(value.T.astype(np.float16).copy())
    save("awq", tensors, values, {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm"})


def mlx():
    import mlx.core as mx
    for bits in (4, 3, 8):
        tensors, values = {}, {}
        for module, (out, inner) in SIZES.items():
            weight = mx.array(np.random.default_rng(bits).standard_normal((out, inner)).astype(np.float32)).astype(mx.float16)
            codes, scales, biases = mx.quantize(weight, group_size=32, bits=bits)
            as_torch = lambda a: torch.from_numpy(np.array(a))
            tensors |= {f"{module}.weight": as_torch(codes), f"{module}.scales": as_torch(scales), f"{module}.biases": as_torch(biases)}
            values[module + ".weight"] = as_torch(mx.dequantize(codes, scales, biases, group_size=32, bits=bits))
        save(f"mlx_{bits}", tensors, values, {"group_size": 32, "bits": bits})


def lora():
    """A LoRA of PEFT for both parameters, beside the folders: Fixtures/quantised_lora."""
    folder = FOLDER.parent / "quantised_lora"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    tensors = {}
    for module, (out, inner) in SIZES.items():
        tensors |= {f"base_model.model.{module}.lora_A.weight": torch.randn(2, inner), f"base_model.model.{module}.lora_B.weight": torch.randn(out, 2) * 0.1}
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "gate_proj"]}, indent=2))


def nearest(values, table):
    return table[(values[..., None] - table).abs().argmin(-1)]


def requantised():
    """Beside each folder the values of q_proj with the LoRA of `lora` added, put back into the scheme: by the library where
    it quantises on a processor, else by torch's own roundings, with the scales that Spec/quantised.md keeps or renews."""
    import bitsandbytes.functional as bnb
    from bitsandbytes.functional import QuantState
    adapter = load_file(FOLDER.parent / "quantised_lora" / "adapter_model.safetensors")
    key = f"base_model.model.{Q}"
    delta = 2 * adapter[key + ".lora_B.weight"].double() @ adapter[key + ".lora_A.weight"].double()
    e2m1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.5, -1, -1.5, -2, -3, -4, -6])
    for folder in sorted(FOLDER.iterdir()):
        name, stored = folder.name, load_file(folder / "model.safetensors")
        values = load_file(folder / "values.safetensors")
        if Q + ".weight" not in values or values[Q + ".weight"].shape != delta.shape:
            continue
        wanted = (values[Q + ".weight"].double() + delta).float()
        t = {k[len(Q) + 1:]: v for k, v in stored.items() if k.startswith(Q + ".")}
        spread = lambda scale, size: scale.float().repeat_interleave(size, 1)
        if name.startswith(("nf4", "fp4")):
            old = QuantState.from_dict({k.removeprefix("weight."): v for k, v in t.items() if k != "weight"}, device="cpu")
            codes, state = bnb.quantize_4bit(wanted, blocksize=old.blocksize, quant_type=old.quant_type, compress_statistics=old.nested)
            state.dtype = old.dtype
            result = portable(codes, state, old.quant_type, old.dtype)
        elif name == "int8":
            scale = wanted.abs().amax(1, keepdim=True)
            result = torch.round(wanted * 127 / scale) * scale * np.float32(1 / 127)
        elif name == "fp8_channel":
            scale = (wanted.abs().amax(1, keepdim=True) / 448).to(t["weight_scale"].dtype).float()
            result = (wanted / scale).clamp(-448, 448).to(torch.float8_e4m3fn).float() * scale
        elif name in ("fp8_blocks", "fp8_short_blocks"):
            (bm, bn), grid = json.loads((folder / "config.json").read_text())["quantization_config"]["weight_block_size"], t["weight_scale_inv"].clone()
            result = torch.empty_like(wanted)
            for i in range(grid.shape[0]):
                for j in range(grid.shape[1]):
                    place = (slice(i * bm, (i + 1) * bm), slice(j * bn, (j + 1) * bn))
                    scale = (wanted[place].abs().max() / 448).to(grid.dtype).float()
                    result[place] = (wanted[place] / scale).clamp(-448, 448).to(torch.float8_e4m3fn).float() * scale
        elif name in ("nvfp4", "modelopt_nvfp4", "packed_mxfp4"):
            size = 32 if name == "packed_mxfp4" else 16
            whole = 1 / t["weight_global_scale"] if name == "nvfp4" else t.get("weight_scale_2", torch.tensor(1.0))
            scale = torch.exp2(t["weight_scale"].float() - 127) if size == 32 else t["weight_scale"].float()
            scale = scale if size == 32 else (scale / t["weight_global_scale"] if name == "nvfp4" else scale * whole)
            largest = wanted.abs().unflatten(1, (-1, size)).amax(2)
            fresh = torch.exp2(torch.ceil(torch.log2(largest / 6))) if size == 32 else (
                (largest / 6 / whole).to(torch.float8_e4m3fn).float() * whole)
            scale = torch.where(largest > 6 * scale, fresh, scale)
            result = nearest(wanted / spread(scale, size), e2m1) * spread(scale, size)
        elif name in ("packed_int4", "packed_int4_asymmetric", "packed_int4_order", "packed_int8", "int8_zero", "int8_groups_zero"):
            from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32
            scale, half = t["weight_scale"].float(), 8 if "int4" in name else 128
            zero = t.get("weight_zero_point")
            if zero is not None and zero.dtype == torch.int32:
                zero = unpack_from_int32(zero, 4, torch.Size(scale.shape), packed_dim=0)
            group = t["weight_g_idx"].long() if name == "packed_int4_order" else torch.arange(128) // (128 // scale.shape[1])
            scale, zero = scale[:, group], 0 if zero is None else zero.float()[:, group]
            result = ((torch.round(wanted / scale) + zero).clamp(-half, half - 1) - zero) * scale
        elif name in ("gptq", "gptq_v2", "gptq_2", "gptq_act_order", "awq"):
            bits = json.loads((folder / "config.json").read_text())["quantization_config"].get("bits", 4)
            scale = t["scales"].double().T
            group = t["g_idx"].long() if "g_idx" in t else torch.arange(128) // (128 // scale.shape[1])
            scale = scale[:, group]
            words = t["qzeros"].numpy().view(np.uint32)
            order = [0, 4, 1, 5, 2, 6, 3, 7] if name == "awq" else range(32 // bits)
            zero = np.stack([(words >> np.uint32(bits * k)) & np.uint32(2 ** bits - 1) for k in order], 2).reshape(words.shape[0], -1)
            zero = torch.from_numpy(((zero + (name not in ("awq", "gptq_v2"))) % 2 ** bits).astype(np.float64)).T[:, group]
            result = (scale * ((torch.round(wanted / scale) + zero).clamp(0, 2 ** bits - 1) - zero)).float()
        else:
            continue
        save_file({Q + ".weight": result.to(values[Q + ".weight"].dtype).contiguous()}, folder / "requantised.safetensors")
        print("requantised", name, f"{(result.double() - wanted).norm() / delta.norm():.3f} of the change")


def layer(key, shape, stored, name):
    """One of bitsandbytes' layers with weights that are quantised already."""
    import bitsandbytes.nn as bnb
    codes, (out, inner) = stored[key], shape
    if name == "int8":
        scale = stored[key.removesuffix("weight") + "SCB"]
        result = bnb.Linear8bitLt(inner, out, bias=False, has_fp16_weights=False)
        result.weight = bnb.Int8Params(codes, requires_grad=False, has_fp16_weights=False, CB=codes, SCB=scale)
        result.state.CB, result.state.SCB = codes, scale
        return result
    result = bnb.Linear4bit(inner, out, bias=False, quant_type=name[:3])
    state = {k.removeprefix(key + "."): v for k, v in stored.items() if k.startswith(key + ".")}
    result.weight = bnb.Params4bit.from_prequantized(codes, state, device="cpu")
    return result


def merged():
    """The LoRA of `lora` merged by PEFT into the layers of four folders, in Fixtures/quantised_merged."""
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
    adapter = FOLDER.parent / "quantised_lora"
    config = json.loads((adapter / "adapter_config.json").read_text())
    del config["peft_type"]
    shutil.rmtree(FOLDER.parent / "quantised_merged", ignore_errors=True)
    for name in ("nf4", "nf4_double", "fp4", "int8"):
        stored = load_file(FOLDER / name / "model.safetensors")
        model = torch.nn.Module()
        model.config = {"model_type": "llama"}
        model.is_loaded_in_4bit, model.is_loaded_in_8bit = name != "int8", name == "int8"
        for module, shape in SIZES.items():
            parent, *path, leaf = model, *module.split(".")
            for part in path:
                if not hasattr(parent, part):
                    setattr(parent, part, torch.nn.Module())
                parent = getattr(parent, part)
            setattr(parent, leaf, layer(module + ".weight", shape, stored, name))
        tuned = get_peft_model(model, LoraConfig(**config))
        set_peft_model_state_dict(tuned, load_file(adapter / "adapter_model.safetensors"))
        tensors = tuned.merge_and_unload().state_dict()
        folder = FOLDER.parent / "quantised_merged" / name
        folder.mkdir(parents=True)
        tensors["model.norm.weight"] = stored["model.norm.weight"]
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "model.safetensors")
        shutil.copy(FOLDER / name / "config.json", folder)
        print("merged", name)


def main():
    torch.manual_seed(4)
    lora()
    shutil.rmtree(FOLDER, ignore_errors=True)
    for make in (four_bits, eight_bits, fp8, mxfp4, compressed, small_floats, gptq, awq, mlx, conv1d, modelopt, ordered):
        try:
            make()
        except Exception as error:
            print("FAILED", make.__name__, type(error).__name__, error)
            raise
    requantised()
    merged()


if __name__ == "__main__":
    main()
