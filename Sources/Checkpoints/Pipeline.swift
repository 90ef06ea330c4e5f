internal import Storage
internal import SystemPackage

/// The folder of a pipeline of diffusers, which has its parts in sub-folders.
package enum Pipeline {
  /// The file that shows what the parts are.
  package static let fileName = "model_index.json"

  /// The parts that adapters change; others, such as a decoder, are left alone.
  package static let parts = [
    "unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3",
  ]

  /// Those that a folder has; empty of a path that is no pipeline's.
  static func parts(of path: FilePath) throws(CheckpointError) -> [String] {
    guard FileStatus(of: path)?.isFolder == true,
      FileStatus(of: path.appending(fileName)) != nil
    else { return [] }
    return parts.filter { FileStatus(of: path.appending($0))?.isFolder == true }
  }
}
