internal import AdapterFormat
internal import Checkpoints
internal import Storage
internal import StrictJSON
public import SystemPackage

/// The contents of a path. Every command decides by this, and by nothing else, what it was given.
///
/// | what is there | contents |
/// |---|---|
/// | a file that begins as an `.adp` file | `adapterFile` |
/// | what a format of `Formats` recognises | `foreign` |
/// | a folder with a `manifest.json`, or that file | `unpackedAdapter` |
/// | the `tensors.safetensors` of such a folder, or a sub-folder that holds one | `unpackedTensors` |
/// | a file that begins as safetensors, an index of shards, a folder that holds such files | `checkpoint` |
/// | a pipe | `adapterFile`: only its reader may look into it |
/// | anything else, or nothing | `stranger`, with what it looks like |
///
/// Contents count, not names: only where a file shows nothing, being cut short or damaged, its extension says
/// whose reader is to explain that.
public enum PathContents: Sendable {
  /// An `.adp` file.
  case adapterFile
  /// A folder that `unpack` made or `pack` takes.
  case unpackedAdapter
  /// Tensors in such a folder, which mean nothing without its manifest.
  case unpackedTensors
  /// An adapter of another format.
  case foreign(any ForeignFormat)
  /// A checkpoint in safetensors, and the format of adapters that look like it, where it may stand for one.
  case checkpoint(standsFor: (any ForeignFormat)?)
  /// None of them.
  case stranger(Stranger)

  /// A path that is none of them, by what it looks like.
  @nonexhaustive
  public enum Stranger: Sendable, Hashable {
    /// There is nothing at the path.
    case absent
    /// A folder without anything that is known.
    case folder
    /// A folder in whose sub-folders adapters of PEFT are: their names, the last ones first.
    case folderOfAdapters([String])
    /// The text that git has in place of a large file.
    case largeFilePointer
    /// A page of the web, saved instead of the file that was meant.
    case webPage
    /// A zip archive, which is what PyTorch's pickles are in.
    case archive
    /// The tensors of an adapter of MLX, without its configuration.
    case mlxTensors
    /// An adapter of a program whose format is not read.
    case program(OtherProgram)
    /// The tensors of a LoRA as PEFT names them, without its configuration.
    case factors
    /// Nothing that is known.
    case unknown
  }

  /// Looks at a path: at names, first bytes, and the header of safetensors.
  ///
  /// - Throws: `InteropError` where it cannot be read.
  public init(of path: FilePath) throws {
    let source = try ForeignSource(path)
    guard source.kind != .stream, !source.head.starts(with: Envelope.magic) else {
      self = .adapterFile
      return
    }
    if let program = try OtherProgram(source) {
      self = .stranger(.program(program))
    } else if let format = Formats.recognising(source) {
      self = .foreign(format)
    } else if AdapterFolder.isPlausible(path) {
      self = .unpackedAdapter
    } else if AdapterFolder.holdsTensors(path) {
      self = .unpackedTensors
    } else if Self.isCheckpoint(source) {
      let opened = try source.openingTensors()
      if let format = Formats.recognising(opened) {
        self = format.isCheckpoint ? .checkpoint(standsFor: format) : .foreign(format)
      } else {
        self = Stranger(tensorsOf: opened).map { .stranger($0) } ?? .checkpoint(standsFor: nil)
      }
    } else {
      self = .stranger(Stranger(source))
    }
  }

  private static func isCheckpoint(_ source: ForeignSource) -> Bool {
    switch source.kind {
    case nil, .stream: false
    case .folder:
      source.names.contains {
        [ShardIndex.fileName, Pipeline.fileName].contains($0) || $0.hasSuffix(".safetensors")
      }
    case .file:
      source.beginsAsSafetensors || source.name.hasSuffix(".safetensors")
        || source.name.hasSuffix(".index.json")
    }
  }
}

extension ForeignSource {
  /// True if the file begins with the length of a header and a header.
  fileprivate var beginsAsSafetensors: Bool {
    guard head.count > 8, head[8] == UInt8(ascii: "{") else { return false }
    let length = head[..<8].reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    return length <= UInt64(SafetensorsHeader.maximumByteCount)
  }
}

extension PathContents.Stranger {
  /// Looks at a path again that was taken for something, and is not that.
  ///
  /// - Throws: `InteropError` where it cannot be read.
  public init(lookingAt path: FilePath) throws {
    try self.init(ForeignSource(path))
  }

  fileprivate init(_ source: ForeignSource) {
    self =
      switch source.kind {
      case nil: .absent
      case .folder: Self.folder(source)
      case .file, .stream: Self.file(source.head)
      }
  }

  private static func folder(_ source: ForeignSource) -> Self {
    let adapters = source.names.filter { name in
      FileStatus(of: source.path.appending(name).appending(PEFTFolder.configName)) != nil
    }
    guard !adapters.isEmpty else { return .folder }
    return .folderOfAdapters(adapters.sorted { ($0.utf8.count, $0) > ($1.utf8.count, $1) })
  }

  private static func file(_ head: [UInt8]) -> Self {
    let text = String(decoding: head, as: UTF8.self).lowercased()
    if text.hasPrefix("version https://git-lfs") { return .largeFilePointer }
    if text.hasPrefix("<!doctype html") || text.hasPrefix("<html") { return .webPage }
    return head.starts(with: [0x50, 0x4B, 3, 4]) || head.starts(with: [0x80, 2])
      ? .archive : .unknown
  }

  /// An adapter of another program, by the names of the tensors in a safetensors file; nil for anything else.
  fileprivate init?(tensorsOf source: ForeignSource) {
    guard let tensors = source.tensors?.header.tensors.map(\.info.name), !tensors.isEmpty else {
      return nil
    }
    func some(_ isOne: (Name) -> Bool) -> Bool { tensors.contains(where: isOne) }
    if some({ $0.hasSuffix(".lora_a") || $0.hasSuffix(".lora_b") }) {
      self = .mlxTensors
    } else if some({ $0.hasPrefix("base_model.") && $0.text.contains(".lora_") }) {
      self = .factors
    } else {
      return nil
    }
  }
}
