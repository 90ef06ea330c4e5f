internal import AdapterFormat
internal import AdapterRuntime
internal import Operations
internal import ArgumentParser
internal import Checkpoints
internal import Storage
internal import SystemPackage

/// An element type of a result, as an option.
enum FloatTypeChoice: String, CaseIterable, ExpressibleByArgument {
  case f32
  case bf16
  case f16

  var type: ElementType {
    switch self {
    case .f32: .f32
    case .bf16: .bf16
    case .f16: .f16
    }
  }
}

/// A number of bytes, as an option: `5GB`, `500MB`, `2GiB`.
struct SizeChoice: ExpressibleByArgument {
  let byteCount: UInt64

  private static let units: [(name: String, bytes: UInt64)] = [
    ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000),
    ("KIB", 1 << 10), ("MIB", 1 << 20), ("GIB", 1 << 30), ("TIB", 1 << 40),
  ]

  init?(argument: String) {
    let digits = argument.prefix { $0.isASCII && $0.isNumber }
    let unit = argument.dropFirst(digits.count).uppercased()
    let factor = unit.isEmpty ? 1 : Self.units.first { $0.name == unit }?.bytes
    guard let number = UInt64(digits), let factor, number > 0 else { return nil }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: factor)
    guard !overflow, bytes < 1 << 60 else { return nil }
    byteCount = bytes
  }
}

/// One of several shares, as an option: `2/8`.
struct PartChoice: ExpressibleByArgument, CustomStringConvertible {
  let number: Int
  let count: Int

  init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let number = parts[0], let count = parts[1],
      (1...100_000).contains(count), (1...count).contains(number)
    else { return nil }
    (self.number, self.count) = (number, count)
  }

  var description: String { "\(number) of \(count)" }
}
