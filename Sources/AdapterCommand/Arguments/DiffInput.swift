internal import AdapterFormat
internal import AdapterInterop
internal import AdapterRuntime
internal import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// One side of a comparison: adapters, or a checkpoint.
enum DiffInput {
  case adapters(AdapterSide)
  case checkpoint(Checkpoint)

  /// Opens both sides. A safetensors file beside an adapter may be one of those that stand for an
  /// adapter; two are checkpoints.
  static func open(
    _ left: String, _ right: String, base: String?, _ binding: BindingChoices
  ) throws(Failure) -> (left: DiffInput, right: DiffInput) {
    guard left != "-" || right != "-" else {
      throw Failure("both sides cannot be standard input")
    }
    let (mine, theirs) = (try AdapterReference(left), try AdapterReference(right))
    if mine.contents.isCheckpoint, theirs.contents.isCheckpoint {
      return (.checkpoint(try checkpoint(mine.path)), .checkpoint(try checkpoint(theirs.path)))
    }
    let needed = try ImportBase.needed(by: [mine, theirs], at: base, binding)
    return (
      .adapters(try AdapterSide(left, mine, needed)),
      .adapters(try AdapterSide(right, theirs, needed))
    )
  }

  private static func checkpoint(_ path: FilePath) throws(Failure) -> Checkpoint {
    try rethrowing(as: { Failure($0) }) { () throws(CheckpointError) in try Checkpoint(path) }
  }
}

/// The adapters of one side.
struct AdapterSide {
  let label: String
  let reference: AdapterReference
  let file: AdapterFile?
  let adapters: [Adapter]

  init(
    _ label: String, _ reference: AdapterReference, _ base: ImportBase?
  ) throws(Failure) {
    self.label = label
    self.reference = reference
    (file, adapters) = try reference.openAll(for: base)
  }

  /// The adapters of both sides that belong together: the only ones, whatever they are called, or else
  /// those of the same name.
  static func pairs(
    _ left: AdapterSide, _ right: AdapterSide
  ) -> [(name: Name, left: Adapter?, right: Adapter?)] {
    if left.adapters.count == 1, right.adapters.count == 1 {
      return [(left.adapters[0].name, left.adapters[0], right.adapters[0])]
    }
    func byName(_ side: AdapterSide) -> [Name: Adapter] {
      Dictionary(side.adapters.map { ($0.name, $0) }) { first, _ in first }
    }
    let (mine, theirs) = (byName(left), byName(right))
    return Set(mine.keys).union(theirs.keys).sorted().map { ($0, mine[$0], theirs[$0]) }
  }
}
