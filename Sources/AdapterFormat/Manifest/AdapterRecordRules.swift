package import Storage
package import StrictJSON

extension AdapterRecord {
  /// Holds it against the rules of the format, all that is in it included.
  func check(_ form: Form) throws(FormatError) {
    for operation in operations { try operation.check() }
    for file in files { try file.check() }
    for stream in streams { try stream.check() }
    try checkWhole(form)
  }

  /// The rules that are not those of one operation, file or stream.
  func checkWhole(_ form: Form) throws(FormatError) {
    _ = try Self.checkedAdapterName(name.text)
    try checkMethod()
    for entry in inert { try entry.tensor.checkAsTensor() }
    for tensor in nonfinite ?? [] { try tensor.checkAsTensor() }
    switch form {
    case .packed:
      try checkAccounting()
      try checkFiles()
    case .unpacked: try checkOpaqueParts()
    }
  }

  /// [NAM-2].
  package static func checkedAdapterName(_ text: String) throws(FormatError) -> Name {
    let isPlain = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"),
        UInt8(ascii: "."):
        true
      default: false
      }
    }
    guard (1...Limits.adapterNameBytes).contains(text.utf8.count), isPlain,
      text.utf8.first != UInt8(ascii: ".")
    else {
      throw .manifest("\(text.debugDescription) is not an adapter name")
    }
    return Name(text)
  }

  private func checkMethod() throws(FormatError) {
    let isPlain = method.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "_"):
        true
      default: false
      }
    }
    guard (1...64).contains(method.utf8.count), isPlain else {
      throw .manifest("\(method.debugDescription) is not a method name")
    }
  }

  /// Every tensor is used, inert or a file, and every name is a tensor's ([MAN-2], [MAN-4],
  /// [MAN-5], [OPS-1]).
  private func checkAccounting() throws(FormatError) {
    let tensors = streams.flatMap(\.tensors)
    let types = streams.flatMap { stream in stream.tensors.map { _ in stream.type } }
    var places: [Name: Int] = [:]
    places.reserveCapacity(tensors.count)
    for (place, tensor) in tensors.enumerated()
    where places.updateValue(place, forKey: tensor.name) != nil {
      throw .manifest("two tensors are called \(tensor.name)")
    }
    var isUsed = tensors.map { _ in false }
    for operation in operations {
      for role in operation.tensors {
        guard let place = places[role.operand.tensor] else {
          throw unknownTensor(role.operand.tensor)
        }
        try role.operand.checkWindow(in: tensors[place].shape, of: types[place])
        isUsed[place] = true
      }
    }
    var isFile = tensors.map { _ in false }
    for file in files {
      guard let tensor = file.tensor else { continue }
      guard let place = places[tensor] else { throw unknownTensor(tensor) }
      guard !isUsed[place] else {
        throw .manifest("tensor \(tensor) is the file \(file.path), and used by an operation")
      }
      isFile[place] = true
    }
    var isInert = tensors.map { _ in false }
    for entry in inert {
      guard let place = places[entry.tensor] else { throw unknownTensor(entry.tensor) }
      try Operand(entry.tensor, window: entry.window)
        .checkWindow(in: tensors[place].shape, of: types[place])
      guard !isFile[place], entry.window != nil || !isUsed[place] else {
        throw .manifest("tensor \(entry.tensor) is used, and listed as inert")
      }
      if entry.window == nil { isInert[place] = true }
    }
    for name in nonfinite ?? [] where places[name] == nil { throw unknownTensor(name) }
    for (place, tensor) in tensors.enumerated()
    where !isUsed[place] && !isInert[place] && !isFile[place] {
      throw .manifest("tensor \(tensor.name) is neither used nor listed as inert")
    }
  }

  /// [FLD-4]: the streams of a folder's manifest are those that this version cannot decode, and
  /// `nonfinite` names tensors of theirs.
  private func checkOpaqueParts() throws(FormatError) {
    for stream in streams where !stream.isOpaque {
      throw .manifest("a stream of adapter \(name) is not opaque: packing makes it of the tensors")
    }
    let opaque = Set(streams.flatMap(\.tensors).map(\.name))
    for tensor in nonfinite ?? [] where !opaque.contains(tensor) {
      throw .manifest("\"nonfinite\" names \(tensor): packing finds that out")
    }
  }

  /// Holds the record of a folder against the tensors beside it: the rules of the names, of section 5
  /// and of 8, without the digests, which are not known yet.
  package func check(against tensors: [TensorInfo]) throws(FormatError) {
    var complete = self
    complete.streams += try StreamRecord.planned(tensors)
    try complete.checkAccounting()
  }

  /// Checks the names and shapes that tensors of a file must have.
  package static func checkTensors(_ tensors: [TensorInfo]) throws(FormatError) {
    _ = try StreamRecord.planned(tensors)
  }

  /// Tensors of all streams.
  package var tensorCount: Int { streams.reduce(0) { $0 + $1.tensors.count } }

  /// True if it has streams with bytes that this version cannot decode.
  package var hasOpaqueBytes: Bool {
    streams.contains { $0.isOpaque && $0.storedByteCount > 0 }
  }

  /// Gives the chunks of all streams their places in a run of bytes of their own. Their sizes must be
  /// known to sum up to what is there.
  package mutating func placeStreams() {
    var offset: UInt64 = 0
    for index in streams.indices { offset = streams[index].place(at: offset).partialValue }
  }

  /// [MAN-9].
  private func checkFiles() throws(FormatError) {
    guard !files.isEmpty else { return }
    var tensors: [Name: (type: ElementType?, record: TensorRecord)] = [:]
    for stream in streams where !stream.isOpaque {
      for tensor in stream.tensors { tensors[tensor.name] = (stream.type, tensor) }
    }
    var paths = Set<Name>()
    for file in files {
      guard paths.insert(file.path).inserted else { throw .manifest("two files \(file.path)") }
      guard let (type, tensor) = file.tensor.flatMap({ tensors[$0] }) else { continue }
      guard type == .u8, tensor.shape.dimensions.map(UInt64.init) == [file.size],
        tensor.digest == file.digest
      else { throw .manifest("tensor \(tensor.name) is not the file \(file.path)") }
    }
  }

  private func unknownTensor(_ name: Name) -> FormatError {
    .manifest("adapter \(self.name) has no tensor \(name)")
  }
}
