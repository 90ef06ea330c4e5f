public import Storage
public import StrictJSON

/// All tensors of an adapter in memory, their digests checked: each one contiguous, those of one stream in one piece.
public struct LoadedTensors: Sendable {
  /// The tensors, in the order of the file.
  public let tensors: [TensorInfo]
  private let places: [Name: Place]
  private let memory: [LargeMemory]

  private struct Place {
    let info: TensorInfo
    let memory: Int
    let offset: Int
  }

  /// Reads, checks and decodes them, on all processors.
  ///
  /// - Parameters:
  ///   - file: an open file.
  ///   - adapter: the adapter's index in its manifest. Tensors that this version cannot decode are left out.
  /// - Throws: `FormatError` of kind `checksum`, `frame` or `tensor`, or `storage`.
  public init(_ file: AdapterFile, adapter: Int) throws(FormatError) {
    let count = file.manifest.adapters[adapter].tensorCount
    var tensors: [TensorInfo] = []
    tensors.reserveCapacity(count)
    var places: [Name: Place] = [:]
    places.reserveCapacity(count)
    var memory: [LargeMemory] = []
    for (index, stream) in file.manifest.adapters[adapter].streams.enumerated() {
      guard let type = stream.type,
        let pass = StreamRestoration(file, adapter: adapter, stream: index)
      else { continue }
      let bytes = LargeMemory(byteCount: stream.byteCount)
      try unsafe pass.run(into: bytes.memory)
      var offset = 0
      for tensor in stream.tensors {
        let info = TensorInfo(name: tensor.name, type: type, shape: tensor.shape)
        tensors.append(info)
        places[tensor.name] = Place(info: info, memory: memory.count, offset: offset)
        offset += info.byteCount
      }
      memory.append(bytes)
    }
    self.tensors = tensors
    self.places = places
    self.memory = memory
  }

  /// The element type and shape of a tensor; nil where there is none of this name.
  public func info(_ name: Name) -> TensorInfo? { places[name]?.info }

  /// Calls the body with a tensor's bytes, little-endian and row-major, valid until it returns; nil where there is no
  /// tensor of this name.
  public func withBytes<Value, Failure: Error>(
    of name: Name, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
  ) throws(Failure) -> Value? {
    guard let place = places[name] else { return nil }
    let bytes = unsafe memory[place.memory].memory
    let range = place.offset..<place.offset + place.info.byteCount
    return try unsafe body(
      UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[range]))
  }
}
