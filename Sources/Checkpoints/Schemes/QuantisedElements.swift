package import Storage
package import StrictJSON

/// A reader of the values of a parameter that a scheme stores in several tensors.
///
/// Each is made once a checkpoint is opened, holds no more than small tables, and reads what it needs for a range.
protocol QuantisedElements: Sendable {
  /// The files' bytes that it reads.
  var sources: [FileRange] { get }

  /// How far its values may be, in relation to them, from those that were quantised: some three times what the scheme
  /// costs weights of trained models. Those of another model are 1.4 away.
  var errorBound: Double { get }

  /// Why other values cannot be put in its place; nil where they can.
  var reasonNotToRequantise: String? { get }

  /// The tensors that `requantise` makes: the codes, and scales that are not kept.
  var made: [Name] { get }

  /// Makes the codes of other values, and the scales that go with them.
  func requantise(_ work: Requantisation) throws

  /// The values of elements of the parameter, in row-major order, in F32: the library's own, before they are rounded to
  /// the parameter's type.
  func read(_ range: Range<Int>, into values: UnsafeMutableBufferPointer<Float>)
    throws(StorageError)
}

/// Calls `body` with each row of a matrix of so many columns that some of its elements are of: the row, the first column,
/// and the elements.
func forEachRow(
  of range: Range<Int>, columns: Int,
  _ body: (_ row: Int, _ column: Int, _ part: Range<Int>) throws(StorageError) -> Void
) throws(StorageError) {
  var place = range.lowerBound
  while place < range.upperBound {
    let (row, column) = place.quotientAndRemainder(dividingBy: columns)
    let end = min(range.upperBound, (row + 1) * columns)
    try body(row, column, place..<end)
    place = end
  }
}

/// Puts `count` values of a panel, from `start` on, to a place.
func copyPanel(
  _ panel: [Float], from start: Int, count: Int, to values: UnsafeMutableBufferPointer<Float>,
  at place: Int
) {
  precondition(start + count <= panel.count && place + count <= values.count)
  unsafe panel.withUnsafeBufferPointer { panel in
    guard let source = panel.baseAddress, let target = values.baseAddress else { return }
    unsafe (target + place).update(from: source + start, count: count)
  }
}

/// A parameter that is stored quantised, as what it is without that.
package struct QuantisedParameter: Sendable {
  /// Its name, the float type that the scheme's library gives, and its shape in the model without the scheme.
  package let info: TensorInfo
  package let scheme: QuantisationScheme
  /// The tensor whose place in the files is the parameter's.
  package let codes: Name
  /// The other tensors of the scheme, which the parameter has no use for once it is float.
  package let companions: [Name]
  let elements: any QuantisedElements

  /// `QuantisedElements.made`.
  package var made: [Name] { elements.made }

  /// The companions that belong to what goes into the layer or comes out of it: its values do not depend on them.
  package var activations: [Name] {
    companions.filter { name in Self.activationLeaves.contains { name.hasSuffix(Name(".\($0)")) } }
  }

  /// The tensors that its values are read from.
  package var valueTensors: [Name] {
    let others = Set(activations)
    return tensors.filter { !others.contains($0) }
  }

  fileprivate static let activationLeaves = [
    "input_scale", "output_scale", "activation_scale", "k_scale", "v_scale", "input_global_scale",
    "input_zero_point",
  ]

  /// `QuantisedElements.errorBound`.
  package var errorBound: Double { elements.errorBound }
}

extension QuantisedElements {
  /// The bound of integers, or other codes, of so many bits.
  static func errorBound(bits: Int) -> Double {
    switch bits {
    case 8...: 0.05
    case 5...7: 0.15
    case 4: 0.3
    default: 0.5
    }
  }
}

extension TensorInfo {
  /// As a reader of a scheme makes it.
  ///
  /// - Throws: `CheckpointError` where it is too large.
  init(
    _ name: Name, _ type: ElementType, _ dimensions: [Int], of scheme: QuantisationScheme
  ) throws(CheckpointError) {
    guard let shape = Shape(dimensions.map { UInt64(clamping: $0) }), shape.count > 0 else {
      throw .quantised(name, scheme, "the shape \(dimensions) is not one")
    }
    self.init(name: name, type: type, shape: shape)
  }
}

extension Checkpoint {
  /// The tensors that are there of those that a scheme keeps beside a parameter: under its own name and an ending, and
  /// the scales of activations under that of its module.
  func companions(of parameter: Name, _ endings: [String]) -> [Name] {
    let text = parameter.text
    let module = text.hasSuffix("weight") ? String(text.dropLast("weight".count)) : ""
    return (endings.map { text + $0 } + QuantisedParameter.activationLeaves.map { module + $0 })
      .map { Name($0) }
      .filter { tensor($0) != nil }
  }
}
