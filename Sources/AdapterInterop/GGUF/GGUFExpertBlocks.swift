internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

/// A GGUF adapter's changes of experts, by block: PEFT has gate and up as one parameter, and llama.cpp as two.
struct GGUFExpertBlocks {
  private(set) var blocks: [Block] = []

  struct Block {
    let path: String
    var pairs: [ExpertModule.Role: GGUFStackedPair] = [:]
  }

  mutating func add(_ pair: GGUFStackedPair, of module: ExpertModule) {
    let index = blocks.firstIndex { $0.path == module.block } ?? blocks.endIndex
    if index == blocks.endIndex { blocks.append(Block(path: module.block)) }
    blocks[index].pairs[module.role] = pair
  }
}

/// A stack of A, [E, r, in], and one of B, [E, out, r].
struct GGUFStackedPair {
  let (a, b): (GGUFTensor, GGUFTensor)

  /// - Throws: `InteropError` where they are not such.
  init(_ a: GGUFTensor, _ b: GGUFTensor) throws(InteropError) {
    (self.a, self.b) = (a, b)
    guard a.shape.count == 3, b.shape.count == 3, a.shape[0] == b.shape[0],
      a.shape[1] == b.shape[2], a.shape[0] > 0, a.shape[1] > 0
    else {
      throw InteropError(
        .malformed, at: .tensor(a.name),
        "\(a.shape) and \(b.shape) of B are not [E, r, in] and [E, out, r]")
    }
  }

  var count: Int { a.shape[0] }
  var rank: Int { a.shape[1] }
  var inputCount: Int { a.shape[2] }
  var outputCount: Int { b.shape[1] }

  func isAlike(_ other: Self) -> Bool {
    a.shape == other.a.shape && b.shape == other.b.shape && a.type == other.a.type
      && b.type == other.b.type
  }
}

extension GGUFExpertBlocks.Block {
  /// The parameters that transformers has for the block, of which anything changes.
  var stacks: [GGUFExpertStack] {
    [[.gate, .up], [.down]].compactMap { GGUFExpertStack(self, $0) }
  }
}

/// A parameter that holds the matrices of all experts of a block, those of gate above those of up.
struct GGUFExpertStack {
  let parameter: Name
  /// The matrices that change, and which of the parameter's they are.
  let parts: [Part]
  private let matrixCount: Int

  struct Part {
    let place: Int
    let module: ExpertModule
    let pair: GGUFStackedPair
  }

  /// - Returns: nil where none of the matrices changes.
  init?(_ block: GGUFExpertBlocks.Block, _ roles: [ExpertModule.Role]) {
    parameter = ExpertModule(block: block.path, role: roles[0]).stack
    matrixCount = roles.count
    parts = roles.enumerated().compactMap { place, role in
      block.pairs[role].map {
        Part(place: place, module: ExpertModule(block: block.path, role: role), pair: $0)
      }
    }
    if parts.isEmpty { return nil }
  }

  /// One matrix of all experts, under llama.cpp's own name.
  init(_ pair: GGUFStackedPair, at path: String) {
    (parameter, matrixCount) = (Name("\(path).weight"), 1)
    parts = [Part(place: 0, module: ExpertModule(block: path, role: .down), pair: pair)]
  }

  /// Both factors of one change of the whole parameter: A [E · r, in] and B [out, r · E], in which an expert's columns are
  /// E apart. Where gate and up have an A each, r is that of both together.
  ///
  /// - Returns: nil where the matrices' changes have other types or shapes, or one has none.
  func factors(
    _ read: (GGUFTensor) throws -> TensorContents
  ) throws -> (experts: Int, a: TensorContents, b: TensorContents)? {
    let first = parts[0].pair
    guard parts.count == matrixCount, parts.allSatisfy({ $0.pair.isAlike(first) }) else {
      return nil
    }
    let a = try parts.map { try read($0.pair.a) }
    let b = try parts.map { try read($0.pair.b) }
    let aBytes = try a.map { try $0.bytes.bytes(at: $0.offset, count: $0.info.byteCount) }
    let isShared = aBytes.allSatisfy { $0 == aBytes[0] }
    let rank = isShared ? first.rank : first.rank * parts.count
    return try (
      first.count,
      Self.contents(
        a[0].info, [first.count * rank, first.inputCount],
        isShared ? aBytes[0] : Self.alternating(aBytes, pieces: first.count)),
      Self.contents(
        b[0].info, [matrixCount * first.outputCount, rank * first.count],
        stacked(
          try b.map { try $0.bytes.bytes(at: $0.offset, count: $0.info.byteCount) },
          rank: rank, isShared: isShared, width: b[0].info.type.bitWidth / 8))
    )
  }

  private static func contents(
    _ info: TensorInfo, _ shape: [Int], _ bytes: [UInt8]
  ) throws(InteropError) -> TensorContents {
    guard let shape = Shape(shape.map(UInt64.init)) else {
      throw InteropError(.malformed, at: .tensor(info.name), "it is too large")
    }
    return TensorContents(
      TensorInfo(name: info.name, type: info.type, shape: shape), bytes: MemoryBytes(bytes),
      offset: 0)
  }

  /// The first piece of each, then the second of each.
  private static func alternating(_ all: [[UInt8]], pieces: Int) -> [UInt8] {
    let size = all[0].count / pieces
    return (0..<pieces).flatMap { piece in
      all.flatMap { $0[piece * size..<(piece + 1) * size] }
    }
  }

  /// Element (e, o, c) of a matrix's B becomes row o of that matrix's rows, column c · E + e, after those of the matrices
  /// before it where each has its own A.
  private func stacked(
    _ all: [[UInt8]], rank: Int, isShared: Bool, width: Int
  ) -> [UInt8] {
    let first = parts[0].pair
    let (count, output) = (first.count, first.outputCount)
    var result = [UInt8](
      repeating: 0, count: matrixCount * output * rank * count * width)
    for (index, part) in parts.enumerated() {
      let start = isShared ? 0 : index * first.rank
      for expert in 0..<count {
        for row in 0..<output {
          for column in 0..<first.rank {
            let source = ((expert * output + row) * first.rank + column) * width
            let target =
              ((part.place * output + row) * rank + start + column) * count + expert
            for byte in 0..<width {
              result[target * width + byte] = all[index][source + byte]
            }
          }
        }
      }
    }
    return result
  }
}
