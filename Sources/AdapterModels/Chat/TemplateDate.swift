internal import Storage

extension LocalDate {
  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October",
    "November", "December",
  ]

  /// The date in one of the forms that templates ask for, in English as everywhere but in another locale.
  func written(_ format: [UInt8]) throws(TemplateFault) -> String {
    var text = ""
    var rest = String(decoding: format, as: UTF8.self).unicodeScalars[...]
    func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
    let name = Self.months.indices.contains(month - 1) ? Self.months[month - 1] : ""
    while let next = rest.popFirst() {
      guard next == "%" else {
        text.unicodeScalars.append(next)
        continue
      }
      switch rest.popFirst() {
      case "d": text += two(day)
      case "m": text += two(month)
      case "b": text += name.prefix(3)
      case "B": text += name
      case "Y": text += String(year)
      case "y": text += two(year % 100)
      default: throw .unsupported("a date of this form")
      }
    }
    return text
  }
}
