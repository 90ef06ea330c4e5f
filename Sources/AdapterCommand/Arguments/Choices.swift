internal import AdapterFormat
internal import AdapterInterop
internal import AdapterRuntime
internal import Operations
internal import ArgumentParser
internal import Checkpoints
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

/// A format that adapters are written in, as an option.
enum FormatChoice: ExpressibleByArgument {
  case adp
  case foreign(any WritableFormat)

  private static let ours = "adp"

  init?(argument: String) {
    if argument == Self.ours {
      self = .adp
    } else if let format = Formats.written.first(where: { $0.name == argument }) {
      self = .foreign(format)
    } else {
      return nil
    }
  }

  static var allValueStrings: [String] { [ours] + Formats.written.map(\.name) }

  var name: String {
    switch self {
    case .adp: Self.ours
    case .foreign(let format): format.name
    }
  }

  var isOurs: Bool {
    if case .adp = self { true } else { false }
  }

  /// True of a format for which a base tells more than the adapter does.
  var usesBase: Bool {
    switch self {
    case .adp: true
    case .foreign(let format): format.usesBase
    }
  }

  /// The suffix of its files; empty where it is a folder.
  var suffix: String {
    switch self {
    case .adp: ".adp"
    case .foreign(let format): format.suffix ?? ""
    }
  }
}

/// A part of a pipeline, as an option.
struct ComponentChoice: ExpressibleByArgument {
  let component: PipelineComponent

  init?(argument: String) {
    guard let component = PipelineComponent(rawValue: argument) else { return nil }
    self.component = component
  }

  static var allValueStrings: [String] { PipelineComponent.allCases.map(\.rawValue) }
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

/// Two names with `=` between them, as an option; the first may be empty, which is a prefix of all.
struct NamePair: ExpressibleByArgument {
  let target: Name
  let stored: Name

  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, argument != "=",
      parts[0].count(where: { $0 == "*" }) == parts[1].count(where: { $0 == "*" })
    else { return nil }
    (target, stored) = (Name(String(parts[0])), Name(String(parts[1])))
  }

  static let help = ArgumentHelp(
    "Bind an adapter's target to this tensor of the base; or replace a prefix, or a pattern with *.",
    valueName: "target=stored")
}

/// A pattern for names, as an option.
struct PatternChoice: ExpressibleByArgument {
  let pattern: NamePattern

  init?(argument: String) { pattern = NamePattern(argument) }

  static let help = ArgumentHelp(
    "Leave out tensors of a foreign adapter: a name, or a pattern with *.",
    valueName: "pattern")
}

extension [NamePair] {
  var names: NameMap {
    var names = NameMap()
    for pair in self { names.add(pair.target, pair.stored) }
    return names
  }
}

/// The user's choices where a base leaves a question open.
struct BindingOptions: ParsableArguments {
  @Option(help: "Layout to assume for square weights when the base does not show it.")
  var layout: LayoutChoice?

  @Option(help: NamePair.help)
  var map: [NamePair] = []

  var isUsed: Bool { layout != nil || !map.isEmpty }

  /// The choices for binding; decisions that only a merge has to make are left open.
  var choices: BindingChoices {
    .init(layout: layout?.layout, names: map.names, missingBias: .create, ties: .untie)
  }
}
