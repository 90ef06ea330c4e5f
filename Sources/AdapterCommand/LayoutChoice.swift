internal import AdapterInterop
internal import Adapters
internal import ArgumentParser

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
