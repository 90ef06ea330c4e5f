extension UnrunnableModelTests {
  /// What may stand in the configurations of Llama's kin, and cannot be run.
  static let kin: [Damage] = mistral + qwen + gemma + phi3

  private static func added(_ field: String, _ key: String, to base: String) -> Damage {
    Damage(
      "\"vocab_size\"", "\(field), \"vocab_size\"",
      "\"\(key)\" has a value that cannot be run here", base: base)
  }

  private static let mistral = [
    added(#""attention_bias": true"#, "attention_bias", to: "run-mistral"),
    added(#""mlp_bias": true"#, "mlp_bias", to: "run-mistral"),
    added(
      #""layer_types": ["sliding_attention", "full_attention"]"#, "layer_types", to: "run-mistral"),
    added(
      #""layer_types": ["full_attention", "sliding_attention"]"#, "layer_types", to: "run-llama"),
    Damage(
      "\"sliding_window\": 4", "\"sliding_window\": 0", "\"sliding_window\" is not a count",
      base: "run-mistral"),
    Damage("\"head_dim\": 8,", "", "q_proj.weight has shape", base: "run-mistral"),
  ]

  private static let qwen = [
    added(#""layer_types": ["full_attention"]"#, "layer_types", to: "run-qwen3"),
    added(
      #""layer_types": ["full_attention", "chunked_attention"]"#, "layer_types", to: "run-qwen3"),
    Damage(
      "\"vocab_size\"", "\"layer_types\": 7, \"vocab_size\"",
      "\"layer_types\" is not a list as it should be", base: "run-qwen3"),
    Damage(
      "\"use_sliding_window\": true", "\"use_sliding_window\": false",
      "\"sliding_window\" has a value that cannot be run here", base: "run-qwen2-window"),
    Damage(
      "\"max_window_layers\": 1", "\"max_window_layers\": -1",
      "\"max_window_layers\" is not a count", base: "run-qwen3"),
    Damage(
      "\"attention_bias\": false", "\"attention_bias\": true", "has no tensor", base: "run-qwen3"),
  ]

  private static let gemma = [
    Damage(
      "gelu_pytorch_tanh", "silu", "\"hidden_activation\" has a value that cannot be run here",
      base: "run-gemma2"),
    Damage(
      "\"attn_logit_softcapping\": 3.0", "\"attn_logit_softcapping\": 0",
      "\"attn_logit_softcapping\" has a value that cannot be run here", base: "run-gemma2"),
    Damage(
      "\"final_logit_softcapping\": 9.0", "\"final_logit_softcapping\": -9.0",
      "\"final_logit_softcapping\" has a value that cannot be run here", base: "run-gemma2"),
    Damage(
      "\"query_pre_attn_scalar\": 12", "\"query_pre_attn_scalar\": 0",
      "\"query_pre_attn_scalar\" has a value that cannot be run here", base: "run-gemma2"),
    Damage(
      "\"sliding_window\": 4", "\"sliding_window\": null",
      "\"sliding_window\" has a value that cannot be run here", base: "run-gemma2"),
    Damage(
      "\"attention_bias\": true", "\"attention_bias\": false",
      "its config.json says that there is no such bias", base: "run-gemma3"),
    Damage(
      "\"attn_logit_softcapping\": null", "\"attn_logit_softcapping\": 50.0",
      "\"attn_logit_softcapping\" has a value that cannot be run here", base: "run-gemma3"),
    Damage(
      "\"use_bidirectional_attention\": false", "\"use_bidirectional_attention\": true",
      "\"use_bidirectional_attention\" has a value that cannot be run here", base: "run-gemma3"),
    Damage(
      "\"linear\"", "\"yarn\"", "positions scaled by yarn cannot be run here", base: "run-gemma3"),
    added(
      #""rope_parameters": {"full_attention": {"rope_type": "default"}}"#, "rope_scaling",
      to: "run-gemma3"),
    Damage(
      "\"rope_parameters\": {", "\"rope_parameters\": {\"rope_type\": \"default\", ",
      "\"rope_parameters\" has a value that cannot be run here", base: "run-gemma3-types"),
    Damage(
      "\"rope_theta\": 50.0", "\"partial_rotary_factor\": 0.5",
      "\"partial_rotary_factor\" has a value that cannot be run here", base: "run-gemma3-types"),
  ]

  private static let phi3 = [
    added(#""attention_bias": true"#, "attention_bias", to: "run-phi3"),
    added(#""lm_head_bias": true"#, "lm_head_bias", to: "run-phi3"),
    Damage(
      "\"partial_rotary_factor\": 0.5", "\"partial_rotary_factor\": 0.4",
      "\"partial_rotary_factor\" has a value that cannot be run here", base: "run-phi3"),
    Damage(
      "\"partial_rotary_factor\": 0.5", "\"partial_rotary_factor\": 1e300",
      "\"partial_rotary_factor\" has a value that cannot be run here", base: "run-phi3"),
    Damage(
      "\"num_attention_heads\": 4", "\"head_dim\": 2147483644, \"num_attention_heads\": 2147483646",
      "\"num_attention_heads\" has a value that cannot be run here", base: "run-phi3"),
    Damage(
      "\"intermediate_size\": 40", "\"intermediate_size\": 2147483647", "has shape",
      base: "run-phi3"),
    Damage(
      "\"short_factor\"", "\"shorter_factor\"",
      "positions with \"shorter_factor\" cannot be run here",
      base: "run-phi3-long"),
    Damage(
      "1.3,", "1.3, 1.5,", "\"short_factor\" has a value that cannot be run here",
      base: "run-phi3-long"),
    Damage(
      "1.3,", "-1.3,", "the scaling of positions lacks \"short_factor\"", base: "run-phi3-long"),
    Damage("\"longrope\"", "\"linear\"", "positions with", base: "run-phi3-long"),
    Damage(
      "\"original_max_position_embeddings\": 32,", "",
      "lacks \"original_max_position_embeddings\"", base: "run-phi3-long"),
  ]
}
