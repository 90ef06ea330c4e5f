internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// How llama.cpp stores a model family: what it calls the modules, and in which order it has their rows.
struct GGUFArchitecture: Sendable {
  /// `general.architecture`.
  let name: String
  /// The classes of transformers that it stands for.
  let classes: [String]
  let rows: RowOrder

  /// The order of rows of a weight, and so of `lora_b`.
  enum RowOrder: Sendable {
    /// As transformers has them.
    case same
    /// Of queries and keys the two halves of each head take turns.
    case alternatingHalves
    /// Of BLOOM's fused weight all queries come first, then all keys, then all values; there, head by head.
    case groupedQKV
  }

  /// Those whose rows were seen in llama.cpp's own conversion of a model with random weights.
  static let all: [GGUFArchitecture] = [
    .init("llama", ["Llama", "Mistral", "Mixtral"], .alternatingHalves),
    .init("smollm3", ["SmolLM3"], .alternatingHalves),
    .init("granite", ["Granite"], .alternatingHalves),
    .init("olmo", ["Olmo"], .alternatingHalves),
    .init("qwen2", ["Qwen2"]), .init("qwen3", ["Qwen3"]), .init("qwen2moe", ["Qwen2Moe"]),
    .init("qwen3moe", ["Qwen3Moe"]), .init("gemma", ["Gemma"]), .init("gemma2", ["Gemma2"]),
    .init("phi2", ["Phi"]), .init("phi3", ["Phi3"]), .init("olmo2", ["Olmo2"]),
    .init("command-r", ["Cohere"]), .init("starcoder2", ["Starcoder2"]),
    .init("stablelm", ["StableLm"]), .init("glm4", ["Glm4"]), .init("nemotron", ["Nemotron"]),
    .init("hunyuan-dense", ["HunYuanDenseV1"]), .init("exaone4", ["Exaone4"]),
    .init("bloom", ["Bloom"], .groupedQKV),
    GGUFArchitecture(name: "gpt2", classes: ["GPT2LMHeadModel"], rows: .same),
  ]

  private init(_ name: String, _ families: [String], _ rows: RowOrder = .same) {
    self.init(name: name, classes: families.map { $0 + "ForCausalLM" }, rows: rows)
  }

  private init(name: String, classes: [String], rows: RowOrder) {
    (self.name, self.classes, self.rows) = (name, classes, rows)
  }

  /// The modules of a block: GGUF's names, and those of transformers within the block. Where families differ, the base's
  /// own names say which is meant.
  static let modules: [(gguf: String, module: String)] = [
    ("attn_q", "self_attn.q_proj"), ("attn_k", "self_attn.k_proj"), ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"), ("attn_output", "self_attn.dense"),
    ("attn_output", "attn.c_proj"), ("attn_output", "self_attention.dense"),
    ("attn_qkv", "self_attn.qkv_proj"), ("attn_qkv", "attn.c_attn"),
    ("attn_qkv", "self_attention.query_key_value"),
    ("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"), ("ffn_up", "mlp.gate_up_proj"),
    ("ffn_up", "mlp.fc1"), ("ffn_up", "mlp.c_fc"), ("ffn_up", "mlp.dense_h_to_4h"),
    ("ffn_down", "mlp.down_proj"), ("ffn_down", "mlp.fc2"), ("ffn_down", "mlp.c_proj"),
    ("ffn_down", "mlp.dense_4h_to_h"),
    ("ffn_gate_inp", "block_sparse_moe.gate"), ("ffn_gate_inp", "mlp.gate"),
    ("ffn_gate_shexp", "mlp.shared_expert.gate_proj"),
    ("ffn_up_shexp", "mlp.shared_expert.up_proj"),
    ("ffn_down_shexp", "mlp.shared_expert.down_proj"),
  ]

  /// Before a block's number: `layers` of `model.layers.3`.
  static let stacks = ["layers", "h"]
  static let embeddings = ["embed_tokens", "wte", "word_embeddings"]
  /// Where the model is in its file.
  static let prefixes = [
    "model.", "transformer.", "", "language_model.model.", "model.language_model.",
  ]
}

/// A model that a GGUF adapter is for: its architecture, and the numbers that its rows' order hangs on.
struct GGUFModel: Sendable {
  let architecture: GGUFArchitecture
  let headCount: Int
  let keyValueHeadCount: Int
  let isTied: Bool
  let checkpoint: Checkpoint

  /// Reads a base's config.json.
  ///
  /// - Throws: `InteropError` where there is none, or llama.cpp's order of the family's rows is not known here.
  init(_ checkpoint: Checkpoint) throws {
    self.checkpoint = checkpoint
    let path = checkpoint.configPath
    guard let file = try File.ifThere(path), let bytes = try file.contents(limit: 1 << 20),
      case .object(let members) = try? JSONValue(document: bytes, maximumDepth: 32)
    else { throw InteropError(.malformed, at: .file(path), "no config.json that can be read") }
    func count(_ key: Name) -> Int? {
      members.first { $0.key == key }?.value.double.flatMap { Int(exactly: $0) }
        .flatMap { (1...1 << 20).contains($0) ? $0 : nil }
    }
    let className = checkpoint.config?.architecture ?? "a model without architectures"
    guard let known = GGUFArchitecture.all.first(where: { $0.classes.contains(className) }) else {
      throw InteropError(
        .unsupported, at: .file(path),
        "the order in which llama.cpp stores the rows of \(className) is not known here")
    }
    guard let heads = count("num_attention_heads") ?? count("n_head") else {
      throw InteropError(.malformed, at: .file(path), "num_attention_heads is missing")
    }
    architecture = known
    headCount = heads
    keyValueHeadCount = count("num_key_value_heads") ?? heads
    isTied =
      checkpoint.config?.tiesWordEmbeddings ?? ["gpt2", "bloom"].contains(known.name)
  }
}

