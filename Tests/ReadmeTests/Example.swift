import Adapters

/// The README's example, word for word but for the indentation: it is compiled, and run.
func readmeExample() throws {
  let base = try Checkpoint("path/to/model")
  let style = try PEFTImport(PEFTFolder("path/to/peft-adapter")).adapter
  var stack = [WeightedAdapter(style, weight: -0.3, label: "style")]
  stack += try Adapter.open("lora.adp").map { WeightedAdapter($0, weight: 0.7) }
  let view = try AdaptedCheckpoint(base, applying: stack)
  let weights = try view.contents(of: "model.layers.0.self_attn.q_proj.weight")
  print(weights?.count ?? 0, "bytes")
  print(view.receipt)
  print(try Merge(view).write(to: "path/to/merged-model", replacing: false).byteCount)
}
