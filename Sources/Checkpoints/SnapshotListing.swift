internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The list of a commit's files that huggingface_hub keeps since its version 2, in `trees/COMMIT.json` beside the
/// snapshots: without it a download that was cut short looks like a whole one.
struct SnapshotListing {
  /// Bytes of each file, by its name.
  private let sizes: [Name: UInt64]

  /// Files without which a model or an adapter is not whole.
  private static let needed: [Name] = [
    "config.json", "model.safetensors", "model.safetensors.index.json", "adapter_config.json",
    "adapter_model.safetensors",
  ]

  /// Nil where there is none of the one version that is known.
  init?(_ commit: String, below folder: FilePath) {
    let path = folder.appending("trees").appending("\(commit).json")
    guard let bytes = (try? File.ifThere(path)?.contents(limit: 16 << 20)) ?? nil,
      case .object(let members)? = try? JSONValue(document: bytes, maximumDepth: 8),
      members.first(where: { $0.key == "format_version" })?.value.double == 1,
      case .object(let files)? = members.first(where: { $0.key == "files" })?.value
    else { return nil }
    var sizes: [Name: UInt64] = [:]
    for file in files {
      guard case .object(let fields) = file.value else { continue }
      func size(_ key: Name) -> UInt64? {
        fields.first { $0.key == key }?.value.double.flatMap { UInt64(exactly: $0) }
      }
      sizes[file.key] = size("lfs_size") ?? size("size")
    }
    self.sizes = sizes
  }

  /// Holds the files of a snapshot against it.
  ///
  /// - Throws: `ModelCache.Missing` where one that is needed is not there, or one has another size.
  func check(_ snapshot: FilePath, of name: String) throws(ModelCache.Missing) {
    for (file, size) in sizes.sorted(by: { $0.key < $1.key }) {
      guard let status = FileStatus(of: snapshot.pushing(FilePath(file.text))) else {
        guard Self.needed.contains(file) else { continue }
        throw .init(description: "the cache holds \(name) only in part: \(file) is missing")
      }
      guard status.size != size else { continue }
      throw .init(
        description:
          "the cache holds \(name) only in part: \(file) has \(status.size) bytes of \(size)")
    }
  }
}
