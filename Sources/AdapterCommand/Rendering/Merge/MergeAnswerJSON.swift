internal import AdapterInsight
internal import AdapterRuntime
internal import Operations
internal import Storage
internal import StrictJSON

extension MergeAnswer {
  /// The document `adapter.verify-merge/1` of Spec/cli.md.
  var json: String {
    var writer = JSONWriter(style: .indented)
    writer.object { writer in
      writer.member("schema", "adapter.verify-merge/1")
      writer.member("base", base)
      writer.member("merged", merged)
      writer.member("verdict", verdict)
      writer.member("tolerance", verification.tolerance as Double?)
      writer.key("adapters")
      writer.array { writer in
        for entry in verification.receipt.adapters {
          writer.object { writer in
            writer.member("path", entry.label)
            writer.member("name", entry.name.text)
            writer.member("manifest_digest", entry.digest?.description)
            writer.member("weight", entry.weight as Double?)
            writer.member("base", entry.verdict.code)
          }
        }
      }
      writer.key("tensors")
      writer.array { writer in
        for tensor in verification.tensors { writer.object { tensor.write(to: &$0) } }
      }
    }
    return String(decoding: writer.bytes, as: UTF8.self) + "\n"
  }

  /// The verdict on all tensors together: the worst kind among those that the adapters change, or `differs` if the
  /// result is not the merge.
  private var verdict: String {
    let kinds = Set(verification.tensors.map(\.kind))
    guard verification.isConfirmed else { return MergeVerification.Kind.differs.rawValue }
    let order: [MergeVerification.Kind] = [.withinTolerance, .withinOneRounding]
    return (order.first(where: kinds.contains) ?? .identical).rawValue
  }
}

extension MergeVerification.Tensor {
  fileprivate func write(to writer: inout JSONWriter) {
    writer.member("name", name.text)
    writer.member("kind", kind.rawValue)
    if let found { writer.member("dtype", found.type.rawValue) }
    guard let difference else { return }
    writer.member("elements", UInt64(difference.count))
    writer.member("largest_units", difference.largest)
    guard let change = difference.change else { return }
    writer.member("relative_distance", change.relativeDistance as Double?)
  }
}
