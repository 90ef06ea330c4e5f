"""The table of cases. `check` makes one that is compared with PEFT's own results and leaves no files."""

from peft import (
    BOFTConfig, C3AConfig, DeloraConfig, FourierFTConfig, GraloraConfig, HiraConfig, HRAConfig, LoHaConfig,
    LoKrConfig, MissConfig, OFTConfig, PveraConfig, RoadConfig, ShiraConfig, SupertuningConfig,
    VBLoRAConfig, VeraConfig, WaveFTConfig)

LLAMA, GPT2, BLOOM, CONV = "tiny-llama-16", "tiny-gpt2-16", "tiny-bloom", "tiny-conv"

K0 = r"model\.layers\.0\.self_attn\.k_proj"  # [8, 16]
KO = r"model\.layers\.0\.self_attn\.[ko]_proj"  # and a square one, [16, 16]
DOWN0 = r"model\.layers\.0\.mlp\.down_proj"  # [16, 24]
C_ATTN0 = r"transformer\.h\.0\.attn\.c_attn"  # Conv1D, stored as [16, 48]
C_PROJ0 = r"transformer\.h\.0\.attn\.c_proj"  # Conv1D, [16, 16]
DENSE0 = r"transformer\.h\.0\.(self_attention\.dense|mlp\.dense_4h_to_h)"  # with bias


def case(name, base, config, fill, stored=True, gpu_boft=False):
    """fill: start of a parameter's name -> (mean, std) of its values; what is not in it stays as PEFT made it."""
    return {"name": name, "base": base, "config": config, "fill": fill, "stored": stored, "gpu_boft": gpu_boft}


def check(*args, **kwargs):
    return case(*args, **kwargs, stored=False)


LYCORIS_CASES = [
    case("loha_llama", LLAMA, LoHaConfig(
        r=3, alpha=6, target_modules=KO, rank_pattern={"k_proj": 2}, alpha_pattern={"self_attn.o_proj": 5},
        modules_to_save=["model.norm"]),
        {"hada_": (0, 0.27), "weight": (1, 0.1)}),
    case("loha_conv", CONV, LoHaConfig(r=2, alpha=3, target_modules=["conv2d", "conv1d"]), {"hada_": (0, 0.3)}),
    # the 1x1 convolution has no core
    case("loha_conv_cp", CONV, LoHaConfig(
        r=2, alpha=3, use_effective_conv2d=True, target_modules=["conv2d", "conv1d", "point"]),
        {"hada_t": (0, 0.5), "hada_": (0, 0.37)}),
    # k_proj: w1 full, w2 in two factors; o_proj: both full, so that only the config tells r
    case("lokr_llama", LLAMA, LoKrConfig(
        r=2, alpha=3, decompose_factor=2, target_modules=KO, rank_pattern={"o_proj": 4},
        alpha_pattern={"o_proj": 5}),
        {"lokr_w1": (0, 0.15), "lokr_w2_": (0, 0.35), "lokr_w2": (0, 0.2)}),
    case("lokr_decompose_both", LLAMA, LoKrConfig(
        r=2, alpha=5, target_modules=DOWN0, decompose_both=True, decompose_factor=6), {"lokr_": (0, 0.25)}),
    # conv2d: w2 from a core; point: w2 full, with four dimensions
    case("lokr_conv", CONV, LoKrConfig(
        r=2, alpha=1, use_effective_conv2d=True, target_modules=["conv2d", "point"], rank_pattern={"conv2d": 1}),
        {"lokr_t2": (0, 0.6), "lokr_": (0, 0.45)}),
    check("lokr_conv_plain", CONV, LoKrConfig(r=1, target_modules=["conv2d", "conv1d", "point"]), {"lokr_": (0, 0.3)}),
    check("lokr_conv_full", CONV, LoKrConfig(r=2, target_modules=["conv2d", "point"]), {"lokr_": (0, 0.3)}),
    check("lokr_conv_core", CONV, LoKrConfig(
        r=2, use_effective_conv2d=True, decompose_factor=1, target_modules=["conv2d", "conv1d"]), {"lokr_": (0, 0.3)}),
]

