internal import AdapterFormat
internal import AdapterInterop
internal import Checkpoints
internal import Operations
internal import SystemPackage

/// The additions of the model card beside a foreign adapter: metadata, and the base's name if the adapter itself has
/// only a path on the machine that trained it.
struct SourceCard {
  private let card: CardMetadata
  private let recorded: BaseRecord?

  /// Reads the card that an adapter carries, and says what of it is left out.
  init(of adapter: Adapter, at path: FilePath) throws(Failure) {
    do throws(FormatError) {
      card = try CardMetadata(of: adapter)
    } catch {
      throw Failure(error, in: path)
    }
    recorded = adapter.base
    for note in card.notes { Terminal.report("note", note) }
  }

  var metadata: [Manifest.MetadataEntry] { card.entries }

  /// The base as it is recorded: under the name that the user gives, or else the first that is not a path, of the
  /// adapter's, the card's, and the one that the base has for itself. The others are told.
  ///
  /// - Parameters:
  ///   - given: the name that the user gives.
  ///   - checkpoint: the base, where it is at hand.
  /// - Returns: the record; nil where nothing is known.
  func base(_ given: String?, _ checkpoint: Checkpoint? = nil) -> BaseRecord? {
    var base =
      recorded ?? BaseRecord(name: nil, revision: nil, architecture: nil, fingerprint: nil)
    let own = recorded?.name.flatMap { $0.isEmpty ? nil : $0 }
    if let given {
      base.name = given
    } else if own.map(BaseRecord.isPath) ?? true {
      let others = [
        ("\(CardMetadata.fileName)", card.baseName),
        ("the base's config.json", checkpoint?.ownName),
      ]
      if let (place, name) = others.first(where: { $0.1 != nil }), let name {
        base.name = name
        Terminal.report(
          "note",
          "the base is called \(name), as in \(place)" + (own.map { ", and not \($0)" } ?? ""))
      }
    }
    let isEmpty = base.name == nil && recorded == nil
    return isEmpty ? nil : base
  }
}

extension Checkpoint {
  /// The name that its `config.json` records, where that is not a path.
  fileprivate var ownName: String? {
    config?.nameOrPath.flatMap { $0.isEmpty || BaseRecord.isPath($0) ? nil : $0 }
  }
}
