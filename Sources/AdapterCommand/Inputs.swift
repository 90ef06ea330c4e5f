internal import Checkpoints
internal import Storage
internal import SystemPackage

/// Refuses an output that is one of the inputs.
func checkDistinct(_ output: String, from inputs: [FilePath]) throws(Failure) {
  try rethrowing(as: { Failure($0) }) { () throws(StorageError) in
    try FilePath(output).checkDistinct(from: inputs)
  }
}

/// Opens a base, no file of which may be the output.
func openCheckpoint(_ path: String, notFor output: String) throws(Failure) -> Checkpoint {
  let checkpoint = try rethrowing(as: { Failure($0) }) { () throws(CheckpointError) in
    try Checkpoint(FilePath(path))
  }
  try checkDistinct(output, from: checkpoint.inputs)
  return checkpoint
}
