internal import AdapterFormat
public import Checkpoints
public import Operations
internal import Storage
internal import StrictJSON

extension Checkpoint {
  /// Weights as this base stores them: what a foreign file needs to know whose meaning depends on their shapes.
  ///
  /// - Parameters:
  ///   - targets: the weights, matrices each.
  ///   - choices: what the user decides.
  /// - Returns: the same targets, in the same order, with shapes and layouts.
  /// - Throws: `AdapterError` where one is missing, or of an undecided layout.
  public func resolved(
    _ targets: [Target], choices: BindingChoices = BindingChoices()
  ) throws -> [Target] {
    // An operation that needs a matrix, and leaves its sizes to the base.
    guard let none = Shape([0]), let nowhere = Shape([2, 0]) else { return targets }
    let spectrum = TensorInfo(name: "spectrum", type: .f32, shape: none)
    let places = TensorInfo(name: "places", type: .i32, shape: nowhere)
    let operations = try targets.map { target in
      try Operation(
        AddSpectral(
          target: target, spectrum: TypedOperand(spectrum), places: TypedOperand(places), scale: 1))
    }
    let probe = Adapter(
      name: "probe", method: "probe", operations: operations, inert: [], source: nil, files: [],
      base: nil,
      tensors: [spectrum, places].map { TensorContents($0, bytes: MemoryBytes([]), offset: 0) })
    return try BoundAdapter(probe, to: self, choices: choices, sizes: StackSizes()).adapter
      .operations
      .compactMap(\.target)
  }
}
