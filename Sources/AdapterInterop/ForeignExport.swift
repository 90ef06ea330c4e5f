internal import Storage
public import SystemPackage

/// An adapter in a foreign format: a file, or the files of a folder, not written yet, and what is lost in them.
public struct ForeignExport: Sendable {
  /// The files.
  let files: [File]
  /// What the format cannot hold.
  public let losses: [Loss]
  /// What a user should know of the conversion besides.
  public let notes: [String]
  /// Whether the only file stands alone, not in a folder.
  var isFile = false

  /// A file that is written when its turn has come.
  struct File: Sendable {
    let name: String
    let write: @Sendable (OutputFile) throws -> Void
  }

  /// Something that the format cannot hold.
  public struct Loss: Sendable, Hashable {
    /// What is lost.
    public let kind: Kind
    /// Where it is; nil where it is about the whole.
    public let place: InteropError.Place?
    /// Why, without the place.
    public let reason: String

    /// What is lost.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
      /// The result would compute something else: nothing is written.
      case effect
      /// Numbers are rounded once.
      case rounding
      /// A file that the adapter brings along.
      case file
      /// Something for people or programs, which changes no number.
      case record
    }
  }

  /// The names of the files.
  public var names: [String] { files.map(\.name) }

  /// Writes the file or folder, whole or not at all.
  ///
  /// - Parameters:
  ///   - target: the file or folder.
  ///   - replacing: whether a file, or a folder that holds the same files and nothing else, may be replaced.
  ///   - allowingLoss: whether what the format has no place for may be left out, though the result computes something
  ///     else then.
  ///   - inputs: what the adapter was read from: who may not read these may not read the folder.
  /// - Throws: `InteropError`, of the kind `notExpressible` where the format has no place for an operation.
  public func write(
    to target: FilePath, replacing: Bool, allowingLoss: Bool = false, inputs: [FilePath] = []
  ) throws {
    if !allowingLoss, let loss = losses.first(where: { $0.kind == .effect }) {
      throw InteropError(.notExpressible, at: loss.place, loss.reason)
    }
    if isFile, let file = files.first {
      let output = try OutputFile(target, replacing: replacing, inputs: inputs)
      try file.write(output)
      return try output.commit()
    }
    let folder = try OutputFolder(
      target, names: names, replacing: replacing, inputs: inputs)
    for file in files {
      let output = try folder.file(file.name)
      try file.write(output)
      try output.commit()
    }
    try folder.commit()
  }
}
