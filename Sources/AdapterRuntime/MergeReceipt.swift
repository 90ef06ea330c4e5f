public import Checkpoints
public import Storage
public import StrictJSON
public import SystemPackage

/// What a merge did.
public struct MergeReceipt: Sendable {
  /// Where the result is.
  public let output: FilePath
  /// The adapter's name, and the digest of its file; nil where it is not from an `.adp` file.
  public let adapter: (name: Name, digest: Digest?)
  /// How the adapter's targets were found in the base.
  public let rule: NameBinding.Rule
  /// What the base's samples say.
  public let verdict: BaseVerdict
  /// The stored tensors that were changed.
  public let changed: [Name]
  /// Those of them that the base does not have.
  public let created: [Name]
  /// Those of them that have another first dimension than in the base.
  public let resized: [Name]
  /// Those of them whose bytes the adapter had recorded when it was extracted, and which are these.
  public let proven: [Name]
  /// Elements of the changed tensors.
  public let changedParameters: Int
  /// How many tensors are the base's, byte for byte.
  public let untouchedCount: Int
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
  /// Decisions that a user should know of.
  public let notes: [String]
}
