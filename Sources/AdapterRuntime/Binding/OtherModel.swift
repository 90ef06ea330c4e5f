internal import AdapterFormat
internal import Checkpoints
internal import Operations

extension AdapterError {
  /// The error with both models named first, where targets that are missing or of another shape mean that the base is
  /// another model: that is what a user has to know, and a tensor's name does not say it.
  func naming(modelsOf adapter: Adapter, _ checkpoint: Checkpoint) -> AdapterError {
    guard kind == .unbound || kind == .shape, let record = adapter.base else { return self }
    let (theirs, mine) = (record.architecture, checkpoint.config?.architecture)
    let isOther = theirs != nil && mine != nil && theirs != mine
    guard isOther || kind == .shape, let name = record.name ?? theirs else { return self }
    let whole = theirs.map { $0 == name ? name : "\(name) (\($0))" } ?? name
    let found = isOther ? ", and this base is \(mine ?? "another")" : ""
    return AdapterError(
      kind, at: places, "the adapter is for \(whole)\(found): \(reason)", advice: advice,
      cause: cause)
  }
}
