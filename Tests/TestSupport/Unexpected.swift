package import Testing

extension Issue {
  /// Records that something is another than a test expects.
  package static func unexpected<Value>(
    _ value: Value, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    record("unexpected: \(String(reflecting: value))", sourceLocation: sourceLocation)
  }
}
