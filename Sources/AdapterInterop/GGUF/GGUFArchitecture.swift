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
  let modules: Modules

  /// The order of rows of a weight, and so of `lora_b`.
  enum RowOrder: Sendable {
    /// As transformers has them.
    case same
    /// Of queries and keys the two halves of each head take turns.
    case alternatingHalves
    /// Of BLOOM's fused weight all queries come first, then all keys, then all values; there, head by head.
    case groupedQKV
  }

  /// The names of a block's modules: GGUF's, and transformers' within the block.
  enum Modules: Sendable {
    case llama
    case phi3
    case gpt2
    case bloom

    var pairs: [(gguf: String, module: String)] {
      switch self {
      case .llama:
        [
          ("attn_q", "self_attn.q_proj"), ("attn_k", "self_attn.k_proj"),
          ("attn_v", "self_attn.v_proj"), ("attn_output", "self_attn.o_proj"),
          ("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"),
          ("ffn_down", "mlp.down_proj"),
        ]
      case .phi3:
        [
          ("attn_qkv", "self_attn.qkv_proj"), ("attn_output", "self_attn.o_proj"),
          ("ffn_up", "mlp.gate_up_proj"), ("ffn_down", "mlp.down_proj"),
        ]
      case .gpt2:
        [
          ("attn_qkv", "attn.c_attn"), ("attn_output", "attn.c_proj"),
          ("ffn_up", "mlp.c_fc"), ("ffn_down", "mlp.c_proj"),
        ]
      case .bloom:
        [
          ("attn_qkv", "self_attention.query_key_value"), ("attn_output", "self_attention.dense"),
          ("ffn_up", "mlp.dense_h_to_4h"), ("ffn_down", "mlp.dense_4h_to_h"),
        ]
      }
    }

    /// Before a block's number: `layers` of `model.layers.3`.
    var stack: String { self == .llama || self == .phi3 ? "layers" : "h" }

    var embedding: String {
      switch self {
      case .llama, .phi3: "embed_tokens"
      case .gpt2: "wte"
      case .bloom: "word_embeddings"
      }
    }
  }

  /// Those whose rows were seen in llama.cpp's own conversion of a model with random weights.
  static let all: [GGUFArchitecture] = [
    .init("llama", ["Llama", "Mistral", "Mixtral"], .alternatingHalves),
    .init("smollm3", ["SmolLM3"], .alternatingHalves),
    .init("granite", ["Granite"], .alternatingHalves),
    .init("olmo", ["Olmo"], .alternatingHalves),
    .init("qwen2", ["Qwen2"]), .init("qwen3", ["Qwen3"]), .init("gemma", ["Gemma"]),
    .init("gemma2", ["Gemma2"]), .init("olmo2", ["Olmo2"]), .init("command-r", ["Cohere"]),
    .init("phi3", ["Phi3"], .same, .phi3), .init("bloom", ["Bloom"], .groupedQKV, .bloom),
    GGUFArchitecture(name: "gpt2", classes: ["GPT2LMHeadModel"], rows: .same, modules: .gpt2),
  ]

  private init(
    _ name: String, _ families: [String], _ rows: RowOrder = .same, _ modules: Modules = .llama
  ) {
    self.init(
      name: name, classes: families.map { $0 + "ForCausalLM" }, rows: rows, modules: modules)
  }

  private init(name: String, classes: [String], rows: RowOrder, modules: Modules) {
    (self.name, self.classes, self.rows, self.modules) = (name, classes, rows, modules)
  }
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
      checkpoint.config?.tiesWordEmbeddings ?? (known.modules == .gpt2 || known.modules == .bloom)
  }
}

// MARK: - Names

extension GGUFModel {
  /// What llama.cpp calls a weight, without `.weight`: `blk.3.attn_q`; nil where it has no such tensor.
  func tensorName(of target: Name) -> String? {
    let parts = target.text.split(separator: ".").map(String.init)
    guard parts.last == "weight" else { return nil }
    let modules = architecture.modules
    if let place = parts.firstIndex(of: modules.stack), place + 1 < parts.count,
      let block = Int(parts[place + 1])
    {
      let module = parts[(place + 2)...].dropLast().joined(separator: ".")
      return modules.pairs.first { $0.module == module }.map { "blk.\(block).\($0.gguf)" }
    }
    switch parts.dropLast().last {
    case modules.embedding: return "token_embd"
    case "lm_head": return "output"
    default: return nil
    }
  }

  /// The weight of the base that a tensor of llama.cpp's is; nil where the base has none.
  func target(of tensor: String) -> Name? {
    let modules = architecture.modules
    let parts = tensor.split(separator: ".").map(String.init)
    let inner: String
    switch (parts.first, parts.count) {
    case ("token_embd", 1): inner = modules.embedding
    case ("output", 1): inner = "lm_head"
    case ("blk", 3):
      guard let block = Int(parts[1]), "\(block)" == parts[1],
        let module = modules.pairs.first(where: { $0.gguf == parts[2] })?.module
      else { return nil }
      inner = "\(modules.stack).\(block).\(module)"
    default: return nil
    }
    return ["model.", "transformer.", "", "language_model.model.", "model.language_model."]
      .map { Name("\($0)\(inner).weight") }.first { checkpoint.tensor($0) != nil }
  }
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

/// Rows of a matrix in another order: row i of the result is row `order[i]`.
func rows(_ bytes: [UInt8], in order: [Int]) -> [UInt8] {
  guard !order.isEmpty else { return bytes }
  let size = bytes.count / order.count
  var result: [UInt8] = []
  result.reserveCapacity(bytes.count)
  for row in order { result += bytes[row * size..<(row + 1) * size] }
  return result
}

/// The transpose of a matrix of elements of so many bytes.
func transposed(_ bytes: [UInt8], rows: Int, columns: Int, width: Int) -> [UInt8] {
  var result = [UInt8](repeating: 0, count: bytes.count)
  for row in 0..<rows {
    for column in 0..<columns {
      let (from, to) = ((row * columns + column) * width, (column * rows + row) * width)
      for byte in 0..<width { result[to + byte] = bytes[from + byte] }
    }
  }
  return result
}

extension [Int] {
  /// The order that undoes this one.
  var inverted: [Int] {
    var result = self
    for (place, row) in enumerated() { result[row] = place }
    return result
  }
}
