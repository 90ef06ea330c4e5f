internal import Storage
internal import StrictJSON
internal import SystemPackage

/// A program whose adapters are not read, by what its files show: each is refused by name, with the way out.
@nonexhaustive
public enum OtherProgram: Sendable, Hashable, CaseIterable {
  /// AdapterHub's `adapters`.
  case adapterHub
  /// OpenDelta.
  case openDelta
  /// torchtune.
  case torchtune
  /// NVIDIA NeMo and Megatron.
  case nemo
  /// A checkpoint of DeepSpeed or FSDP, in shards.
  case distributedCheckpoint
  /// Apple's Foundation Models.
  case foundationModels
  /// Arrays of numpy, which mlx-lm wrote once.
  case npz

  /// Nil for anything else.
  ///
  /// - Throws: `InteropError` where a configuration cannot be read.
  init?(_ source: ForeignSource) throws {
    if source.name.hasSuffix(".fmadapter") || source.names.contains("adapter_weights.bin") {
      self = .foundationModels
    } else if source.name.hasSuffix(".nemo") {
      self = .nemo
    } else if source.kind == .folder, let program = try Self.ofFolder(source) {
      self = program
    } else if source.kind == .file, let program = Self.ofFile(source) {
      self = program
    } else {
      return nil
    }
  }

  private static func ofFile(_ source: ForeignSource) -> OtherProgram? {
    guard source.head.starts(with: [0x50, 0x4B]) else { return nil }
    if source.name.hasSuffix(".npz") { return .npz }
    return source.name.hasPrefix("adapter_") && source.name.hasSuffix(".pt") ? .torchtune : nil
  }

  private static func ofFolder(_ source: ForeignSource) throws -> OtherProgram? {
    let names = source.names
    func some(_ isOne: (String) -> Bool) -> Bool { names.contains(where: isOne) }
    // What PEFT or MLX can be read from is that, whatever lies beside it.
    let own = [PEFTFolder.weightsName, PEFTFolder.pickleName, MLXFormat.weightsName]
    guard !some(own.contains) else { return nil }
    if some({ $0.hasSuffix(".distcp") || $0.hasPrefix("mp_rank_") || $0.hasPrefix("zero_pp_rank_") }
    ) {
      return .distributedCheckpoint
    }
    if some({ $0.hasPrefix("adapter_") && $0.hasSuffix(".pt") }) { return .torchtune }
    if names.contains("adapters.npz") { return .npz }
    let config = try fields(of: PEFTFolder.configName, in: source)
    if config.contains("mh_adapter") || config.contains("model_type") && config.contains("config")
      || names.contains("pytorch_adapter.bin")
    {
      return .adapterHub
    }
    return try fields(of: "config.json", in: source).contains("delta_type") ? .openDelta : nil
  }

  /// The fields of a configuration, and of the object `config` in it; none where there is no such file.
  private static func fields(of name: String, in source: ForeignSource) throws -> Set<Name> {
    guard source.names.contains(name),
      let bytes = try File.ifThere(source.path.appending(name))?.contents(limit: 1 << 20),
      case .object(let members)? = try? JSONValue(document: bytes, maximumDepth: 32)
    else { return [] }
    var fields = Set(members.map(\.key))
    if case .object(let inner)? = members.first(where: { $0.key == "config" })?.value {
      fields.formUnion(inner.map(\.key))
    }
    return fields
  }
}
