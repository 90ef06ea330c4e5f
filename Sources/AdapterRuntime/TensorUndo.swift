internal import AdapterFormat
internal import AdapterMath
internal import Adapters
internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import Synchronization

/// How one merged tensor becomes the base's again: by an update that takes low-rank changes away, where there are only
/// such, and a residual; or, where no residual can do it, by the base's own bytes.
struct TensorUndo: Sendable {
  let base: StoredTensor
  let merged: StoredTensor
  /// What takes the change back but for rounding; empty where nothing does.
  let inverse: [ParameterChange]
  /// The type of the residual; nil for the base's own bytes.
  let residualType: ElementType?
  /// Digest of the base's bytes.
  let digest: Digest

  /// Bytes of the base, in the order of the tensor.
  var contents: TensorContents {
    get throws(RuntimeError) {
      guard let residualType else {
        return TensorContents(base.info, bytes: base.file, offset: base.offset)
      }
      let info = TensorInfo(name: base.info.name, type: residualType, shape: base.info.shape)
      let bytes = try ResidualBytes(base, merged, inverse, as: residualType)
      return TensorContents(info, bytes: bytes, offset: 0)
    }
  }

  /// Finds the smallest form that gives every bit back.
  ///
  /// - Parameters:
  ///   - base: the tensor of the base.
  ///   - merged: the same tensor of the merged checkpoint.
  ///   - inverse: what takes the change back but for rounding; empty where nothing does.
  init(
    _ base: StoredTensor, _ merged: StoredTensor, inverse: [ParameterChange]
  ) throws(RuntimeError) {
    (self.base, self.merged) = (base, merged)
    digest = try TensorReader(base).digest()
    var forms: [(inverse: [ParameterChange], type: ElementType)] = []
    if !inverse.isEmpty { forms.append((inverse, .bf16)) }
    if base.info.type != .f64 { forms.append(([], .bf16)) }
    if ![.bf16, .f64].contains(base.info.type) { forms.append(([], .f32)) }
    forms.append(([], .f64))
    for form in forms where base.info.type.isFloat {
      let bytes = try ResidualBytes(base, merged, form.inverse, as: form.type)
      if try bytes.restoresAll() {
        (self.inverse, residualType) = (form.inverse, form.type)
        return
      }
    }
    (self.inverse, residualType) = ([], nil)
  }
}

/// The bytes of a residual, worked out when they are read.
private struct ResidualBytes: RandomAccessBytes {
  private let base: StoredTensor
  private let merged: StoredTensor
  private let type: ElementType
  private let update: ParameterUpdate
  private let isDouble: Bool

  /// Elements that are worked out together.
  private static let elementCount = 1 << 17

  init(
    _ base: StoredTensor, _ merged: StoredTensor, _ inverse: [ParameterChange], as type: ElementType
  ) throws(RuntimeError) {
    (self.base, self.merged, self.type) = (base, merged, type)
    // As a merge will compute ([ARI-1]): in F64 where an operand is, or the parameter.
    let isDouble =
      type == .f64 || base.info.type == .f64 || (base.info.type == .f32 && !inverse.isEmpty)
    self.isDouble = isDouble
    update = try decoding { () throws(FormatError) in
      try ParameterUpdate(
        inverse, type: isDouble ? .f64 : .f32, storedType: base.info.type, shape: base.info.shape)
    }
  }

  var count: UInt64 { UInt64(base.info.shape.count) * UInt64(type.bitWidth / 8) }

  func read(
    at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(StorageError) {
    guard buffer.count > 0 else { return }
    let wanted = Int(offset)..<Int(offset) + buffer.count
    let grid = update.grid
    let width = grid.byteRange(of: 0..<1, type).count
    let rows = wanted.lowerBound / width..<min(grid.rows, (wanted.upperBound - 1) / width + 1)
    for part in grid.parts(holding: rows, tilesOf: Self.elementCount) {
      let range = grid.byteRange(of: part, type)
      let overlap = range.clamped(to: wanted)
      guard !overlap.isEmpty else { continue }
      let (bytes, _) = try make(part)
      let target = unsafe UnsafeMutableRawBufferPointer(
        rebasing: buffer[
          overlap.lowerBound - wanted.lowerBound..<overlap.upperBound - wanted.lowerBound])
      let first = overlap.lowerBound - range.lowerBound
      unsafe target.copyBytes(from: bytes[first..<first + overlap.count])
    }
  }

  /// Whether adding it gives every element back.
  func restoresAll() throws(RuntimeError) -> Bool {
    let parts = update.grid.parts(
      holding: 0..<update.grid.rows, tilesOf: Self.elementCount)
    let isRestored = Atomic<Bool>(true)
    try ConcurrentWork.perform(parts.count) { (index, _) throws(RuntimeError) in
      guard isRestored.load(ordering: .relaxed) else { return }
      let (_, isRight) = try storing { () throws(StorageError) in try make(parts[index]) }
      if !isRight { isRestored.store(false, ordering: .relaxed) }
    }
    return isRestored.load(ordering: .relaxed)
  }

  private func make(
    _ rows: Range<Int>
  ) throws(StorageError) -> (bytes: [UInt8], isRight: Bool) {
    let range = update.grid.byteRange(of: rows, base.info.type)
    let original = try base.file.bytes(
      at: base.offset + UInt64(range.lowerBound), count: range.count)
    let changed = try merged.file.bytes(
      at: merged.offset + UInt64(range.lowerBound), count: range.count)
    return isDouble
      ? residual(rows, original, changed, of: Double.self)
      : residual(rows, original, changed, of: Float.self)
  }

  private func residual<Scalar: ComputeScalar>(
    _ rows: Range<Int>, _ original: [UInt8], _ changed: [UInt8], of: Scalar.Type
  ) -> (bytes: [UInt8], isRight: Bool) {
    let count = rows.count * update.grid.columns
    var predicted = [Scalar](repeating: 0, count: count)
    var bytes = [UInt8](repeating: 0, count: count * type.bitWidth / 8)
    var isRight = true
    unsafe changed.withUnsafeBytes { changed in
      unsafe predicted.withUnsafeMutableBytes { predicted in
        var survival: Survival?
        // Operands of low rank are in memory: nothing can fail.
        let isMade: Void? = unsafe try? update.apply(
          changed, to: predicted, rows: rows, scratch: TileScratch(), &survival)
        isRight = isMade != nil
      }
      unsafe predicted.withUnsafeBufferPointer { predicted in
        unsafe original.withUnsafeBytes { original in
          unsafe bytes.withUnsafeMutableBytes { bytes in
            let residual = Residual<Scalar>(of: base.info.type, as: type)
            let restores = unsafe residual.make(predicted, changed, original, into: bytes)
            isRight = isRight && restores
          }
        }
      }
    }
    return (bytes, isRight)
  }
}
