internal import Storage
public import StrictJSON
public import SystemPackage

/// A base model on disk: one safetensors file, a folder of shards with their index, or a pipeline's folder, of whose
/// parts each is one of these and its tensors are called by the part too, as in `unet.conv_in.weight`.
///
/// Opening reads headers only.
public struct Checkpoint: Sendable {
  /// The file or folder that was opened.
  public let path: FilePath
  /// The safetensors files, by name.
  public let shards: [Shard]
  /// The index of the shards, where there is one.
  public let indexPath: FilePath?
  /// The configuration in `config.json` beside the weights; nil if there is none that can be read.
  public let config: ModelConfig?
  /// True if there is a `config.json` that cannot be read: then ties and model type are not known.
  public let hasUnreadableConfig: Bool
  /// Where its `config.json` is, or would be.
  public let configPath: FilePath
  private let places: [Name: Place]
  private let sampleDigests = SampleDigests()

  /// One safetensors file.
  public struct Shard: Sendable {
    /// Its name in the folder.
    public let name: String
    /// The open file.
    public let file: SafetensorsFile
    /// The prefix of the names of its tensors in the checkpoint: `unet.` for a part of a pipeline.
    package let prefix: Name
    /// All that stands before the bytes of its tensors: the header and its length.
    package var head: FileRange { FileRange(0..<file.dataOffset, of: file.file) }
  }

  private struct Place: Sendable {
    let shard: Int
    let tensor: Int
    /// The parameter, where it is decoded; the place is that of its codes.
    var parameter: QuantisedParameter?
  }

  /// The parameters that are decoded, of a base that was opened quantised: none of them is stored as it is read.
  package let decoded: [QuantisedParameter]
  /// The tensors of schemes that are not there any more.
  package let omitted: Set<Name>
  /// True if its results stay quantised as it is: it is decoded for reading only.
  package let keepsCodes: Bool

  /// True if any tensor may be of a scheme of quantised weights: one of its tensors has a type that codes have, or is
  /// an absmax.
  let holdsCodes: Bool

  /// True if it was opened as a folder, or as an index in one.
  public var isFolder: Bool { folder != nil }
  /// The folder, where it was opened as one.
  public let folder: FilePath?
  /// True if it is the folder of a pipeline, which has no files of weights itself.
  public let isPipeline: Bool

  /// Opens a safetensors file, a folder that holds one or several, or an index.
  ///
  /// - Throws: `CheckpointError` where the files are missing, malformed or contradict each other.
  public init(_ path: FilePath) throws(CheckpointError) {
    self.path = path
    let parts = try Pipeline.parts(of: path)
    isPipeline = !parts.isEmpty
    let layout = parts.isEmpty ? try Self.layout(of: path) : Self.layout(ofPipeline: path)
    folder = layout.folder
    indexPath = layout.index
    var shards: [Shard] = []
    var places: [Name: Place] = [:]
    if parts.isEmpty {
      try Self.open(layout, "", &shards, &places)
    } else {
      for part in parts {
        try Self.open(try Self.layout(of: path.appending(part)), part, &shards, &places)
      }
    }
    self.shards = shards
    self.places = places
    (decoded, omitted, keepsCodes) = ([], [], false)
    holdsCodes = shards.contains { shard in
      shard.file.header.tensors.contains {
        $0.info.type.mayBeCode || $0.info.name.hasSuffix(".absmax")
      }
    }
    configPath = layout.parent.appending("config.json")
    let configPath = configPath
    config = try storing { () throws(StorageError) in try ModelConfig(configPath) }
    hasUnreadableConfig = config == nil && FileStatus(of: configPath) != nil
  }

  /// Bytes of its safetensors files.
  package var byteCount: UInt64 { shards.reduce(0) { $0 + $1.file.file.count } }

  /// The names of all stored tensors.
  public var names: some Collection<Name> & Sendable { places.keys }

  /// A stored tensor; nil where there is none of this name.
  public func tensor(_ name: Name) -> StoredTensor? {
    places[name].map { place in
      if let parameter = place.parameter { return stored(parameter, inShard: place.shard) }
      return stored(shards[place.shard].file.header.tensors[place.tensor], inShard: place.shard)
    }
  }

