internal import Operations
internal import StrictJSON

/// A method of PEFT: all that is particular to it. Each is in a file of its own, and `PEFTMethod.all` lists it.
struct PEFTMethod: Sendable {
  /// Its `peft_type`.
  let type: String
  /// Its name for people: `LoRA`.
  let title: String
  /// The words in tensors' names that stand for its parts.
  let parts: Set<String>
  /// Tensors that all modules share, by the module's name that theirs shows.
  var shared: Set<Name> = []
  /// The rules for its fields; those of all methods are in `FieldRules`.
  let fields: FieldRules
  /// The field that lists tokens whose rows were trained.
  var tokenField: Name = "trainable_token_indices"
  /// True if a training checkpoint holds an encoder that makes its rows.
  var hasEncoder = false
  /// The answers that a user may have given about its files; each gives other operations.
  var answers = [ImportChoices()]
  /// Adds its operations, after what every method may have beside its own.
  let read: @Sendable (inout PEFTMeaning, ImportChoices) throws -> Void
  /// How operations are written in it; nil where it is only read.
  var writing: PEFTWriting?

  /// Its name in an adapter.
  var name: String { type.lowercased() }
}

/// How operations are written in a method of PEFT.
struct PEFTWriting: Sendable {
  /// The operation that it is for.
  let main: String
  /// Operations that may stand beside it.
  var others: Set<String> = []
  /// Writes fields and tensors, and says what is lost.
  let write: @Sendable (inout PEFTDraft) throws -> Void

  /// Returns true if it has a place for an operation of this name.
  func takes(_ operation: String) -> Bool { operation == main || others.contains(operation) }
}