// MARK: - Names

extension GGUFModel {
  /// Returns llama.cpp's name of a weight, without `.weight`: `blk.3.attn_q`; nil if it has no such tensor.
  func tensorName(of target: Name) -> String? {
    let parts = target.text.split(separator: ".").map(String.init)
    guard parts.last == "weight" else { return nil }
    if let place = parts.indices.dropLast().first(where: {
      GGUFArchitecture.stacks.contains(parts[$0]) && Int(parts[$0 + 1]) != nil
    }), let block = Int(parts[place + 1]) {
      let module = parts[(place + 2)...].dropLast().joined(separator: ".")
      return GGUFArchitecture.modules.first { $0.module == module }.map {
        "blk.\(block).\($0.gguf)"
      }
    }
    guard let leaf = parts.dropLast().last else { return nil }
    return GGUFArchitecture.embeddings.contains(leaf)
      ? "token_embd" : leaf == "lm_head" ? "output" : nil
  }

  /// The weight of the base that a tensor of llama.cpp's is; nil where the base has none.
  func target(of tensor: String) -> Name? {
    let parts = tensor.split(separator: ".").map(String.init)
    let inner: [String]
    switch (parts.first, parts.count) {
    case ("token_embd", 1): inner = GGUFArchitecture.embeddings
    case ("output", 1): inner = ["lm_head"]
    case ("blk", 3):
      guard let block = Int(parts[1]), "\(block)" == parts[1] else { return nil }
      let modules = GGUFArchitecture.modules.filter { $0.gguf == parts[2] }.map(\.module)
      inner = GGUFArchitecture.stacks.flatMap { stack in
        modules.map { "\(stack).\(block).\($0)" }
      }
    default: return nil
    }
    return GGUFArchitecture.prefixes.lazy
      .flatMap { prefix in inner.map { Name("\(prefix)\($0).weight") } }
      .first { checkpoint.tensor($0) != nil }
  }

  /// The expert matrix that a stack of llama.cpp's is, `blk.3.ffn_gate_exps`; nil where the base has none.
  func experts(of tensor: String) -> ExpertModule? {
    let parts = tensor.split(separator: ".").map(String.init)
    guard parts.count == 3, parts[0] == "blk", let block = Int(parts[1]), "\(block)" == parts[1],
      let role = ExpertModule.Role.allCases.first(where: { $0.ggufName == parts[2] })
    else { return nil }
    let blocks = GGUFArchitecture.prefixes.flatMap { prefix in
      ["block_sparse_moe", "mlp"].map { "\(prefix)layers.\(block).\($0)" }
    }
    return blocks.lazy.map { ExpertModule(block: $0, role: role) }.first { module in
      checkpoint.tensor(module.weight(of: 0)) != nil
        || checkpoint.tensor(Name("\(module.block).experts.down_proj")) != nil
    }
  }

  /// llama.cpp's name of a stack of experts; nil where nothing says which block it is.
  func tensorName(of module: ExpertModule) -> String? {
    let parts = module.block.split(separator: ".")
    return parts.lazy.compactMap { Int($0) }.first.map { "blk.\($0).\(module.role.ggufName)" }
  }
}

extension ExpertModule.Role {
  fileprivate var ggufName: String { "ffn_\(rawValue)_exps" }
}

// MARK: - Rows

extension GGUFModel {
  /// For each row of a weight in GGUF the row that it is in transformers; nil where the order is the same.
  ///
  /// - Throws: `InteropError` where the rows are not those of the configuration's heads.
  func rowOrder(of tensor: String, count: Int) throws(InteropError) -> [Int]? {
    let leaf = tensor.split(separator: ".").last.map(String.init)
    switch (architecture.rows, leaf) {
    case (.alternatingHalves, "attn_q"): return try halves(count, heads: headCount)
    case (.alternatingHalves, "attn_k"): return try halves(count, heads: keyValueHeadCount)
    case (.groupedQKV, "attn_qkv"):
      let size = try headSize(count, heads: 3 * headCount)
      return (0..<count).map { row in
        let (kind, rest) = row.quotientAndRemainder(dividingBy: headCount * size)
        let (head, place) = rest.quotientAndRemainder(dividingBy: size)
        return (3 * head + kind) * size + place
      }
    default: return nil
    }
  }

  private func halves(_ count: Int, heads: Int) throws(InteropError) -> [Int] {
    let size = try headSize(count, heads: heads)
    guard size.isMultiple(of: 2) else {
      throw InteropError(.malformed, "heads of \(size) rows, which have no halves")
    }
    return (0..<count).map { row in
      let (head, place) = row.quotientAndRemainder(dividingBy: size)
      return head * size + place % 2 * (size / 2) + place / 2
    }
  }

  private func headSize(_ count: Int, heads: Int) throws(InteropError) -> Int {
    guard count.isMultiple(of: heads), count > 0 else {
      throw InteropError(.malformed, "\(count) rows for \(heads) heads of the base")
    }
    return count / heads
  }
}
