import Storage
import StrictJSON
import TestSupport

/// A header of safetensors as a tree, to be laid out anew after a change.
struct SafetensorsLayout {
  private var members: [JSONValue.Member]

  /// Reads a header's text; nil where it is no object.
  init?(_ text: [UInt8]) {
    guard case .object(let members) = try? JSONValue(document: text, maximumDepth: 16) else {
      return nil
    }
    self.members = members
  }

  /// Where the last tensor ends, as the header says; 0 without tensors.
  var end: UInt64 {
    tensors.compactMap { $0.value.member("data_offsets")?.elements.last?.integer }.max() ?? 0
  }

  private var tensors: [JSONValue.Member] { members.filter { $0.key != "__metadata__" } }

  /// Puts the tensors one behind the other, each as long as its shape says.
  mutating func layOut() {
    var offset: UInt64 = 0
    members = members.map { member in
      guard member.key != "__metadata__", let size = Self.byteCount(of: member.value) else {
        return member
      }
      let (end, overflow) = offset.addingReportingOverflow(size)
      guard !overflow, end < 1 << 53 else { return member }
      defer { offset = end }
      return JSONValue.Member(
        member.key,
        member.value.setting("data_offsets", to: .array([.integer(offset), .integer(end)])))
    }
  }

  /// The header's text, padded as safetensors does.
  var text: [UInt8] {
    let text = JSONValue.object(members).bytes
    return text + Array(repeating: 0x20, count: (8 - text.count % 8) % 8)
  }

  private static func byteCount(of tensor: JSONValue) -> UInt64? {
    let dimensions = tensor.member("shape")?.elements.compactMap(\.integer) ?? []
    guard let type = tensor.member("dtype")?.text.flatMap(ElementType.init(rawValue:)),
      let count = Shape(dimensions)?.byteCount(of: type)
    else { return nil }
    return UInt64(count)
  }
}

/// Changes the header of a safetensors file, and mends what follows from it: places, length, data.
enum SafetensorsMutation {
  static func mutate(
    _ bytes: [UInt8], limit: Int, _ random: inout SeededGenerator
  ) -> [UInt8]? {
    guard bytes.count >= 8 else { return nil }
    let length = bytes[..<8].reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(bytes.count - 8) else { return nil }
    var header = Array(bytes[8..<8 + Int(length)])
    var data = Array(bytes[(8 + Int(length))...])
    guard let changed = JSONMutation.mutate(header, &random) else { return nil }
    header = changed
    if !random.oneIn(4), var layout = SafetensorsLayout(header) {
      layout.layOut()
      header = layout.text
      guard layout.end <= UInt64(max(0, limit - 8 - header.count)) else { return nil }
      let missing = max(0, Int(layout.end) - data.count)
      data = data.prefix(Int(layout.end)) + [UInt8](repeating: 0, count: missing)
    }
    let prefix = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
    return prefix + header + data
  }
}

/// Changes an adapter of PEFT in one of its parts, or in both alike.
enum PEFTMutation {
  static func mutate(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8]? {
    var input = PEFTInput(bytes)
    switch Int.random(in: 0..<4, using: &random) {
    case 0: input.config = JSONMutation.mutate(input.config, &random) ?? input.config
    case 1: input.header = JSONMutation.mutate(input.header, &random) ?? input.header
    case 2:
      input.config = JSONMutation.mutate(input.config, &random) ?? input.config
      input.header = JSONMutation.mutate(input.header, &random) ?? input.header
    default: changeNumber(&input, &random)
    }
    if !random.oneIn(8), var layout = SafetensorsLayout(input.header) {
      layout.layOut()
      input.header = layout.text
    }
    return input.bytes
  }

  /// Gives a number of the configuration, a rank say, another value in both parts.
  private static func changeNumber(_ input: inout PEFTInput, _ random: inout SeededGenerator) {
    let numbers = JSONPart.all(of: input.config).filter { $0.kind == .number }
    guard let part = numbers.randomElement(using: &random) else { return }
    let old = Array(input.config[part.value])
    let new = JSONMutation.value(of: .number, &random)
    input.config = replacing(old, with: new, in: input.config)
    input.header = replacing(old, with: new, in: input.header)
  }

  private static func replacing(
    _ old: [UInt8], with new: [UInt8], in text: [UInt8]
  ) -> [UInt8] {
    var result = text
    for part in JSONPart.all(of: text).reversed()
    where part.kind == .number && text[part.value] == old[...] {
      result.replaceSubrange(part.value, with: new)
    }
    return result
  }
}
