package import Checkpoints
internal import Storage
internal import StrictJSON
internal import Testing

extension Checkpoint {
  /// A tensor of I64.
  package func integers(_ name: String) throws -> [Int32] {
    let tensor = try #require(self.tensor(Name(name)))
    let bytes = try tensor.contents()
    return stride(from: 0, to: bytes.count, by: 8).map { start in
      Int32(
        truncatingIfNeeded: bytes[start..<start + 8].reversed().reduce(0) { $0 << 8 | Int64($1) })
    }
  }

  /// A tensor of F32.
  package func floats(_ name: String) throws -> [Float] {
    let tensor = try #require(self.tensor(Name(name)))
    let bytes = try tensor.contents()
    return stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }
}
