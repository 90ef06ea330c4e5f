internal import Adapters
internal import ArgumentParser

/// A layout that a user may name.
enum LayoutChoice: String, ExpressibleByArgument, CaseIterable {
  case outIn = "out_in"
  case inOut = "in_out"

  var layout: Layout { self == .outIn ? .outIn : .inOut }
}
