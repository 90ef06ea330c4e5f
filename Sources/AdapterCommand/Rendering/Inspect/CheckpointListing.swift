internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// What `inspect` shows of a checkpoint.
struct CheckpointListing {
  private let checkpoint: Checkpoint

  init(_ checkpoint: Checkpoint) {
    self.checkpoint = checkpoint
  }

  var text: String {
    let tensors = checkpoint.tensors
    let parameters = tensors.reduce(0) { $0 + $1.info.shape.count }
    let bytes = tensors.reduce(0) { $0 + $1.info.byteCount }
    var lines = [
      "\(checkpoint.path.string.escaped): \(tensors.count.of("tensor")), "
        + "\(parameters.grouped) parameters, \(ByteCount(bytes)) "
        + "in \(checkpoint.shards.count.of("file"))"
    ]
    let width = tensors.map { $0.info.name.text.escaped.count }.max() ?? 0
    for tensor in tensors {
      let name = tensor.info.name.text.escaped.padded(to: min(width, 54))
      lines.append("  \(name)  \(tensor.info.type.rawValue.padded(to: 4))  \(tensor.info.shape)")
    }
    return lines.joined(separator: "\n") + "\n"
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
            writer.key("shape")
            writer.array { writer in
              for dimension in tensor.info.shape.dimensions { writer.integer(dimension) }
            }
            writer.member("file", checkpoint.shards[tensor.shard].name)
          }
        }
      }
    }
    return String(decoding: writer.bytes, as: UTF8.self) + "\n"
  }
}
