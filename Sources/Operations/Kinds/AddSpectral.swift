package import AdapterFormat
internal import Storage
package import StrictJSON

/// W ← W + the real part of an inverse Fourier transform of a few coefficients (Spec/adp-v1.md, section
/// 8.20; FourierFT, arXiv:2405.03003).
public struct AddSpectral: Sendable, Hashable {
  /// The weight.
  public var weight: Target
  /// The coefficients, [n].
  public var spectrum: TypedOperand
  /// The seed of their places.
  public var seed: UInt64
  /// What the transform is multiplied with.
  public var scale: Double

  /// Makes a change.
  public init(weight: Target, spectrum: TypedOperand, seed: UInt64, scale: Double) {
    self.weight = weight
    self.spectrum = spectrum
    self.seed = seed
    self.scale = scale
  }
}

extension AddSpectral: WeightPayload {
  package static let op = "add_spectral"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["spectrum"], ["seed", "scale"] + layoutKeys
  )

  package var extent: Extent { .matrix(output: nil, input: nil, isFlat: true) }

  package init(_ fields: OperationFields) throws(FormatError) {
    weight = try fields.matrixTarget()
    spectrum = try fields.operand("spectrum")
    seed = try fields.integer("seed")
    scale = try fields.number("scale")
  }

  /// [SPE-1].
  package func fault() -> String? {
    spectrum.type.isFloat && spectrum.shape.count == 1
      ? nil : "spectrum \(spectrum.shape) is not a vector of floats"
  }

  package var operands: [(role: Name, operand: Operand?)] { [("spectrum", spectrum.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("seed", .integer(seed)), ("scale", .number(scale))]
  }

  package var summary: OperationSummary {
    OperationSummary(scale: scale, traits: ["\(spectrum.count) frequencies"])
  }

  package var operation: Operation { .addSpectral(self) }
}
