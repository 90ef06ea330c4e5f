public import Storage
public import StrictJSON

/// The header of a safetensors file: which tensors it holds, and where.
public struct SafetensorsHeader: Sendable, Hashable {
  /// The texts of `__metadata__`; nil where there is none.
  public let metadata: [Entry]?
  /// The tensors in the order of their bytes.
  public let tensors: [Tensor]
  /// The header's text, padding included.
  public let text: String

  /// One text of the metadata.
  public struct Entry: Sendable, Hashable {
    /// Its key.
    public let key: Name
    /// Its value.
    public let value: String

    /// Pairs a key with a value.
    public init(_ key: Name, _ value: String) {
      self.key = key
      self.value = value
    }
  }

  /// A tensor and its place.
  public struct Tensor: Sendable, Hashable {
    /// Its name, element type and shape.
    public let info: TensorInfo
    /// Where its bytes begin, counted from the end of the header.
    public let offset: UInt64
  }

  /// The longest header that safetensors allows.
  public static let maximumByteCount = 100_000_000

  /// Bytes of all tensors.
  public var dataByteCount: UInt64 {
    tensors.last.map { $0.offset + UInt64($0.info.byteCount) } ?? 0
  }
}

// MARK: - Writing

extension SafetensorsHeader {
  /// The header that safetensors' own writer makes: tensors by descending element type and then by
  /// name, compact JSON, padded with spaces to a multiple of 8.
  public init(canonical tensors: [TensorInfo], metadata: [Entry]?) {
    let sorted = tensors.sorted {
      $0.type.rank != $1.type.rank ? $0.type.rank > $1.type.rank : $0.name < $1.name
    }
    self.init(inOrder: sorted, metadata: metadata)
  }

  /// A header for tensors whose bytes follow each other in this order.
  package init(inOrder tensors: [TensorInfo], metadata: [Entry]?) {
    var offset: UInt64 = 0
    self.tensors = tensors.map { info in
      defer { offset += UInt64(info.byteCount) }
      return Tensor(info: info, offset: offset)
    }
    self.metadata = metadata
    text = Self.encode(self.tensors, metadata)
  }

  private static func encode(_ tensors: [Tensor], _ metadata: [Entry]?) -> String {
    var writer = JSONWriter()
    writer.object { writer in
      if let metadata {
        writer.key("__metadata__")
        writer.object { writer in
          for entry in metadata {
            writer.key(entry.key)
            writer.string(entry.value)
          }
        }
      }
      for tensor in tensors {
        writer.key(tensor.info.name)
        writer.object { writer in
          writer.key("dtype")
          writer.string(tensor.info.type.rawValue)
          writer.key("shape")
          writer.array { writer in
            for dimension in tensor.info.shape.dimensions { writer.integer(dimension) }
          }
          writer.key("data_offsets")
          writer.array { writer in
            writer.integer(tensor.offset)
            writer.integer(tensor.offset + UInt64(tensor.info.byteCount))
          }
        }
      }
    }
    let padding = (8 - writer.bytes.count % 8) % 8
    return String(decoding: writer.bytes + Array(repeating: 0x20, count: padding), as: UTF8.self)
  }

  /// Length and text: all that comes before the data.
  public var encoded: [UInt8] {
    let text = Array(text.utf8)
    return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text
  }
}
