import Storage

/// Values that readers have stumbled over, and the words that ours know.
enum FuzzWords {
  /// Around every limit of the format, of its integers and of IEEE doubles.
  static let numbers = [
    "0", "1", "2", "3", "4", "7", "8", "9", "16", "17", "64", "255", "256", "1000", "1023", "1024",
    "2048", "65535", "65536", "65792", "1048576", "2097152", "2147483647", "2147483648",
    "4294967295", "4294967296", "1073741824", "1099511627776", "9007199254740990",
    "9007199254740991", "9007199254740992", "9007199254740993", "9223372036854775807",
    "9223372036854775808", "18446744073709551615", "18446744073709551616", "-0", "-1",
    "-9223372036854775808", "0.5", "1.5", "1e0", "1E3", "0e400", "0.0", "1e308", "1e309", "5e-324",
    "4e-324", "2.5e-324", "1e-400", "1.7976931348623157e308", "-1e-5", "01", "1.", ".5", "0x1",
  ]

  /// Odd names and texts, as JSON.
  static let strings =
    [
      "", "a", "default", "__metadata__", ".", "..", "a/b", "a\\\\b", "con", "\\u0000", "\\n",
      "\\u007f",
      "e\\u0301", "\\u00e9", "\\u212a", "K", "\\ud83d\\ude00", "\\ud83d", "\\ufeff", "%s%n",
      "a.weight",
      "model.layers.0.self_attn.q_proj.weight", "base_model.model.", "base_layer",
      "modules_to_save",
      "(a*)*b", "a{9999}", ".*\\\\.q", "[", "(?=x)",
      String(repeating: "0", count: 64), String(repeating: "n", count: 64),
      String(repeating: "n", count: 1024), String(repeating: "n", count: 1025), "planes", "peft",
      "out_in", "in_out", "unresolved", "sure", "guessed", "input", "output", "refuse", "create",
      "skip", "encoder",
      "decoder", "lora", "files/README.md", "adapter_config.json",
    ] + ElementType.allCases.map(\.rawValue)

  /// Keys of manifests, of safetensors headers and of configurations.
  static let keys = words(
    """
    generator requires metadata base adapters name method inert nonfinite operations source files
    streams revision architecture fingerprint tensors digest sketch tensor window reason op target
    shape bound format config sha256 header path size dtype code chunk chunks layout layout_from
    scale experts wide a_blocks b_blocks side bias result absent resize rows stream slots heads
    head_dim terms shared radius orthogonal variant group places difference left right a b v delta value values magnitude
    diagonal row_scale u r s theta alpha lambda w_norm spectrum indices w1 w2 data_offsets
    weight_map peft_type lora_alpha rank_pattern alpha_pattern use_rslora use_dora target_modules
    target_parameters modules_to_save fan_in_fan_out use_bdlora num_virtual_tokens num_layers
    num_attention_heads token_dim num_transformer_submodules trainable_token_indices hybrid_r
    gralora_k peft_version model_type architectures tie_word_embeddings total_size new
    """)

  /// Operations of the format.
  static let operations = words(
    """
    add_low_rank multiply add replace replace_rows prepend_embeddings prepend_kv add_hadamard
    add_kronecker add_sparse add_blocks add_circulant add_grouped_low_rank add_normalised_low_rank
    scale_low_rank rotate_input rotate_butterfly reflect_input rotate_output add_spectral restore add_new
    """)

  /// Methods of PEFT, one of them refused.
  static let methods = words(
    """
    LORA ADALORA IA3 PROMPT_TUNING P_TUNING PREFIX_TUNING LN_TUNING TRAINABLE_TOKENS BEFT LOHA LOKR
    VERA PVERA OFT BOFT HRA HIRA SHIRA SUPERTUNING MISS C3A ROAD GRALORA DELORA FOURIERFT XLORA
    """)

  private static func words(_ text: String) -> [String] {
    text.split(whereSeparator: \.isWhitespace).map(String.init)
  }
}
