internal import StrictJSON

/// The name of a parameter, cut into its module's and its own.
struct ParameterName: Sendable, Hashable {
  /// The module's path.
  let module: Name
  /// The parameter's own name, such as `weight`.
  let leaf: String

  /// Cuts a name; nil for a parameter of the model itself, which has no module.
  init?(_ name: Name?) {
    guard let name, let dot = name.text.lastIndex(of: "."), dot > name.text.startIndex else {
      return nil
    }
    module = Name(String(name.text[..<dot]))
    leaf = String(name.text[name.text.index(after: dot)...])
  }
}
