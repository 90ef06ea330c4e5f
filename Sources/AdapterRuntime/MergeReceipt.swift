public import StrictJSON
public import SystemPackage

/// What a merge did.
public struct MergeReceipt: Sendable {
  /// Where the result is.
  public let output: FilePath
  /// The adapters, and what they changed.
  public let applied: Receipt
  /// The changed tensors whose bytes the adapter had recorded when it was extracted, and which are these.
  public let proven: [Name]
  /// Bytes written.
  public let byteCount: UInt64
  /// The output's safetensors files.
  public let shards: [String]
  /// Other files that were copied.
  public let copiedFiles: [String]
  /// Other files that were changed where the weights had made them untrue.
  public let editedFiles: [String]
  /// Files of the base that the result does not have.
  public let omittedFiles: [String]
  /// Decisions about the files that a user should know of.
  public let notes: [String]

  /// The stored tensors that were changed.
  public var changed: [Name] { applied.changed }
  /// Those of them that the base does not have.
  public var created: [Name] { applied.created }
  /// Those of them that have another first dimension than in the base.
  public var resized: [Name] { applied.resized }
  /// How many tensors are the base's, byte for byte.
  public var untouchedCount: Int { applied.untouchedCount }
}
