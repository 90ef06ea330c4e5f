internal import Storage
package import StrictJSON

/// A parameter whose codes are made again, of other values: what these are, and where the bytes go.
///
/// Scales are made anew where the scheme's library would, and kept where a calibration or other parameters count on them
/// (Spec/quantised.md). Codes are the nearest.
package struct Requantisation: Sendable {
  let parameter: QuantisedParameter
  /// Gives elements that it is to hold, in row-major order.
  package typealias Values = @Sendable (Range<Int>) throws -> [Float]
  /// Takes bytes of one of its tensors, from a place on.
  package typealias Sink = @Sendable (_ tensor: Name, _ place: Int, _ bytes: [UInt8]) throws -> Void
  /// Takes elements whose codes are made.
  package typealias Meter = @Sendable (Run) throws -> Void
  private let values: Values
  private let tileLength: Int
  let write: Sink
  private let meter: Meter

  /// Elements of a run, about, and at most.
  private static let (runLength, largestRun) = (1 << 17, 1 << 19)

  /// - Parameters:
  ///   - parameter: the parameter.
  ///   - tileLength: elements that `values` works out together, from the first on.
  ///   - values: gives the values that it is to hold.
  ///   - write: takes the bytes.
  ///   - meter: takes the elements.
  package init(
    _ parameter: QuantisedParameter, tileLength: Int, values: @escaping Values,
    write: @escaping Sink, meter: @escaping Meter
  ) {
    (self.parameter, self.tileLength, self.values) = (parameter, tileLength, values)
    (self.write, self.meter) = (write, meter)
  }

  /// Elements of a run of whole units, as rows or blocks: a tile, where that is one, so that none is worked out twice.
  func runLength(of unit: Int) -> Int {
    tileLength.isMultiple(of: unit) && (1...Self.largestRun).contains(tileLength)
      ? tileLength : unit * max(1, Self.runLength / unit)
  }

  /// Makes all bytes of the tensors of the parameter that are not the base's.
  package func run() throws { try parameter.elements.requantise(self) }

  /// Elements of a parameter on the way into codes.
  package struct Run {
    package let range: Range<Int>
    /// The values that they had, as the scheme's library rounds them.
    package fileprivate(set) var before: [Float]
    /// The values that they are to have.
    package let wanted: [Float]
    /// The values that they have, which the codes' maker fills in, and which are then rounded likewise.
    package internal(set) var result: [Float]
    /// How far the neighbours of each result are among the values that have a code, the farther of two.
    package internal(set) var steps: [Float]
  }

  /// Calls `body` with all elements in runs of whole units, on all cores.
  func forEachRun(of unit: Int, _ body: @Sendable (inout Run) throws -> Void) throws {
    let (count, length) = (parameter.info.shape.count, runLength(of: unit))
    try ConcurrentWork.perform((count + length - 1) / length) { (index, _) throws in
      try measured(index * length..<min(count, (index + 1) * length), body)
    }
  }

  /// Calls `body` with one run, and measures what comes of it.
  func measured(_ range: Range<Int>, _ body: (inout Run) throws -> Void) throws {
    let zeros = [Float](repeating: 0, count: range.count)
    var run = Run(
      range: range, before: zeros, wanted: try finite(range), result: zeros, steps: zeros)
    try body(&run)
    try unsafe run.before.withUnsafeMutableBufferPointer {
      try unsafe parameter.elements.read(range, into: $0)
    }
    let type = parameter.info.type
    run.before = type.rounded(run.before)
    run.result = type.rounded(run.result)
    guard areFinite(run.result) else {
      throw CheckpointError.notMade(
        parameter.info.name, parameter.scheme,
        "the change is too large, some values would be infinite")
    }
    try meter(run)
  }

  /// Calls `body` with what all elements are to be, in runs of whole units, on all cores.
  func scan(
    runsOf unit: Int, _ body: @Sendable (Range<Int>, [Float]) -> Void
  ) throws {
    let (count, length) = (parameter.info.shape.count, runLength(of: unit))
    try ConcurrentWork.perform((count + length - 1) / length) { (index, _) throws in
      let range = index * length..<min(count, (index + 1) * length)
      body(range, try finite(range))
    }
  }

  /// Values, none of which is without a code.
  private func finite(_ range: Range<Int>) throws -> [Float] {
    let result = try values(range)
    guard areFinite(result) else {
      throw CheckpointError.notFinite(parameter.info.name, parameter.scheme)
    }
    return result
  }

  /// Looks at all of them, which takes no branch.
  private func areFinite(_ values: [Float]) -> Bool {
    Float(bitPattern: values.reduce(0) { max($0, $1.magnitude.bitPattern) }).isFinite
  }
}

extension QuantisedElements {
  /// Most schemes can take other values.
  var reasonNotToRequantise: String? { nil }
}

extension QuantisedParameter {
  /// Why its codes cannot be made again; nil where they can.
  package var reasonNotToRequantise: String? { elements.reasonNotToRequantise }

  /// The tensors that hold it.
  package var tensors: [Name] { [codes] + companions }
}

extension ElementType {
  /// Values in the type of a scheme's library.
  fileprivate func rounded(_ values: [Float]) -> [Float] {
    switch self {
    case .bf16: BrainFloat.widened(BrainFloat.units(values))
    case .f16: HalfFloats.widened(HalfFloats.units(values))
    default: values
    }
  }
}