VERA_CASES = [
    case("vera_llama", LLAMA, VeraConfig(
        r=3, target_modules=r"model\.layers\.0\.(self_attn\.k_proj|mlp\.down_proj)", save_projection=True),
        {"vera_lambda": (0.3, 0.1), "vera_": (0, 0.52)}),
    case("vera_gpt2", GPT2, VeraConfig(r=2, target_modules=C_ATTN0, save_projection=True),
         {"vera_lambda": (0.3, 0.1), "vera_": (0, 0.52)}),
    check("vera_gpt2_square", GPT2, VeraConfig(r=2, target_modules=C_PROJ0, save_projection=True),
          {"vera_lambda": (0.3, 0.1), "vera_": (0, 0.52)}),
    case("pvera_llama", LLAMA, PveraConfig(r=2, target_modules=KO, save_projection=True),
         {"pvera_lambda": (0.3, 0.1), "pvera_": (0, 0.45)}),
    check("pvera_gpt2", GPT2, PveraConfig(r=2, target_modules=C_ATTN0, save_projection=True),
          {"pvera_lambda": (0.3, 0.1), "pvera_": (0, 0.45)}),
]

OFT = {"oft_": (0, 0.1), "bias": (0, 0.05)}
BOFT = {"boft_R": (0, 0.15), "boft_s": (1, 0.1), "bias": (0, 0.05)}
HRA = {"hra_u": (0, 1), "bias": (0, 0.05)}

ROTATIONS = [
    case("oft_llama", LLAMA, OFTConfig(oft_block_size=4, target_modules=KO), OFT),
    check("oft_exact", LLAMA, OFTConfig(r=4, oft_block_size=0, use_cayley_neumann=False, target_modules=KO), OFT),
    case("oft_exact_coft", LLAMA, OFTConfig(
        r=4, oft_block_size=0, use_cayley_neumann=False, coft=True, eps=0.7, target_modules=KO), OFT),
    case("oft_share_terms3_bias_all", BLOOM, OFTConfig(
        oft_block_size=4, block_share=True, num_cayley_neumann_terms=3, bias="all", target_modules=DENSE0), OFT),
    *[check(f"oft_terms{n}", LLAMA, OFTConfig(oft_block_size=4, num_cayley_neumann_terms=n, target_modules=K0), OFT)
      for n in (2, 4, 6, 7)],
    check("oft_coft_share", LLAMA, OFTConfig(
        oft_block_size=4, coft=True, eps=0.3, block_share=True, target_modules=K0), OFT),
    check("oft_embedding", LLAMA, OFTConfig(oft_block_size=4, target_modules=["embed_tokens"]), OFT),
    case("boft_llama", LLAMA, BOFTConfig(
        boft_block_size=4, boft_n_butterfly_factor=3, target_modules=KO), BOFT, gpu_boft=True),
    case("boft_conv", CONV, BOFTConfig(boft_block_size=4, target_modules=["conv2d"], bias="boft_only"), BOFT),
    check("boft_forced", LLAMA, BOFTConfig(
        boft_block_size=4, boft_n_butterfly_factor=2, target_modules=KO), BOFT),
    check("boft_odd_block", LLAMA, BOFTConfig(boft_block_size=3, target_modules=DOWN0), BOFT),
    check("boft_2_factors", LLAMA, BOFTConfig(
        boft_block_size=0, boft_block_num=6, boft_n_butterfly_factor=2, target_modules=DOWN0), BOFT, gpu_boft=True),
    check("boft_bloom", BLOOM, BOFTConfig(boft_block_size=4, target_modules=DENSE0), BOFT),
    case("hra_llama", LLAMA, HRAConfig(r=2, target_modules=KO), HRA),
    case("hra_gs", LLAMA, HRAConfig(r=3, apply_GS=True, target_modules=KO), HRA),
    check("hra_conv", CONV, HRAConfig(r=2, target_modules=["conv2d", "point"], bias="hra_only"), HRA),
    *[case(f"road_{n}", BLOOM, RoadConfig(variant=f"road_{n}", group_size=4, target_modules=DENSE0),
           {"road_theta": (0, 0.25), "road_alpha": (1, 0.15)}) for n in (1, 2, 4)],
]