  /// `TensorSample.exact` of a stored tensor, which many adapters of one base ask for: read once.
  ///
  /// - Throws: `CheckpointError.storage` where the file cannot be read.
  package func sampleDigest(of tensor: StoredTensor) throws(CheckpointError) -> [UInt8] {
    if let digest = sampleDigests.known(tensor.info.name) { return digest }
    let digest = try TensorSample(tensor).exact
    sampleDigests.add(digest, of: tensor.info.name)
    return digest
  }

  /// The paths that it was read from: the folder, or else the files one by one.
  package var inputs: [FilePath] {
    let files = shards.map(\.file.file.path)
    return [path] + (folder.map { [$0] } ?? files + [path.parent.appending("config.json")])
  }

  /// The paths that hold its values: who may not read these may not read a result of them.
  package var sources: [FilePath] {
    (folder.map { [$0] } ?? []) + shards.map(\.file.file.path)
  }

  /// All stored tensors, shard by shard in the order of their bytes.
  public var tensors: [StoredTensor] {
    shards.indices.flatMap { tensors(inShard: $0) }
  }

  /// The stored tensors of one shard in the order of their bytes.
  public func tensors(inShard index: Int) -> [StoredTensor] {
    let codes = Dictionary(
      decoded.map { ($0.codes, $0) }, uniquingKeysWith: { first, _ in first })
    return shards[index].file.header.tensors.compactMap { tensor in
      let plain = stored(tensor, inShard: index)
      if let parameter = codes[plain.info.name] { return stored(parameter, inShard: index) }
      return omitted.contains(plain.info.name) ? nil : plain
    }
  }

  /// The tensors of one shard as its file has them, whatever is decoded.
  package func tensorsAsStored(inShard index: Int) -> [StoredTensor] {
    shards[index].file.header.tensors.map { stored($0, inShard: index) }
  }

  /// All of them, shard by shard.
  package var tensorsAsStored: [StoredTensor] {
    shards.indices.flatMap { tensorsAsStored(inShard: $0) }
  }

  /// True if quantised parameters are written as floats.
  package var isWrittenDecoded: Bool { !decoded.isEmpty && !keepsCodes }

  private func stored(_ parameter: QuantisedParameter, inShard index: Int) -> StoredTensor {
    StoredTensor(
      info: parameter.info, shard: index,
      elements: .decoded(DecodedElements(parameter)))
  }

  /// A base that is read with its quantised parameters decoded.
  init(_ checkpoint: Checkpoint, decoding parameters: [QuantisedParameter], keepsCodes: Bool) {
    self.keepsCodes = keepsCodes
    path = checkpoint.path
    shards = checkpoint.shards
    indexPath = checkpoint.indexPath
    config = checkpoint.config
    hasUnreadableConfig = checkpoint.hasUnreadableConfig
    configPath = checkpoint.configPath
    folder = checkpoint.folder
    isPipeline = checkpoint.isPipeline
    holdsCodes = checkpoint.holdsCodes
    decoded = parameters
    omitted = Set(parameters.flatMap(\.companions))
    var places = checkpoint.places
    for name in omitted { places[name] = nil }
    for parameter in parameters {
      guard var place = places.removeValue(forKey: parameter.codes) else { continue }
      place.parameter = parameter
      places[parameter.info.name] = place
    }
    self.places = places
  }

  private func stored(_ tensor: SafetensorsHeader.Tensor, inShard index: Int) -> StoredTensor {
    let file = shards[index].file
    let start = file.offset(of: tensor)
    let bytes = FileRange(start..<start + UInt64(tensor.info.byteCount), of: file.file)
    let prefix = shards[index].prefix
    let info =
      prefix.text.isEmpty
      ? tensor.info
      : TensorInfo(
        name: Name("\(prefix)\(tensor.info.name)"), type: tensor.info.type,
        shape: tensor.info.shape)
    return StoredTensor(
      info: info, shard: index, elements: .plain(PlainElements(bytes, of: tensor.info.type)))
  }
}

// MARK: - Finding the files

extension Checkpoint {
  private struct Layout {
    let parent: FilePath
    let folder: FilePath?
    let index: FilePath?
    let single: String
  }

