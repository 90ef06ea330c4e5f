#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// A day of the calendar where this machine is.
package struct LocalDate: Sendable, Equatable {
  package let year, month, day: Int

  /// A day; months and days count from 1.
  package init(year: Int, month: Int, day: Int) {
    (self.year, self.month, self.day) = (year, month, day)
  }

  /// Today; nil for a machine that does not know it.
  package static var today: Self? {
    var (now, parts) = unsafe (time(nil), tm())
    guard unsafe localtime_r(&now, &parts) != nil else { return nil }
    return unsafe Self(
      year: Int(parts.tm_year) + 1900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday))
  }
}
