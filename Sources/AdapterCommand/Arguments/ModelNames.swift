internal import AdapterFormat
internal import Checkpoints
internal import Storage
internal import SystemPackage

/// Names of models in the places of paths: of a base, and of an adapter.
enum ModelNames {
  /// The path that an argument names: itself, where something is there or it has not the form of a name.
  ///
  /// - Throws: `Failure` where it has the form of a name, and the cache does not have it.
  static func path(_ argument: String) throws(Failure) -> String {
    try model(argument)?.folder.string ?? argument
  }

  /// The model that an argument names; nil for a path.
  ///
  /// - Throws: `Failure` where it has the form of a name, and the cache does not have it.
  static func model(_ argument: String) throws(Failure) -> ModelCache.Model? {
    guard FileStatus(of: FilePath(argument)) == nil else { return nil }
    do throws(ModelCache.Missing) {
      return try cache.model(argument)
    } catch {
      throw Failure(
        "cannot read \(argument): no such file or directory", hint: error.description)
    }
  }

  /// True of the name of a model that is in the cache.
  static func holds(_ argument: String) -> Bool { ((try? model(argument)) ?? nil) != nil }

  /// Refuses an output in the cache: its libraries would take it for what they have downloaded.
  static func checkOutside(_ output: String) throws(Failure) {
    guard let cache = cache.path.real, let here = Platform.workingFolder else { return }
    var path = here.pushing(FilePath(output)).lexicallyNormalized()
    while path.real == nil, path.components.count > 0 { path.removeLastComponent() }
    guard let folder = path.real, folder.starts(with: cache) else { return }
    throw Failure(
      "\(output) is in the cache of models (\(Self.cache.path)), where nothing else may write",
      hint: "name a folder of your own")
  }

  private static var cache: ModelCache { ModelCache(environment: Platform.environment) }
}
