internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The output of `inspect` for a checkpoint.
struct CheckpointListing {
  private let checkpoint: Checkpoint
  /// The same with every quantised parameter as one.
  private let model: Checkpoint
  private let listsTensors: Bool

  init(_ checkpoint: Checkpoint, listsTensors: Bool) {
    self.checkpoint = checkpoint
    self.listsTensors = listsTensors
    do throws(CheckpointError) {
      model = try checkpoint.dequantised()
    } catch {
      Terminal.report("warning", "\(error)")
      model = checkpoint
    }
  }

  var text: String {
    let tensors = checkpoint.tensors
    let parameters = model.tensors.reduce(0) { $0 + $1.info.shape.count }
    let bytes = tensors.reduce(0) { $0 + $1.info.byteCount }
    let head =
      "\(checkpoint.path.string.escaped): \(tensors.count.of("tensor")), "
      + "\(parameters.grouped) parameters, \(ByteCount(bytes)) "
      + "in \(checkpoint.shards.count.of("file"))"
    let rows = listsTensors ? tensors.map { row($0, $0.info.name.text) } : groups
    let columns = [TextColumn("tensor"), .init("dtype"), .init("shape")]
    return
      ([head] + TextColumn.table(columns + (listsTensors ? [] : [.init("count")]), rows, indent: 2))
      .joined(separator: "\n") + "\n"
  }

  /// Longer names are cut at their start, as their end says most.
  private static let maximumName = 54

  private func row(_ tensor: StoredTensor, _ name: String) -> [String] {
    [
      name.escaped.cutStart(to: Self.maximumName),
      tensor.scheme?.rawValue ?? tensor.info.type.rawValue, "\(tensor.info.shape)",
    ]
  }

  /// Tensors that differ only in the numbers in their names, such as those of all layers, as one row.
  private var groups: [[String]] {
    var order: [[String]] = []
    var counts: [[String]: Int] = [:]
    for tensor in model.tensors {
      let parts = tensor.info.name.text.split(separator: ".", omittingEmptySubsequences: false)
      let pattern = parts.map { Int($0) == nil ? $0 : "*" }.joined(separator: ".")
      let row = row(tensor, pattern)
      if counts[row, default: 0] == 0 { order.append(row) }
      counts[row, default: 0] += 1
    }
    return order.map { $0 + [counts[$0] == 1 ? "" : "× \(counts[$0] ?? 0)"] }
  }

  /// The document `adapter.inspect-checkpoint/1` of Spec/cli.md.
  var json: String {
    var writer = JSONWriter(style: .indented)
    writer.object { writer in
      writer.member("schema", "adapter.inspect-checkpoint/1")
      writer.member("path", checkpoint.path.string)
      writer.member("files", checkpoint.shards.map(\.name))
      writer.key("tensors")
      writer.array { writer in
        for tensor in checkpoint.tensors {
          writer.object { writer in
            writer.member("name", tensor.info.name.text)
            writer.member("dtype", tensor.info.type.rawValue)
            Self.write(tensor.info.shape, to: &writer)
            writer.member("file", checkpoint.shards[tensor.shard].name)
          }
        }
      }
      writer.key("parameters")
      writer.array { writer in
        for parameter in model.decoded { Self.write(parameter, to: &writer) }
      }
    }
    return String(decoding: writer.bytes, as: UTF8.self) + "\n"
  }

  private static func write(_ parameter: QuantisedParameter, to writer: inout JSONWriter) {
    writer.object { writer in
      writer.member("name", parameter.info.name.text)
      writer.member("scheme", parameter.scheme.rawValue)
      writer.member("dtype", parameter.info.type.rawValue)
      write(parameter.info.shape, to: &writer)
      writer.member("tensors", ([parameter.codes] + parameter.companions).map(\.text))
    }
  }

  private static func write(_ shape: Shape, to writer: inout JSONWriter) {
    writer.key("shape")
    writer.array { writer in
      for dimension in shape.dimensions { writer.integer(dimension) }
    }
  }
}
