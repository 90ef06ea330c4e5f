public import Checkpoints
internal import Storage
internal import StrictJSON
public import SystemPackage

/// A folder as PEFT's `save_pretrained` writes it: `adapter_config.json` and
/// `adapter_model.safetensors`.
public struct PEFTFolder: Sendable {
  /// The folder.
  public let path: FilePath
  /// The weights.
  public let weights: SafetensorsFile
  /// Other files in the folder, which a conversion does not carry.
  public let otherFiles: [String]
  let configText: String
  let config: JSONValue

  static let configName = "adapter_config.json"
  static let weightsName = "adapter_model.safetensors"
  static let pickleName = "adapter_model.bin"
  /// The metadata of its weights.
  static let metadata: [SafetensorsHeader.Entry] = [.init("format", "pt")]
  private static let maximumConfigByteCount = 16 << 20

  /// Opens a folder, or the folder of one of its two files.
  ///
  /// - Throws: `InteropError` where one of them is missing or malformed.
  public init(_ path: FilePath) throws {
    let folder = Self.folder(of: path)
    self.path = folder
    let weightsPath = folder.appending(Self.weightsName)
    if FileStatus(of: weightsPath) == nil {
      let pickle = folder.appending(Self.pickleName)
      guard FileStatus(of: pickle) == nil else {
        throw InteropError(.pickle, at: .file(pickle), "is a pickle, which is never read")
      }
      let other = try Platform.list(folder).first { $0.hasSuffix(".safetensors") }
      let reason = other.map { "\($0) would have to be called so" }
      throw InteropError(
        .notAnAdapter, at: .file(folder),
        "no \(Self.weightsName)" + (reason.map { ": \($0)" } ?? ""))
    }
    let configPath = folder.appending(Self.configName)
    guard FileStatus(of: configPath) != nil else {
      throw InteropError(.notAnAdapter, at: .file(folder), "no \(Self.configName)")
    }
    (configText, config) = try Self.readConfig(configPath)
    weights = try SafetensorsFile(weightsPath)
    otherFiles = try Platform.list(folder)
      .filter { $0 != Self.configName && $0 != Self.weightsName }
  }

  private static func folder(of path: FilePath) -> FilePath {
    let name = path.lastComponent?.string
    return name == configName || name == weightsName ? path.parent : path
  }

  /// Reads a configuration's text; `path` is for errors.
  static func parseConfig(_ text: [UInt8], _ path: FilePath) throws -> JSONValue {
    do {
      return try JSONValue(document: text, maximumDepth: 16)
    } catch {
      throw InteropError.json(path, error)
    }
  }

  static func readConfig(_ path: FilePath) throws -> (String, JSONValue) {
    let file = try File(path)
    guard let bytes = try file.contents(limit: maximumConfigByteCount) else {
      throw InteropError.field("the whole", "is \(file.count) bytes long")
    }
    return (String(decoding: bytes, as: UTF8.self), try parseConfig(bytes, path))
  }
}
