"""What the default configuration of a model type lacks to be built."""

_ROPE = {"rope_type": "default", "rope_theta": 10000.0}
_COMPASS = {"rope_parameters": {"full_attention": _ROPE, "sliding_attention": _ROPE}}

SETTINGS = {
    "autoformer": {"prediction_length": 4},
    "aya_vision": {"vision_config": {"model_type": "siglip_vision_model", "num_attention_heads": 16}},
    "beit": {"out_indices": [3, 5, 7, 11]},
    "chameleon": {"vocabulary_map": {"<image>": 4}},
    "cohere_compass": {"text_config": {"model_type": "cohere_compass_text", **_COMPASS}},
    "cohere_compass_text": _COMPASS,
    "data2vec-vision": {"out_indices": [3, 5, 7, 11]},
    "dbrx": {"attn_config": {"rope_theta": 10000.0}},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1},
    "emu3": {"vocabulary_map": {"<|extra_200|>": 4, "<image>": 5}},
    "esm": {"vocab_size": 33, "pad_token_id": 1, "mask_token_id": 32},
    "gpt2": {"add_cross_attention": True},
    "hiera": {"decoder_hidden_size": 512, "decoder_depth": 2, "decoder_num_heads": 16},
    "hunyuan_v1_dense": {"head_dim": 128},
    "hunyuan_v1_moe": {"head_dim": 128},
    "hunyuan_vl_text": {"head_dim": 128},
    "hunyuan_vl": {"text_config": {"model_type": "hunyuan_vl_text", "head_dim": 128}},
    "informer": {"prediction_length": 4},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 16},
    "ministral": {"head_dim": 128},
    "moshi": {"audio_vocab_size": 2048},
    "nemotron": {"num_key_value_heads": 8},
    "reformer": {"is_decoder": True},
    "time_series_transformer": {"prediction_length": 4},
    "vilt": {"num_images": 2},
    "wav2vec2-bert": {"vocab_size": 32},
    "wav2vec2-conformer": {"vocab_size": 32},
}

# --- What transformers does not know ----------------------------------------------------------------------

# The checkpoints of these on the Hub were saved without the prefix of the class that they are loaded with.
BARE_TIES = {
    "bloom": [["word_embeddings.weight", "lm_head.weight"]],
    "gpt2": [["wte.weight", "lm_head.weight"]],
}

# Models that scale what their decoder gives where the output layer is the embedding, and so compute something else
# without the tie; T5Gemma 2 ties its embeddings whatever the configuration says.
SCALED_BY_TIE = {"longt5", "mt5", "pop2piano", "switch_transformers", "t5", "t5gemma", "t5gemma2", "udop", "umt5"}

# Names of files that are older than transformers' classes; it takes them and never writes them.
LEGACY_RULES = {
    "gamma_beta": ["LayerNorm.bias>LayerNorm.beta", "LayerNorm.weight>LayerNorm.gamma"],
    "weight_norm": [
        "parametrizations.weight.original0>weight_g",
        "parametrizations.weight.original1>weight_v",
    ],
}

# Last parts that most families use for something else: Whisper's output layer, that of Llama as Meta has it.
OTHER_VOCABULARY = {"input": [], "output": ["output", "proj_out"]}

# --- For the tests ----------------------------------------------------------------------------------------

# Well-known families, and the class of each whose parameters are recorded.
RECORDED = {
    "bart": "BartForConditionalGeneration",
    "bert": "BertForMaskedLM",
    "bloom": "BloomForCausalLM",
    "gemma3": "Gemma3ForConditionalGeneration",
    "gpt2": "GPT2LMHeadModel",
    "gpt_neox": "GPTNeoXForCausalLM",
    "llama": "LlamaForCausalLM",
    "llava": "LlavaForConditionalGeneration",
    "mamba": "MambaForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "opt": "OPTForCausalLM",
    "phimoe": "PhimoeForCausalLM",
    "qwen2_audio": "Qwen2AudioForConditionalGeneration",
    "qwen2_vl": "Qwen2VLForConditionalGeneration",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "roberta": "RobertaForMaskedLM",
    "segformer": "SegformerForSemanticSegmentation",
    "swin": "SwinForImageClassification",
    "t5": "T5ForConditionalGeneration",
    "vit": "ViTForImageClassification",
    "whisper": "WhisperForConditionalGeneration",
    "zamba": "ZambaForCausalLM",
}
