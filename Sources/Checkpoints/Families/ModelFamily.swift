package import StrictJSON

/// The names that transformers gives the parameters of one model type, and their relations: a row of `FamilyTable`.
package struct ModelFamily: Sendable {
  /// `model_type`.
  package let type: Name
  /// Groups of parameters, or of modules, that share their tensors where the model ties its weights: the name
  /// that is stored, the output layer, the others. In memory.
  package let ties: [[Name]]
  /// True if it ties its weights where its configuration says nothing.
  let tiesByDefault: Bool
  /// True if it computes something else where its weights are not tied.
  package let needsTies: Bool
  /// The name of the bare model in a model with a head.
  let prefix: Name?
  /// The modules whose weights are the input embeddings and the output layer. In memory.
  package let vocabulary: Set<Name>
  /// The label of the rules by which its names in memory become those in files.
  let rulesLabel: Name?
  /// Its stacks of experts.
  package let stacks: [ExpertStack]
  /// Linear layers that are stored [in, out], by the last part of their names.
  private let transposedLeaves: Set<Name>
  /// True if all linear layers of its blocks are stored [in, out].
  private let isWhollyTransposed: Bool
  /// The classes of its models, each with the places in `ties` of those that are its own; nil for a bare
  /// model, whose checkpoints serve the classes with heads too.
  private let classes: [Name: [Int]?]
  private let heads: [Name: [Name]]

  /// The family of a model type; nil where it is not known.
  package init?(type: Name) {
    guard let row = FamilyTable.line(type, of: FamilyTable.families) else { return nil }
    self.init(row)
  }

  /// The family of a class such as `BertModel`; nil where it is not known.
  package init?(class name: Name) {
    guard let type = Self.typeOfClass[name] else { return nil }
    self.init(type: type)
  }

  private init(_ row: TableLine) {
    type = Name(row.text("type") ?? "")
    ties = row.lists("ties")
    tiesByDefault = row["tied"] == .boolean(true)
    needsTies = row["fixed"] == .boolean(true)
    prefix = row.text("prefix").map { Name($0) }
    vocabulary = Set(row.names("input") + row.names("output"))
    rulesLabel = row.text("names").map { Name($0) }
    stacks = row.lists("experts").compactMap { ExpertStack($0) }
    transposedLeaves = Set(row.names("transposed"))
    isWhollyTransposed = row["wholly"] == .boolean(true)
    classes = Self.classes(row["classes"])
    heads = Dictionary(
      uniqueKeysWithValues: row.members("heads").map { ($0.key, TableLine.names($0.value)) })
  }

  private static func classes(_ value: JSONValue?) -> [Name: [Int]?] {
    guard case .object(let members)? = value else {
      return Dictionary(uniqueKeysWithValues: TableLine.names(value).map { ($0, []) })
    }
    return Dictionary(
      uniqueKeysWithValues: members.map { member in
        guard case .array(let places) = member.value else { return (member.key, nil) }
        return (member.key, places.compactMap { $0.double.flatMap { Int(exactly: $0) } })
      })
  }

  /// The model type of every class: for old configurations, which name nothing else.
  private static let typeOfClass: [Name: Name] = {
    let rows = FamilyTable.lines(of: FamilyTable.families).map { ModelFamily($0) }
    let pairs = rows.flatMap { row in row.classes.keys.map { ($0, row.type) } }
    return Dictionary(pairs) { first, _ in first }
  }()

  /// The modules that a model has for a task beside what all models of the family have.
  package func heads(for task: ModelTask) -> [Name] { heads[Name(task.rawValue)] ?? [] }

  /// True if the table knows the heads of its models.
  var hasHeads: Bool { !heads.isEmpty }

  /// The classes of its models.
  var classNames: [Name] { Array(classes.keys) }

  /// The ties of a class; nil where the class is not known, or is that of the bare model: then it may be
  /// used as any other.
  package func ties(ofClass name: Name) -> [[Name]]? {
    classes[name]??.map { ties[$0] }
  }

  /// Returns true if the weight of a layer is stored [in, out], by its name; false if nothing is known of it.
  package func storesTransposed(_ weight: Name) -> Bool {
    isWhollyTransposed || isConv1D(weight)
  }

  /// Returns true if a weight is that of a layer of GPT-2's kind, by its name.
  func isConv1D(_ weight: Name) -> Bool {
    transposedLeaves.contains(weight.dropLast(".weight".utf8.count).lastPart)
  }

  /// Returns true if a stored parameter has a row for each token of a vocabulary.
  package func isVocabulary(_ stored: Name) -> Bool {
    let rules = rulesLabel.flatMap { NameRules(label: $0) }
    return AnyFamily.isVocabulary(stored)
      || vocabulary.contains { module in
        let name = Name("\(module).weight")
        return stored == name || stored == rules?.inFiles(name)
      }
  }
}

extension Checkpoint {
  /// The family that its configuration names; nil where it names none that is known.
  package var family: ModelFamily? {
    config?.modelType.flatMap { ModelFamily(type: Name($0)) }
      ?? config?.architecture.flatMap { ModelFamily(class: Name($0)) }
  }
}
