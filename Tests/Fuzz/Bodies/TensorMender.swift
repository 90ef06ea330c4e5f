import AdapterFormat
import Storage
import StrictJSON

/// Gives tensors the digests of the values that they have now, files the same, and lists those that
/// are not finite.
enum TensorMender {
  /// Larger ones keep what is recorded.
  private static let maximumByteCount = 1 << 20

  static func mend(_ manifest: JSONValue, _ file: AdapterFile) -> JSONValue {
    var index = -1
    return manifest.changing("adapters") { adapters in
      adapters.mapElements { adapter in
        index += 1
        guard file.manifest.adapters.indices.contains(index) else { return adapter }
        return mend(adapter, file, index)
      }
    }
  }

  private static func mend(_ adapter: JSONValue, _ file: AdapterFile, _ index: Int) -> JSONValue {
    var digests: [Name: JSONValue] = [:]
    var nonfinite: [JSONValue] = []
    for tensor in file.manifest.adapters[index].streams.flatMap(\.tensors) {
      guard let info = file.tensor(tensor.name, adapter: index),
        info.byteCount <= maximumByteCount, let bytes = contents(of: info, file, index)
      else { continue }
      digests[info.name] = .string(Digest(of: bytes).description)
      if NonFinite.isPresent(in: bytes, of: info.type) { nonfinite.append(.string(info.name.text)) }
    }
    let named = { (entry: JSONValue, key: Name) in
      let digest = entry.member(key)?.text.flatMap { digests[Name($0)] }
      return digest.map { entry.setting("sha256", to: $0) } ?? entry
    }
    return adapter.changing("streams") { streams in
      streams.mapElements { stream in
        stream.changing("tensors") { $0.mapElements { named($0, "name") } }
      }
    }
    .changing("files") { $0.mapElements { named($0, "tensor") } }
    .changing("nonfinite") { _ in .array(nonfinite) }
  }

  /// The values, whatever digest they should have.
  private static func contents(
    of info: TensorInfo, _ file: AdapterFile, _ adapter: Int
  ) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: info.byteCount)
    do throws(FormatError) {
      try unsafe bytes.withUnsafeMutableBytesThrowing { buffer throws(FormatError) in
        try unsafe file.read(info.name, adapter: adapter, at: 0, into: buffer)
      }
      return bytes
    } catch {
      return nil
    }
  }
}
