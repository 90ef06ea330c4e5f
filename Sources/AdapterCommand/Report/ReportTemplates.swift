internal import Mustache

/// Why a page cannot be made: a mistake in the program, never in a file.
package enum ReportError: Error, Hashable, CustomStringConvertible {
  /// A template cannot be read.
  case badTemplate(String)
  /// A template is missing.
  case noTemplate(String)

  package var description: String {
    switch self {
    case .badTemplate(let name): "the program's template \(name) cannot be read"
    case .noTemplate(let name): "the program's template \(name) is missing"
    }
  }
}

/// The templates, which are a part of the program.
enum ReportTemplates {
  /// All of them, read once.
  static let library = Result { () throws(ReportError) in try readLibrary() }

  private static func readLibrary() throws(ReportError) -> MustacheLibrary {
    var library = MustacheLibrary()
    for (name, bytes) in files {
      do {
        try library.register(String(decoding: bytes, as: UTF8.self), named: name)
      } catch {
        throw .badTemplate(name)
      }
    }
    return library
  }

  private static let files: [(name: String, bytes: [UInt8])] = [
    ("page", PackageResources.page_mustache),
    ("style", PackageResources.style_css),
    ("header", PackageResources.header_mustache),
    ("fact", PackageResources.fact_mustache),
    ("findings", PackageResources.findings_mustache),
    ("heat-maps", PackageResources.heat_maps_mustache),
    ("plots", PackageResources.plots_mustache),
    ("sizes", PackageResources.sizes_mustache),
    ("tables", PackageResources.tables_mustache),
    ("table", PackageResources.table_mustache),
  ]
}
