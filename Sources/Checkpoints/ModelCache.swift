internal import Storage
public import SystemPackage

/// The cache of models that the Hugging Face libraries keep: a name in the place of a path, by their rules, and offline.
///
/// `ORGANISATION/NAME`, or that with `@REVISION`, is the folder `models--ORGANISATION--NAME/snapshots/COMMIT`, the commit
/// being what `refs/REVISION` holds (`main` where no revision is given), or the revision itself. Nothing is guessed: a
/// revision that is not there is an error that lists what is.
public struct ModelCache: Sendable {
  /// Where it is.
  public let path: FilePath

  /// A name that was found.
  public struct Model: Sendable, Hashable {
    /// `ORGANISATION/NAME`, or `NAME` of an old one.
    public let name: String
    /// 40 hexadecimal digits.
    public let commit: String
    /// The folder of its files.
    public let folder: FilePath
  }

  /// A name that is not in the cache, or not as it must be.
  public struct Missing: Error, Sendable, Hashable, CustomStringConvertible {
    /// One line for people.
    public let description: String
  }

  /// The cache at a path.
  public init(_ path: FilePath) { self.path = path }

  /// The cache that the libraries would use with these variables of the environment; an empty one counts as unset.
  ///
  /// - Parameter environment: gives the value of a variable.
  public init(environment: (String) -> String?) {
    func value(_ key: String) -> String? {
      environment(key).flatMap { $0.isEmpty ? nil : $0 }.map { Self.expanded($0, environment) }
    }
    let path =
      value("HF_HUB_CACHE") ?? value("HUGGINGFACE_HUB_CACHE") ?? value("HF_HOME").map {
        $0 + "/hub"
      }
      ?? value("XDG_CACHE_HOME").map { $0 + "/huggingface/hub" }
      ?? (environment("HOME") ?? "") + "/.cache/huggingface/hub"
    self.init(FilePath(path))
  }

  /// A path with `~` at its beginning, and with variables in it, as shells have them.
  private static func expanded(_ text: String, _ environment: (String) -> String?) -> String {
    var rest = text[...]
    var result = ""
    if text == "~" || text.hasPrefix("~/") {
      result = environment("HOME") ?? ""
      rest = rest.dropFirst()
    }
    while let sign = rest.firstIndex(of: "$") {
      result += rest[..<sign]
      rest = rest[rest.index(after: sign)...]
      let isBraced = rest.first == "{"
      let name = rest.dropFirst(isBraced ? 1 : 0).prefix { $0.isLetter || $0.isNumber || $0 == "_" }
      guard !name.isEmpty, let value = environment(String(name)) else {
        result += "$"
        continue
      }
      result += value
      rest = rest[name.endIndex...]
      if isBraced, rest.first == "}" { rest = rest.dropFirst() }
    }
    return result + rest
  }

  // MARK: Names

  private static let fileSuffixes = [".adp", ".safetensors", ".gguf", ".json", ".onnx_adapter"]

  /// The name and the revision that an argument has the form of; nil where it has another.
  static func parts(_ argument: String) -> (name: String, revision: String?)? {
    let parts = argument.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(parts[0])
    let words = name.split(separator: "/", omittingEmptySubsequences: false)
    let looksLikeFile = words.count == 1 && fileSuffixes.contains { name.hasSuffix($0) }
    guard words.count <= 2, !looksLikeFile, words.allSatisfy(isWord), !name.contains("--"),
      !name.contains(".."),
      !name.hasSuffix(".git")
    else { return nil }
    guard parts.count == 2 else { return (name, nil) }
    return parts[1].isEmpty ? nil : (name, String(parts[1]))
  }

  private static func isWord(_ word: Substring) -> Bool {
    (1...96).contains(word.utf8.count)
      && word.utf8.allSatisfy { byte in
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
          || [45, 46, 95].contains(byte)
      }
      && ![45, 46].contains(word.utf8.first ?? 45) && ![45, 46].contains(word.utf8.last ?? 45)
  }

  /// The model of a name; nil where an argument has not the form of one.
  ///
  /// A name of one part, as old models have, is one only with a revision, or where the cache has it.
  ///
  /// - Throws: `Missing` where the cache does not have it.
  public func model(_ argument: String) throws(Missing) -> Model? {
    guard let (name, revision) = Self.parts(argument) else { return nil }
    let folder = path.appending("models--" + name.replacing("/", with: "--"))
    if !name.contains("/"), revision == nil, FileStatus(of: folder)?.isFolder != true { return nil }
    guard FileStatus(of: folder)?.isFolder == true else {
      throw Missing(
        description:
          "\(name) is not in the cache of models (looked in \(folder)): give a path, or download it first, as with "
          + "hf download \(name)")
    }
    let commit = try commit(revision ?? "main", of: name, in: folder)
    let snapshot = folder.appending("snapshots").appending(commit)
    guard FileStatus(of: snapshot)?.isFolder == true else {
      throw Missing(
        description: "the cache has no files of \(name) at \(commit): download it again")
    }
    try checkFiles(of: name, in: snapshot, below: folder)
    try SnapshotListing(commit, below: folder)?.check(snapshot, of: name)
    return Model(name: name, commit: commit, folder: snapshot)
  }

  private func commit(
    _ revision: String, of name: String, in folder: FilePath
  ) throws(Missing) -> String {
    let isPlain = !revision.split(separator: "/", omittingEmptySubsequences: false)
      .contains { $0.isEmpty || $0 == "." || $0 == ".." }
    let reference = folder.appending("refs").appending(revision)
    let contents = isPlain ? try? File.ifThere(reference)?.contents(limit: 256) : nil
    if let bytes = contents ?? nil {
      let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
      guard Self.isCommit(text) else {
        throw Missing(description: "\(reference) does not hold a commit")
      }
      return text
    }
    let snapshots = (try? Platform.list(folder.appending("snapshots"))) ?? []
    if isPlain, snapshots.contains(revision), Self.isCommit(revision) { return revision }
    let known = snapshots.sorted().map { $0.prefix(8) + "…" }.joined(separator: ", ")
    throw Missing(
      description: "the cache has no revision \(revision) of \(name)"
        + (known.isEmpty ? "" : "; its snapshots are \(known)"))
  }

  private static func isCommit(_ text: String) -> Bool {
    text.utf8.count == 40
      && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
  }

  // MARK: Files

  /// Every file must be there, and lie within the model's folder or the store that all models share.
  private func checkFiles(
    of name: String, in snapshot: FilePath, below folder: FilePath
  ) throws(Missing) {
    let roots = [folder.real, path.appending("blobs").real].compactMap(\.self)
    for entry in (try? Platform.list(snapshot)) ?? [] {
      let file = snapshot.appending(entry)
      guard FileStatus(of: file) != nil, let real = file.real else {
        throw Missing(
          description: "the cache holds \(name) only in part: \(entry) is missing")
      }
      guard roots.contains(where: { real.starts(with: $0) }) else {
        throw Missing(description: "\(file) leads out of the cache, to \(real)")
      }
    }
  }
}
