public import Storage
public import StrictJSON

/// All tensors of an adapter in memory, their digests checked: each one contiguous, those of one stream in one piece.
public struct LoadedTensors: Sendable {
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
    var places: [Name: Place] = [:]
    var memory: [LargeMemory] = []
    for (index, stream) in file.manifest.adapters[adapter].streams.enumerated() {
      guard let type = stream.type,
        let pass = StreamRestoration(file, adapter: adapter, stream: index)
      else { continue }
      let bytes = LargeMemory(count: stream.byteCount)
      try unsafe pass.run(into: bytes.bytes)
      var offset = 0
      for tensor in stream.tensors {
        let info = TensorInfo(name: tensor.name, type: type, shape: tensor.shape)
        places[tensor.name] = Place(info: info, memory: memory.count, offset: offset)
        offset += info.byteCount
      }
      memory.append(bytes)
    }
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
    let bytes = unsafe memory[place.memory].bytes
    let range = place.offset..<place.offset + place.info.byteCount
    return try unsafe body(
      UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[range]))
  }
}

/// Memory that is filled once, before others see it, and then only read.
@safe private final class LargeMemory: @unchecked Sendable {
  let bytes: UnsafeMutableRawBufferPointer

  init(count: Int) {
    // Aligned to large pages, where there are enough bytes for some: taking them is then several times faster.
    let alignment = count >= 1 << 22 ? 1 << 21 : 64
    unsafe bytes = .allocate(byteCount: count, alignment: alignment)
    if alignment > 64 { unsafe Platform.preferLargePages(bytes) }
  }

  deinit {
    unsafe bytes.deallocate()
  }
}
