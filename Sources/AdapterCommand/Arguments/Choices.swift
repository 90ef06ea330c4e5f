internal import AdapterFormat
internal import AdapterInterop
internal import AdapterRuntime
internal import Operations
internal import ArgumentParser
internal import StrictJSON

/// A layout that a user may name.
enum LayoutChoice: String, ExpressibleByArgument, CaseIterable {
  case outIn = "out_in"
  case inOut = "in_out"

  var layout: Layout { self == .outIn ? .outIn : .inOut }
}

/// How the keys and values of a prefix are laid out, as an option.
enum PrefixOrderChoice: String, CaseIterable, ExpressibleByArgument {
  case interleaved
  case split

  var order: PrefixOrder { self == .interleaved ? .interleaved : .split }
}

/// How hard to compress, as an option.
enum LevelChoice: String, CaseIterable, ExpressibleByArgument {
  case fast
  case `default`
  case max

  var level: CompressionLevel {
    switch self {
    case .fast: .fast
    case .default: .default
    case .max: .max
    }
  }
}

/// Two names with `=` between them, as an option.
struct NamePair: ExpressibleByArgument {
  let target: Name
  let stored: Name

  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2 else { return nil }
    (target, stored) = (Name(parts[0]), Name(parts[1]))
  }
}

extension [NamePair] {
  var names: [Name: Name] {
    Dictionary(map { ($0.target, $0.stored) }, uniquingKeysWith: { $1 })
  }
}

/// What a user decides where a base leaves a question open.
struct BindingOptions: ParsableArguments {
  @Option(help: "How square weights are stored that nothing else decides.")
  var layout: LayoutChoice?

  @Option(
    help: ArgumentHelp(
      "The base's tensor that a target of the adapter means.", valueName: "target=stored"))
  var map: [NamePair] = []

  var isUsed: Bool { layout != nil || !map.isEmpty }

  /// What only a merge has to decide is left open.
  var choices: BindingChoices {
    .init(layout: layout?.layout, names: map.names, missingBias: .create, ties: .untie)
  }
}
