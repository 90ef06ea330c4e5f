/// The weights of one block of `Llama`.
struct LlamaLayer {
  let attentionNorm: RootMeanSquareNorm
  /// Queries, keys and values, of a layer each or of one.
  let inputs: [LinearLayer]
  let headNorms: (query: RootMeanSquareNorm, key: RootMeanSquareNorm)?
  let attention: Attention
  /// Which of the model's rotations it has.
  let rotary: Int
  let output: LinearLayer
  let attentionPostNorm: RootMeanSquareNorm?
  let feedForwardNorm: RootMeanSquareNorm
  /// The gate and what it is for, of a layer each or of one.
  let gates: [LinearLayer]
  let down: LinearLayer
  let feedForwardPostNorm: RootMeanSquareNorm?

  init(_ traits: LlamaTraits, _ index: Int, _ loader: inout WeightLoader) throws {
    let name = "layers.\(index)."
    func norm(_ module: String, _ width: Int) throws -> RootMeanSquareNorm {
      RootMeanSquareNorm(
        weight: try loader.vector(name + module + ".weight", width), epsilon: traits.epsilon,
        origin: traits.normOrigin)
    }
    func layers(
      _ modules: [String], _ fused: String, to widths: [Int], bias: WeightLoader.Bias
    ) throws -> [LinearLayer] {
      let parts =
        traits.isFused ? [(fused, widths.reduce(0, +))] : Array(zip(modules, widths))
      return try parts.map { module, outputs in
        try loader.linear(name + module, from: traits.width, to: outputs, bias: bias)
      }
    }
    let width = traits.width
    attentionNorm = try norm("input_layernorm", width)
    inputs = try layers(
      ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"], "self_attn.qkv_proj",
      to: Self.inputWidths(traits), bias: traits.inputBias)
    if traits.hasHeadNorms {
      headNorms = (
        query: try norm("self_attn.q_norm", traits.headDimension),
        key: try norm("self_attn.k_norm", traits.headDimension)
      )
    } else {
      headNorms = nil
    }
    attention = Attention(
      headCount: traits.headCount, scale: traits.attentionScale, slopes: nil,
      window: traits.windows.window(of: index), cap: traits.scoreCap)
    rotary = traits.windows.isWindowed(index) ? 1 : 0
    output = try loader.linear(
      name + "self_attn.o_proj", from: traits.headCount * traits.headDimension, to: width,
      bias: traits.outputBias)
    if traits.hasPostNorms {
      attentionPostNorm = try norm("post_attention_layernorm", width)
      feedForwardNorm = try norm("pre_feedforward_layernorm", width)
    } else {
      attentionPostNorm = nil
      feedForwardNorm = try norm("post_attention_layernorm", width)
    }
    gates = try layers(
      ["mlp.gate_proj", "mlp.up_proj"], "mlp.gate_up_proj", to: Self.gateWidths(traits),
      bias: traits.feedForwardBias)
    down = try loader.linear(
      name + "mlp.down_proj", from: traits.inner, to: width, bias: traits.feedForwardBias)
    feedForwardPostNorm = try traits.hasPostNorms ? norm("post_feedforward_layernorm", width) : nil
  }

  /// Widths of queries, keys and values.
  static func inputWidths(_ traits: LlamaTraits) -> [Int] {
    let shared = traits.sharedCount * traits.headDimension
    return [traits.headCount * traits.headDimension, shared, shared]
  }

  /// Widths of the gate and of what it is for.
  static func gateWidths(_ traits: LlamaTraits) -> [Int] { [traits.inner, traits.inner] }
}
