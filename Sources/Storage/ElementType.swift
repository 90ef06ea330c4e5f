/// The 22 element types of safetensors, in the order of its own list.
///
/// The order matters: safetensors' writer sorts tensors by descending element type, then by name.
public enum ElementType: String, CaseIterable, Sendable, Hashable {
  /// One byte a truth value.
  case bool = "BOOL"
  /// Four-bit float.
  case f4 = "F4"
  /// Six-bit float, 2 exponent and 3 mantissa bits.
  case f6E2M3 = "F6_E2M3"
  /// Six-bit float, 3 exponent and 2 mantissa bits.
  case f6E3M2 = "F6_E3M2"
  /// Unsigned integer, 8 bits.
  case u8 = "U8"
  /// Signed integer, 8 bits.
  case i8 = "I8"
  /// Eight-bit float, 5 exponent bits.
  case f8E5M2 = "F8_E5M2"
  /// Eight-bit float, 4 exponent bits.
  case f8E4M3 = "F8_E4M3"
  /// Eight-bit scale, exponent only.
  case f8E8M0 = "F8_E8M0"
  /// Eight-bit float, 4 exponent bits, no negative zero.
  case f8E4M3FNUZ = "F8_E4M3FNUZ"
  /// Eight-bit float, 5 exponent bits, no negative zero.
  case f8E5M2FNUZ = "F8_E5M2FNUZ"
  /// Signed integer, 16 bits.
  case i16 = "I16"
  /// Unsigned integer, 16 bits.
  case u16 = "U16"
  /// IEEE 754 binary16.
  case f16 = "F16"
  /// bfloat16: the upper half of an F32.
  case bf16 = "BF16"
  /// Signed integer, 32 bits.
  case i32 = "I32"
  /// Unsigned integer, 32 bits.
  case u32 = "U32"
  /// IEEE 754 binary32.
  case f32 = "F32"
  /// Two F32: the real and the imaginary part.
  case c64 = "C64"
  /// IEEE 754 binary64.
  case f64 = "F64"
  /// Signed integer, 64 bits.
  case i64 = "I64"
  /// Unsigned integer, 64 bits.
  case u64 = "U64"

  /// Bits of one element.
  public var bitWidth: Int {
    switch self {
    case .f4: 4
    case .f6E2M3, .f6E3M2: 6
    case .bool, .u8, .i8, .f8E5M2, .f8E4M3, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ: 8
    case .i16, .u16, .f16, .bf16: 16
    case .i32, .u32, .f32: 32
    case .c64, .f64, .i64, .u64: 64
    }
  }

  /// True if it is one of the floats that adapters compute with: F16, BF16, F32, F64.
  public var isFloat: Bool {
    switch self {
    case .f16, .bf16, .f32, .f64: true
    default: false
    }
  }

  /// Its place in safetensors' list.
  public var rank: Int { Self.ranks[self] ?? 0 }

  private static let ranks = Dictionary(
    uniqueKeysWithValues: allCases.enumerated().map { ($1, $0) })
}
