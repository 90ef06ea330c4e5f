internal import AdapterInterop
internal import AdapterRuntime
internal import Checkpoints
internal import Operations
internal import SystemPackage

/// The base that a foreign adapter is for, as far as its files need it to be understood.
struct ImportBase {
  let checkpoint: Checkpoint
  var binding = BindingChoices()
  /// Tensors of foreign adapters that are left out.
  var dropped: [NamePattern] = []
  /// The adapters are applied only: what merely a written file records of them is not worked out.
  var isApplied = false

  /// The base at a path, where a foreign adapter may need it; nil for the others, which are opened without.
  static func needed(
    by references: [AdapterReference], at path: String?, _ binding: BindingChoices
  ) throws(Failure) -> ImportBase? {
    guard let path, references.contains(where: { $0.contents.format != nil }) else { return nil }
    return ImportBase(checkpoint: try openCheckpoint(path).decoded(), binding: binding)
  }

  /// Returns the choices that answer the questions of the files at a path.
  func choices(_ path: FilePath) -> ImportChoices {
    let (checkpoint, binding) = (checkpoint, binding)
    var choices = ImportChoices(resolve: { targets in
      do {
        return try checkpoint.resolved(targets, choices: binding)
      } catch {
        throw AdapterError(of: path.string, error)
      }
    })
    choices.base = checkpoint
    choices.dropped = dropped
    choices.recordsDigest = !isApplied
    choices.isKept = false
    return choices
  }
}
