internal import ArgumentParser

/// When results are coloured.
enum ColorChoice: String, ExpressibleByArgument, CaseIterable {
  case auto
  case always
  case never
}

/// The option of a command that colours its result.
struct ColorOption: ParsableArguments {
  @Option(
    help:
      "Colour the result: auto (on a terminal, unless NO_COLOR is set), always (as CLICOLOR_FORCE), or never."
  )
  var color: ColorChoice?

  /// True if the result is coloured.
  var isColoured: Bool {
    switch color ?? .auto {
    case .auto: Terminal.showsColours
    case .always: true
    case .never: false
    }
  }
}
