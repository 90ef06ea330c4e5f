extension Operation {
  /// Every operation that this version applies: a new one is a file in `Kinds`, a page of the specification and a line
  /// here.
  package static let known: [any OperationKind.Type] = [
    AddLowRank.self, Multiply.self, Add.self, Replace.self, ReplaceRows.self,
    PrependEmbeddings.self, PrependKV.self, AddHadamard.self, AddKronecker.self, AddSparse.self,
    AddBlocks.self, AddCirculant.self, AddGroupedLowRank.self, AddNormalisedLowRank.self,
    ScaleLowRank.self, RotateInput.self, RotateButterfly.self, ReflectInput.self, RotateOutput.self,
    AddSpectral.self, Restore.self,
  ]
}
