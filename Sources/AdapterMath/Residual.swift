internal import AdapterFormat
package import Storage

/// What must be added to a changed parameter, after an update that nearly takes the change back, so that it is the
/// original again, bit for bit.
///
/// Where the update alone gives the original, with a margin for sums that another processor takes in another
/// order, the residual is 0; so most of it is, and it compresses to little.
package struct Residual<Scalar: ComputeScalar>: Sendable {
  /// The type of the parameter.
  private let type: ElementType
  /// The type of the residual.
  private let residualType: ElementType

  /// By how much of a value's size two processors may differ.
  private static var margin: Scalar { Scalar.significandBitCount < 30 ? 0x1p-19 : 0x1p-45 }

  package init(of type: ElementType, as residualType: ElementType) {
    (self.type, self.residualType) = (type, residualType)
  }

  /// Works out the residual of some elements.
  ///
  /// - Parameters:
  ///   - predicted: their values after the update, not rounded yet.
  ///   - changed: their bytes as changed.
  ///   - original: their original bytes.
  ///   - result: takes the residual's bytes.
  /// - Returns: whether it gives every element back.
  package func make(
    _ predicted: UnsafeBufferPointer<Scalar>, _ changed: UnsafeRawBufferPointer,
    _ original: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer
  ) -> Bool {
    let count = predicted.count
    let before = unsafe widen(original, type, count)
    let stored = unsafe widen(changed, type, count)
    var values = unsafe Array(predicted)
    var residual = before
    let sides = [Self.margin, -Self.margin].map { margin in
      rounded(shifted(values, by: margin, of: stored))
    }
    let (low, high) = (widen(sides[0], count), widen(sides[1], count))
    subtractWhereOff(&residual, values, low, high)
    let bytes = rounded(residual, residualType)
    unsafe result.copyBytes(from: bytes)
    add(&values, unsafe bytes.withUnsafeBytes { unsafe widen($0, residualType, count) })
    return [Self.margin, -Self.margin].allSatisfy { margin in
      unsafe rounded(shifted(values, by: margin, of: stored)).withUnsafeBytes {
        unsafe $0.elementsEqual(original)
      }
    }
  }

  private func widen(
    _ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ count: Int
  ) -> [Scalar] {
    unsafe [Scalar](unsafeUninitializedCapacity: count) { buffer, initialized in
      unsafe Scalar.widen(
        bytes, of: type, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
      initialized = count
    }
  }

  private func widen(_ bytes: [UInt8], _ count: Int) -> [Scalar] {
    unsafe bytes.withUnsafeBytes { unsafe widen($0, type, count) }
  }

  private func rounded(_ values: [Scalar], _ type: ElementType? = nil) -> [UInt8] {
    let type = type ?? self.type
    let size = values.count * type.bitWidth / 8
    return unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
      unsafe values.withUnsafeBufferPointer { values in
        unsafe Scalar.round(
          values, to: type,
          into: UnsafeMutableRawBufferPointer(
            UnsafeMutableBufferPointer(rebasing: buffer[..<size])))
      }
      initialized = size
    }
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func shifted(_ values: [Scalar], by margin: Scalar, of stored: [Scalar]) -> [Scalar] {
    var result = values
    for index in 0..<result.count {
      result[index] += margin * (values[index].magnitude + stored[index].magnitude)
    }
    return result
  }

  /// residual ← 0 where both roundings are the original, else original − value.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func subtractWhereOff(
    _ residual: inout [Scalar], _ values: [Scalar], _ low: [Scalar], _ high: [Scalar]
  ) {
    for index in 0..<residual.count {
      let original = residual[index]
      let isRight = low[index] == original && high[index] == original
      residual[index] = isRight ? 0 : original - values[index]
    }
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func add(_ values: inout [Scalar], _ residual: [Scalar]) {
    for index in 0..<values.count { values[index] += residual[index] }
  }
}
