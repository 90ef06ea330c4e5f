package import AdapterFormat
package import Storage

extension ParameterChange {
  /// The operation's part in the change of the tensor, its operands loaded.
  package func load<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader, _ shape: Shape
  ) throws(FormatError) -> [any TileChange<Scalar>] {
    if case .addLowRank(let low) = operation { return try low.load(part, &loader, shape) }
    return [try loadOne(&loader, shape)]
  }

  private func loadOne<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader, _ shape: Shape
  ) throws(FormatError) -> any TileChange<Scalar> {
    switch operation {
    case .multiply(let multiply):
      let change: MultiplyChange<Scalar> = try multiply.load(part, &loader, shape.dimensions)
      return change
    case .add(let add):
      return AddChange<Scalar>(
        delta: try loader.run(add.delta), scale: loader.weighted(add.scale))
    case .replace(let replace):
      return ReplaceChange<Scalar>(value: try loader.run(replace.value))
    case .replaceRows(let rows):
      let places = Dictionary(rows.rows.enumerated().map { ($1, $0) }) { first, _ in first }
      return ReplaceRowsChange<Scalar>(places: places, values: try loader.values(rows.values))
    case .addHadamard(let hadamard): return try hadamard.load(&loader) as HadamardChange<Scalar>
    case .addKronecker(let product): return try product.load(&loader) as KroneckerChange<Scalar>
    case .addSparse(let sparse): return try sparse.load(&loader, shape) as SparseChange<Scalar>
    case .addBlocks(let blocks): return try blocks.load(&loader)
    case .addCirculant(let blocks): return try blocks.load(&loader) as CirculantChange<Scalar>
    case .addGroupedLowRank(let low): return try low.load(&loader) as LowRankChange<Scalar>
    case .addNormalisedLowRank(let low): return try low.load(&loader) as LowRankChange<Scalar>
    case .scaleLowRank(let low): return try low.load(&loader) as ScaleLowRankChange<Scalar>
    case .rotateInput(let rotation): return try rotation.load(&loader) as RotateInputChange<Scalar>
    case .rotateButterfly(let rotation):
      return try rotation.load(&loader) as RotateInputChange<Scalar>
    case .reflectInput(let rotation):
      return try rotation.load(&loader) as ReflectInputChange<Scalar>
    case .rotateOutput(let rotation):
      return try rotation.load(&loader) as RotateOutputChange<Scalar>
    case .addSpectral(let spectrum):
      return try spectrum.load(&loader, shape.dimensions) as LowRankChange<Scalar>
    case .restore: throw .unsupported("restore beside another operation on its parameter")
    default: throw .unsupported("\(operation.name) changes no parameter")
    }
  }
}