HIRA = {"hira_": (0, 0.42)}
MISS = {"miss_block": (0, 0.03)}

OTHER_CASES = [
    case("hira_llama", LLAMA, HiraConfig(r=3, target_modules=KO, rank_pattern={"k_proj": 2}), HIRA),
    case("hira_gpt2", GPT2, HiraConfig(r=3, target_modules=C_PROJ0), HIRA),
    check("hira_embedding", LLAMA, HiraConfig(r=3, target_modules=["embed_tokens"]), HIRA),
    check("hira_conv", CONV, HiraConfig(
        r=2, target_modules=["conv1d", "conv2d", "point", "conv3d"]), HIRA),
    case("shira_llama", LLAMA, ShiraConfig(r=2, random_seed=3, target_modules=KO), {"shira_weight": (0, 0.06)}),
    case("miss_llama", LLAMA, MissConfig(r=5, target_modules=KO), MISS),
    case("miss_mini", LLAMA, MissConfig(r=4, mini_r=4, init_weights="mini", target_modules=KO), MISS),
    case("miss_bat", LLAMA, MissConfig(r=4, init_weights="bat", target_modules=KO), MISS),
    check("miss_bias", BLOOM, MissConfig(r=4, target_modules=DENSE0, bias="miss_only"), {**MISS, "bias": (0, 0.05)}),
    case("c3a_llama", LLAMA, C3AConfig(
        block_size=4, block_size_pattern={"o_proj": 8}, target_modules=KO), {"c3a_kernel": (0, 0.5)}),
    case("gralora_llama", LLAMA, GraloraConfig(r=4, alpha=6, gralora_k=2, target_modules=KO), {"gralora_": (0, 0.12)}),
    case("gralora_hybrid", GPT2, GraloraConfig(
        r=8, alpha=10, gralora_k=4, hybrid_r=2, target_modules=C_PROJ0), {"gralora_": (0, 0.14)}),
    case("delora_llama", LLAMA, DeloraConfig(
        r=3, target_modules=KO, rank_pattern={"k_proj": 2}, lambda_pattern={"k_proj": 4}),
        {"delora_lambda": (2.5, 0.3), "delora_A": (0, 1), "delora_B": (0, 1)}),
    case("fourierft_llama", LLAMA, FourierFTConfig(
        n_frequency=40, scaling=20.0, target_modules=KO, n_frequency_pattern={"o_proj": 60}),
        {"fourierft_spectrum": (0, 0.08)}),
    case("fourierft_gpt2", GPT2, FourierFTConfig(
        n_frequency=60, scaling=20.0, random_loc_seed=5, target_modules=C_PROJ0), {"fourierft_spectrum": (0, 0.08)}),
    case("supertuning_llama", LLAMA, SupertuningConfig(
        sparsity=0.8, r=2, lora_alpha=5, target_modules=KO),
        {"supertuning_values": (0, 0.05), "supertuning_lora": (0, 0.08)}),
    check("supertuning_sparse", LLAMA, SupertuningConfig(sparsity=0.7, target_modules=KO), {"supertuning": (0, 0.05)}),
    case("vblora_llama", LLAMA, VBLoRAConfig(
        r=2, num_vectors=12, vector_length=8, topk=3, init_logits_std=1.0, target_modules=KO),
        {"vblora_vector_bank": (0, 0.3)}),
    case("vblora_topk", GPT2, VBLoRAConfig(
        r=3, num_vectors=300, vector_length=16, topk=2, init_logits_std=1.0, save_only_topk_weights=True,
        target_modules=C_ATTN0), {"vblora_vector_bank": (0, 0.3)}),
    *[check(f"waveft_{family}", LLAMA, WaveFTConfig(
        n_frequency=40, scaling=5.0, wavelet_family=family, target_modules=KO), {"waveft_spectrum": (0, 0.01)})
      for family in ("db1", "db2", "db3", "sym4", "coif1")],
    check("waveft_gpt2_direct", GPT2, WaveFTConfig(
        n_frequency=60, scaling=5.0, use_idwt=False, target_modules=C_PROJ0), {"waveft_spectrum": (0, 0.01)}),
]

CASES = LYCORIS_CASES + VERA_CASES + ROTATIONS + OTHER_CASES
