internal import AdapterFormat
public import Adapters
internal import Checkpoints
internal import Storage
internal import StrictJSON

/// A PEFT LoRA as an adapter.
///
/// | PEFT | here |
/// |---|---|
/// | `M.lora_A.weight` [r, in], `M.lora_B.weight` [out, r] | `add_low_rank` on `M.weight` |
/// | `lora_alpha`, `r`, `use_rslora`, `rank_pattern`, `alpha_pattern` | `scale` |
/// | `fan_in_fan_out`, the module's name | `layout`: decided, or left to the base |
/// | both files, verbatim | `source`: they come back byte for byte |
public struct PEFTImport: Sendable {
  /// The adapter.
  public let adapter: Adapter
  /// What a user should know of the conversion.
  public let notes: [String]

  /// Converts a folder.
  ///
  /// - Parameters:
  ///   - folder: the adapter as PEFT saved it.
  ///   - ignoredFields: unknown fields of the configuration that the user says to mean nothing.
  /// - Throws: `InteropError` where anything of it is not understood.
  public init(_ folder: PEFTFolder, ignoredFields: [String] = []) throws(InteropError) {
    let config = try PEFTConfig(folder.config)
    try LoRAFields.check(folder.config, ignoredFields: ignoredFields.map { Name($0) })
    let pairs = try Self.pairs(folder.weights.header.tensors.map(\.info))
    adapter = Adapter(
      name: "default", method: "lora", operations: try Self.operations(pairs, config),
      inert: [], source: try Self.source(folder), files: [],
      base: BaseRecord(
        name: config.baseName, revision: config.revision, architecture: nil, fingerprint: nil),
      tensors: folder.weights.header.tensors.map { tensor in
        TensorContents(
          tensor.info, bytes: folder.weights.file, offset: folder.weights.offset(of: tensor))
      })
    notes = Self.notes(folder, config, modules: pairs.map(\.module))
  }

  /// The operations that a configuration and the tensors beside it mean.
  static func operations(
    _ config: PEFTConfig, _ tensors: [TensorInfo]
  ) throws(InteropError) -> [Adapters.Operation] {
    try operations(pairs(tensors), config)
  }

  private struct Pair {
    let module: Name
    var a: TensorInfo?
    var b: TensorInfo?
  }

  /// A and B of each module, in the order in which the file shows them.
  private static func pairs(_ infos: [TensorInfo]) throws(InteropError) -> [Pair] {
    var pairs: [Pair] = []
    var places: [Name: Int] = [:]
    for info in infos {
      let name = try PEFTName(info.name)
      guard info.type.isFloat else {
        throw .tensors("tensor \(info.name) is \(info.type.rawValue), not a float")
      }
      let place = places[name.module, default: pairs.count]
      if place == pairs.count {
        pairs.append(Pair(module: name.module))
        places[name.module] = place
      }
      let isTaken = name.part == .a ? pairs[place].a != nil : pairs[place].b != nil
      guard !isTaken else { throw .tensors("two tensors for one part: \(info.name)") }
      if name.part == .a { pairs[place].a = info } else { pairs[place].b = info }
    }
    return pairs
  }

  private static func operations(
    _ pairs: [Pair], _ config: PEFTConfig
  ) throws(InteropError) -> [Adapters.Operation] {
    let allTransposable = pairs.allSatisfy { Conv1DNames.isOne($0.module) }
    var operations: [Adapters.Operation] = []
    for pair in pairs {
      guard let a = pair.a else { throw .tensors("\(pair.module) has lora_B and no lora_A") }
      guard let b = pair.b else { throw .tensors("\(pair.module) has lora_A and no lora_B") }
      let (rank, scale) = try config.numbers(for: pair.module)
      try checkShapes(pair.module, a, b, rank: rank)
      let (layout, source) = Conv1DNames.layout(
        of: pair.module, fanInFanOut: config.fanInFanOut && allTransposable)
      do throws(FormatError) {
        operations.append(
          .addLowRank(
            try AddLowRank(
              target: Name(pair.module.text + ".weight"), a: (Operand(a.name), a),
              b: (Operand(b.name), b), scale: scale, layout: layout, layoutSource: source)))
      } catch {
        throw .format(error)
      }
    }
    return operations
  }

  private static func checkShapes(
    _ module: Name, _ a: TensorInfo, _ b: TensorInfo, rank: Int
  ) throws(InteropError) {
    for info in [a, b] {
      guard info.shape.count > 0, info.shape.dimensions.count > 1 else {
        throw .tensors(
          "tensor \(info.name) has shape \(info.shape): shards of a distributed run that were not "
            + "gathered before saving")
      }
      guard info.shape.dimensions.count == 2 else {
        throw .unknownTensor(info.name, reason: "convolutions are not supported by this version")
      }
    }
    guard a.shape.dimensions[0] == rank, b.shape.dimensions[1] == rank else {
      throw .tensors(
        "\(module): the configuration gives rank \(rank), lora_A is \(a.shape), lora_B \(b.shape)")
    }
  }

  private static func source(_ folder: PEFTFolder) throws(InteropError) -> SourceRecord {
    let header = folder.weights.header
    let canonical = SafetensorsHeader(
      canonical: header.tensors.map(\.info), metadata: [.init("format", "pt")])
    return SourceRecord(
      format: "peft", config: folder.configText,
      digest: try storing { () throws(StorageError) in try folder.weights.file.digest() },
      header: canonical.text == header.text ? nil : header.text)
  }

  private static func notes(
    _ folder: PEFTFolder, _ config: PEFTConfig, modules: [Name]
  ) -> [String] {
    var notes: [String] = []
    let untargeted = modules.filter { !config.targets($0) }
    if let first = untargeted.first {
      // PEFT would drop their tensors without a word.
      notes.append(
        "target_modules does not name \(first)"
          + (untargeted.count > 1 ? " and \(untargeted.count - 1) more" : "")
          + ": their tensors are used all the same")
    }
    if !folder.otherFiles.isEmpty {
      notes.append("not carried: " + folder.otherFiles.joined(separator: ", "))
    }
    for (field, pattern) in [
      ("rank_pattern", config.rankPattern), ("alpha_pattern", config.alphaPattern),
    ] {
      let unused = pattern.unusedKeys(modules)
      if !unused.isEmpty {
        notes.append("\(field): no module for " + unused.joined(separator: ", "))
      }
    }
    return notes
  }
}

/// Names of layers that some models store transposed: transformers' `Conv1D`, in GPT-2 and its kin.
/// Other models give the same names to ordinary linear layers.
enum Conv1DNames {
  private static let leaves: Set<Name> = ["c_attn", "q_attn", "c_proj", "c_fc"]

  static func isOne(_ module: Name) -> Bool {
    leaves.contains(Name(module.text.split(separator: ".").last.map(String.init) ?? ""))
  }

  /// What is known without a base. The flag is one for the whole adapter, and the last layer that
  /// PEFT wrapped has set it: it is believed only where all layers have such a name.
  static func layout(of module: Name, fanInFanOut: Bool) -> (Layout, LayoutSource?) {
    guard isOne(module) else { return (.outIn, .name) }
    return fanInFanOut ? (.inOut, .flag) : (.unresolved, nil)
  }
}
