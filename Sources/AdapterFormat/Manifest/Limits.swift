/// The limits of major version 1 (Spec/adp-v1.md, section 9).
public enum Limits {
  /// Nesting of the manifest's JSON.
  public static let depth = 16
  /// Dimensions of a tensor.
  public static let dimensions = 8
  /// Bytes of a tensor's name.
  public static let nameBytes = 1024
  /// Bytes of an adapter's name.
  public static let adapterNameBytes = 64
  /// Units in a chunk.
  public static let chunk = 1 << 10...1 << 20
  /// Values in the keys of all operations, which are kept one by one.
  static let operationValues = 1 << 20

  /// Bytes of a tensor that is held whole, in a file of this length: what compresses that well is no trained
  /// tensor.
  package static func heldBytes(fileLength: UInt64) -> UInt64 {
    sum(16 << 20, times: 4, fileLength)
  }

  /// Bytes of the manifest's text, in a file of this length.
  public static func manifestBytes(fileLength: UInt64) -> UInt64 {
    min(128 << 20, sum(1 << 20, times: 8, fileLength))
  }

  /// Bytes of a frame of n bytes: a little more than it needs where nothing compresses ([FRM-4]).
  public static func frameBytes(contentSize n: Int) -> Int { n + n / 1024 + 64 }

  /// Restored bytes of all streams, in a file of this length.
  public static func payloadBytes(fileLength: UInt64) -> UInt64 {
    sum(1 << 30, times: 1024, fileLength)
  }

  private static func sum(_ floor: UInt64, times factor: UInt64, _ length: UInt64) -> UInt64 {
    let (product, overflow) = length.multipliedReportingOverflow(by: factor)
    let (total, overflow2) = product.addingReportingOverflow(floor)
    return overflow || overflow2 ? .max : total
  }
}
