internal import Storage

/// Compresses chunks; one for each thread. Its memory is kept from chunk to chunk.
@safe package final class ChunkEncoder {
  private let codec: PlaneCodec
  private let compressor: PlaneCompressor
  private let sample = ScratchMemory()
  private let planes = ScratchMemory()

  package init(_ codec: PlaneCodec, _ level: CompressionLevel) {
    self.codec = codec
    compressor = PlaneCompressor(level)
  }

  /// The room that a chunk of so many units may need while it is made.
  package static func capacity(_ codec: PlaneCodec, count: Int) -> Int {
    codec.width * PlaneCompressor.capacity(planeSize: count)
  }

  /// Writes the frames of a chunk, one for each plane.
  ///
  /// - Parameters:
  ///   - units: whole units, at least one.
  ///   - output: has at least the `capacity` for them.
  /// - Throws: `FormatError.frame` where libzstd fails.
  /// - Returns: the frames' sizes.
  package func encode(
    _ units: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(FormatError) -> [UInt32] {
    let count = units.count / codec.width
    let choices = unsafe choose(units, count: count)
    var places = unsafe parts(of: planes.bytes(count: units.count))
    let storedCount = Frame.storedByteCount(contentSize: count)
    // Planes of noise that come first are cut into the output at once.
    var (length, ready) = (0, 0)
    while ready < codec.width, choices[ready] == .stored,
      let place = unsafe Frame.storeAround(
        contentSize: count, in: UnsafeMutableRawBufferPointer(rebasing: output[length...]))
    {
      unsafe places[ready] = place
      length += storedCount
      ready += 1
    }
    unsafe split(units, into: places)
    var sizes = [UInt32](repeating: UInt32(storedCount), count: ready)
    for plane in ready..<codec.width {
      let size = try unsafe compressor.compress(
        UnsafeRawBufferPointer(places[plane]), choices[plane],
        into: UnsafeMutableRawBufferPointer(rebasing: output[length...]))
      sizes.append(UInt32(size))
      length += size
    }
    return sizes
  }

  /// Looks at a sample of the units: for each plane what shall become of it.
  private func choose(
    _ units: UnsafeRawBufferPointer, count: Int
  ) -> [PlaneCompressor.Choice] {
    let (runs, run) = count > PlaneSample.count ? (PlaneSample.runs, PlaneSample.run) : (1, count)
    let memory = unsafe sample.bytes(count: 2 * runs * run * codec.width)
    let half = memory.count / 2
    let step = runs == 1 ? 0 : (count - run) / (runs - 1)
    for number in 0..<runs {
      let start = number * step * codec.width
      unsafe UnsafeMutableRawBufferPointer(rebasing: memory[(number * run * codec.width)...])
        .copyMemory(
          from: UnsafeRawBufferPointer(rebasing: units[start..<start + run * codec.width]))
    }
    let planes = unsafe parts(of: UnsafeMutableRawBufferPointer(rebasing: memory[half...]))
    unsafe split(
      UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory)[..<half]), into: planes)
    return unsafe planes.map { plane in
      unsafe compressor.choose(UnsafeRawBufferPointer(plane), isFloat: codec.isRotated)
    }
  }

  private func split(
    _ units: UnsafeRawBufferPointer, into planes: [UnsafeMutableRawBufferPointer]
  ) {
    guard let source = units.baseAddress else { return }
    let targets = unsafe planes.compactMap { $0.baseAddress }
    unsafe targets.withUnsafeBufferPointer { targets in
      guard let targets = targets.baseAddress else { return }
      unsafe codec.split(source, count: units.count / codec.width, into: targets)
    }
  }

  /// Memory in as many equal parts as there are planes.
  private func parts(of memory: UnsafeMutableRawBufferPointer) -> [UnsafeMutableRawBufferPointer] {
    let count = memory.count / codec.width
    return unsafe (0..<codec.width).map { plane in
      unsafe UnsafeMutableRawBufferPointer(rebasing: memory[plane * count..<(plane + 1) * count])
    }
  }
}

extension ChunkRecord {
  /// Frames of these sizes, with which some bytes begin.
  package init(sizes: [UInt32], checksumOf frames: UnsafeRawBufferPointer) {
    let count = sizes.reduce(0) { $0 + Int($1) }
    self.init(
      sizes: sizes,
      checksum: unsafe CRC32.checksum(UnsafeRawBufferPointer(rebasing: frames[..<count])))
  }
}
