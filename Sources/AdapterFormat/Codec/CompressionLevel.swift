/// How much time a writer takes to make a file smaller. Every reader reads what any of them makes.
public enum CompressionLevel: String, Sendable, CaseIterable {
  /// Entropy coding alone.
  case fast
  /// A search for matches as well, where a look at a sample says that it will pay.
  case `default`
  /// Everything is tried on everything, and the smallest kept.
  case max
}