  /// The files of a model, or of a part of a pipeline, and where their tensors are.
  private static func open(
    _ layout: Layout, _ part: String, _ shards: inout [Shard], _ places: inout [Name: Place]
  ) throws(CheckpointError) {
    let index: ShardIndex? = if let index = layout.index { try ShardIndex(index) } else { nil }
    let names = index.map { Array(Set($0.shards.values)).sorted() } ?? [layout.single]
    var own: [Shard] = []
    for name in names {
      let shard = layout.parent.appending(name)
      if let index = layout.index, FileStatus(of: shard) == nil {
        throw .index(index, "shard \(name) is missing")
      }
      own.append(
        Shard(
          name: part.isEmpty ? name : "\(part)/\(name)", file: try SafetensorsFile(shard),
          prefix: Name(part.isEmpty ? "" : part + ".")))
    }
    let first = shards.count
    for (name, place) in try Self.places(own, index, layout) {
      places[Name(part.isEmpty ? name.text : "\(part).\(name)")] = Place(
        shard: first + place.shard, tensor: place.tensor)
    }
    shards += own
  }

  private static func layout(ofPipeline path: FilePath) -> Layout {
    Layout(parent: path, folder: path, index: nil, single: "")
  }

  private static func layout(of path: FilePath) throws(CheckpointError) -> Layout {
    guard let status = FileStatus(of: path) else {
      throw .storage(.system(operation: "read", path: path, code: .noSuchFileOrDirectory))
    }
    guard status.isFolder else {
      let name = path.lastComponent?.string ?? ""
      let parent = path.parent
      return name.hasSuffix(".index.json")
        ? Layout(parent: parent, folder: parent, index: path, single: "")
        : Layout(parent: parent, folder: nil, index: nil, single: name)
    }
    let names = try storing { () throws(StorageError) in try Platform.list(path) }
    let weights = names.filter { $0.hasSuffix(".safetensors") }
    // transformers and diffusers call it by different names; a second one is of another precision.
    let indexes = names.filter { $0.hasSuffix(".safetensors.index.json") }
    let index =
      indexes.contains(ShardIndex.fileName)
      ? ShardIndex.fileName : indexes.count == 1 ? indexes[0] : nil
    let single = "model.safetensors"
    switch (index, weights.contains(single)) {
    case (let index?, true):
      throw .index(path, "holds both \(single) and \(index): name the one you mean")
    case (let index?, false):
      return Layout(parent: path, folder: path, index: path.appending(index), single: "")
    case (nil, true): return Layout(parent: path, folder: path, index: nil, single: single)
    case (nil, false):
      guard weights.count == 1 else { throw .noWeights(path, reason(names, weights)) }
      return Layout(parent: path, folder: path, index: nil, single: weights[0])
    }
  }

  private static func reason(_ names: [String], _ weights: [String]) -> String {
    if weights.count > 1 { return "several safetensors files and no \(ShardIndex.fileName)" }
    let pickle = names.first { $0.hasSuffix(".bin") || $0.hasSuffix(".pt") || $0.hasSuffix(".pth") }
    guard let pickle else { return "no safetensors file" }
    return "\(pickle) is a pickle, which is never read: save the model as safetensors"
  }

  /// Every tensor in exactly one place, and, with an index, in the shard that it names.
  private static func places(
    _ shards: [Shard], _ index: ShardIndex?, _ layout: Layout
  ) throws(CheckpointError) -> [Name: Place] {
    var places: [Name: Place] = [:]
    for (number, shard) in shards.enumerated() {
      for (position, tensor) in shard.file.header.tensors.enumerated() {
        let name = tensor.info.name
        let place = Place(shard: number, tensor: position)
        guard let index, let path = layout.index else {
          places[name] = place
          continue
        }
        guard let expected = index.shards[name] else {
          throw .index(path, "tensor \(name) in \(shard.name) is not in the index")
        }
        guard expected == shard.name, places.updateValue(place, forKey: name) == nil else {
          throw .index(path, "tensor \(name) is in \(shard.name), the index says \(expected)")
        }
      }
    }
    if let index, let path = layout.index {
      for (name, shard) in index.shards.sorted(by: { $0.key < $1.key }) where places[name] == nil {
        throw .index(path, "tensor \(name) is not in \(shard)")
      }
    }
    return places
  }
}
