import AdapterRuntime
import Adapters
import Checkpoints

/// The README's example, word for word but for the indentation: it must compile.
func readmeExample() throws {
  let base = try Checkpoint("path/to/model")
  for adapter in try Adapter.open("lora.adp") {
    let view = try AdaptedCheckpoint(base, applying: adapter)
    let weights = try view.contents(of: "model.layers.0.self_attn.q_proj.weight")
    print(view.changedNames.count, view.verdict.sentence, weights?.count ?? 0)
    print(try Merge(view).write(to: "path/to/merged-model", replacing: false).changed)
  }
}
