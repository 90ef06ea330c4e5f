internal import AdapterFormat
internal import Operations
internal import Storage
public import StrictJSON
public import SystemPackage

/// An adapter in a foreign format: a file, or the files of a folder, not written yet, and what is lost in them.
public struct ForeignExport: Sendable {
  /// The files.
  let files: [File]
  /// The losses: the parts that the format cannot hold.
  public let losses: [Loss]
  /// Further notes for the user on the conversion.
  public let notes: [String]
  /// True if the only file stands alone, not in a folder.
  var isFile = false
  /// The keys of the `.adp` file's metadata that are written.
  public internal(set) var carriedKeys: Set<Name> = []

  /// A file that is written when its turn has come.
  struct File: Sendable {
    let name: String
    let write: @Sendable (OutputFile) throws -> Void
  }

  /// Something that the format cannot hold.
  public struct Loss: Sendable, Hashable {
    /// The kind of loss.
    public let kind: Kind
    /// Where it is; nil where it is about the whole.
    public let place: InteropError.Place?
    /// Why, without the place.
    public let reason: String

    /// The reason where a scale is multiplied into B.
    static let foldedScale = "its scale, multiplied into B: by less than one part in 16 million"

    /// A kind of loss.
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

extension ForeignExport {
  /// A file that stands alone.
  init(
    file: String, losses: [Loss], notes: [String],
    write: @escaping @Sendable (OutputFile) throws -> Void
  ) {
    self.init(
      files: [File(name: file, write: write)], losses: losses, notes: notes, isFile: true)
  }
}

extension [ForeignExport.Loss] {
  /// Notes something that the format cannot hold: of an operation, or of the whole.
  mutating func add(
    _ kind: ForeignExport.Loss.Kind, _ operation: Operation?, _ reason: String
  ) {
    append(
      .init(
        kind: kind, place: operation.map { .operation($0.name, on: $0.target?.name) },
        reason: reason))
  }

  /// Notes something of an operation.
  mutating func add<Kind: TargetedKind>(
    _ kind: ForeignExport.Loss.Kind, _ operation: Kind, _ reason: String
  ) {
    append(.init(kind: kind, place: .operation(Kind.op, on: operation.target.name), reason: reason))
  }

  /// - Throws: `InteropError` of the first loss where nothing of the adapter is left to be written.
  func checkSomethingIsLeft(_ isLeft: Bool) throws(InteropError) {
    guard !isLeft else { return }
    let first = first { $0.kind == .effect }
    throw InteropError(
      .notExpressible, at: first?.place, first?.reason ?? "nothing of it can be written")
  }

  /// Notes what every format but ours leaves out that records nothing of the base.
  mutating func addRecords(of adapter: Adapter) {
    if adapter.base?.fingerprint != nil { add(.record, nil, "the base's fingerprint") }
    if !adapter.inert.isEmpty {
      add(.record, nil, "tensors that nothing uses (\(adapter.inert.count))")
    }
    if !adapter.files.isEmpty { add(.record, nil, "files beside it (\(adapter.files.count))") }
  }
}
