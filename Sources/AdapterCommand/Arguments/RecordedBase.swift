internal import Checkpoints
internal import Operations
internal import Storage
internal import AdapterFormat
internal import AdapterInterop
internal import SystemPackage

/// The arguments of `run`: a base and adapters, or adapters alone; then the first says which base it is for.
struct RunArguments {
  let base: String
  let adapters: [WeightedReference]

  init(_ first: String, _ rest: [String]) throws(Failure) {
    if let reference = Self.adapter(first) {
      adapters = try [reference] + WeightedReference.all(rest)
      base = try RecordedBase.name(in: reference.adapter)
    } else {
      (base, adapters) = (first, try WeightedReference.all(rest))
    }
  }

  /// The adapter that an argument is in the place of a base; nil for a base.
  private static func adapter(_ argument: String) -> WeightedReference? {
    guard argument != "-", let reference = try? WeightedReference(argument) else { return nil }
    return reference.adapter.contents.isAdapter ? reference : nil
  }
}

/// The base that an adapter records, in the cache of models. A name alone is a claim: the samples that the adapter has of
/// its base are held against it when it is loaded, so there must be some.
enum RecordedBase {
  static func name(in reference: AdapterReference) throws(Failure) -> String {
    let adapter = try reference.open()
    func failure(_ reason: String) -> Failure {
      Failure(
        "\(reference.path) \(reason)", hint: "name the base: adapter run BASE \(reference.path)")
    }
    guard let base = adapter.base, let name = base.name else {
      throw failure("records no name of its base")
    }
    guard base.fingerprint?.tensors.isEmpty == false else {
      throw failure("records no samples of its base, \(name), which would show that it is this one")
    }
    let argument = name + (base.revision.map { "@\($0)" } ?? "")
    guard let model = try ModelNames.model(argument) else {
      throw failure("records the base \(name), which is not a model in the cache")
    }
    Terminal.report(
      "note", "base: \(model.name) at \(model.commit.prefix(8)), as the adapter records it")
    return model.folder.string
  }
}

extension PathContents {
  /// True if it is an adapter, of any format.
  fileprivate var isAdapter: Bool {
    switch self {
    case .adapterFile, .foreign: true
    case .checkpoint, .unpackedAdapter, .unpackedTensors, .stranger: false
    }
  }
}
