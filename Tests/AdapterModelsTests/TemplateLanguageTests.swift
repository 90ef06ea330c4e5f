import AdapterModels
import TestSupport
import Testing

/// The language of templates: what it means, what is refused, and that nothing goes on for long.
@Suite struct TemplateLanguageTests {
  private func written(_ template: String) throws -> String {
    try ChatTemplate(
      template: Array(template.utf8), specialTokens: ["bos_token": "<s>", "pad_token": nil],
      calledAs: "t"
    ).prompt([.init(.user, "A"), .init(.assistant, "B"), .init(.user, "C")], system: "S")
  }

  @Test(arguments: [
    ("{{ 1 + 2 * 3 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 'a' ~ 1 ~ none }}", "7 -4 2 a1None"),
    ("{{ messages|length - 1 }} {{ messages[-1].content }}{{ messages[9] }}", "3 C"),
    (
      "{{ 'yes' if tools else 'no' }}{{ undefined.member if false else '' }}{{ 'x' if false }}",
      "no"
    ),
    ("{{ bos_token }}{{ pad_token }}{{ 'd' if pad_token is defined else 'u' }}", "<s>u"),
    ("{{ 'abc'[1] }}{{ 'abcd'[1:-1] }}{{ 'abc'[::-1] }}{{ 'äöü'[:2] }}", "bbccbaäö"),
    (
      "{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ m.content }}{% endfor %}",
      "1A2C"
    ),
    (
      "{% for m in messages %}{% if loop.index0 == 1 %}{% continue %}{% endif %}{% if loop.last %}{% break %}{% endif %}{{ m.content }}{% endfor %}",
      "SB"
    ),
    ("{% set x = 1 %}{% for m in messages %}{% set x = 2 %}{% endfor %}{{ x }}", "1"),
    (
      "{% set n = namespace(x=1) %}{% for m in messages %}{% set n.x = n.x + 1 %}{% endfor %}{{ n.x }}",
      "5"
    ),
    ("a\n  {% if true %}\nb\n  {%- endif %}\n c {{- ' d ' -}} e\n", "a\nb c d e"),
    ("{# no #}\na{#- no -#} b", "ab"),
    ("{{ '{{' }}{{ \"}}\" }}{{ {'a': {'b': 1}}['a']['b'] }}", "{{}}1"),
    (
      "{{ ' x '.strip() + 'a,b,c'.split(',')[-1] + 'xxyx'.strip('x') + 'aba'.replace('a', 'cc') }}",
      "xcyccbcc"
    ),
    (
      "{{ 'user'.title() }}{{ 'a b' | upper }}{{ ['a', 'b'] | join(', ') }}{{ nothing | default('z') }}",
      "UserA Ba, bz"
    ),
    ("{{ 'a' in 'abc' and 'd' not in ['a'] and not 'x' in nothing }}", "True"),
    (
      "{{ messages | selectattr('role', 'equalto', 'user') | map_is_not_reached if false else 1 }}",
      "1"
    ),
    (
      "{% if false %}{{ tools | tojson(indent=4) }}{{ 3 ** }}{% endif %}{% macro f(x) %}{{ x }}{% endmacro %}",
      ""
    ),
    (
      "{% set x = 'x' %}{% macro f(a, b='d', c=1) %}\n{{ a }}{{ b }}{{ c }}{{ x }}{{ y }}{% endmacro %}{% for y in range(2, 0, -1) %}{{ f(y, c=2) | upper }} {% endfor %}",
      "2D2X 1D2X "
    ),
    (
      "{% macro f() %}a{% for m in messages %}{{ 1 + 'a' }}{% endfor %}{% endmacro %}b{{ f() if false else 'c' }}{{ messages[0].content }}",
      "bcS"
    ),
    ("{% set x %}a{{ 1 }}{% set z = 2 %}{% endset %}[{{ x }}]{{ z }}", "[a1]"),
    (
      "{{ 1 == true }}{{ 'a' == 'a' }}{{ none is none }}{{ messages is string }}{{ 4 is even }}",
      "TrueTrueTrueFalseTrue"
    ),
    ("{% generation %}{{ 'a' }}{% endgeneration %}\r\nb\r\n", "ab"),
  ])
  func itMeansWhatJinjaMeans(_ template: String, _ text: String) throws {
    #expect(try written(template) == text, "\(template)")
  }

  @Test(arguments: [
    ("{{ tools | tojson }}", "tojson"), ("{% include 'a' %}", "include"), ("{% raw %}", "raw"),
    ("{{ f(1) }}", "\"f\""), ("{{ 2 ** 3 }}", "form"), ("{{ 1.5 }}", "name"),
    ("{{ 1 < 2 < 3 }}", "chain"),
    ("{% set x | trim %}a{% endset %}", "set"),
    ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "deep"),
    ("{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}", "more than it takes"),
    ("{{ messages }}", "list"),
    ("{{ messages[0].x.y }}", "undefined"),
    ("{{ 1 / 2 }}", "\"/\""), ("{{ 1 // 0 }}", "zero"), ("{{ 'a' + 1 }}", "text"),
    ("{{ eos_token }}", "eos_token"),
    ("{{ raise_exception('No \u{1B}!') }}", "refuses this conversation: \"No \\u{1b}!\""),
    ("{% if true %}", "endif"), ("{{ 'a }}", "without an end"), ("{# a", "without an end"),
    ("{{", "without an end"),
    ("{% %}", "word"), ("{{ }}", "form"), ("{{ (1 }}", "without an end"),
    ("{{ 'é'.upper() }}", "ASCII"),
    ("{{ 9223372036854775807 + 1 }}", "large"), ("{{ 99999999999999999999 }}", "number"),
    ("{{ strftime_now('%H') }}", "date"), ("{% for x in 5 %}{% endfor %}", "loop"),
    ("{{ '\\q' }}", "escape"),
    ("{% for a, b in messages %}{% endfor %}", "names"), ("{% endif %}", "endif"),
  ])
  func whatItCannotDoIsNamed(_ template: String, _ reason: String) {
    let error = #expect(throws: TokenizerError.self, "\(template)") { try written(template) }
    let text = error?.description ?? ""
    #expect(
      text.hasPrefix("t: the chat template cannot be used: ") && text.contains(reason),
      "\(template): \(text)")
  }

  /// Known templates with bytes of them changed, taken away, and put elsewhere.
  @Test(arguments: ChatFixture.models)
  func damageDoesNoHarm(_ model: ChatFixture.Model) {
    var random = SeededGenerator(seed: 11)
    for _ in 0..<150 {
      var bytes = model.template
      for _ in 0..<1 + random.below(3) {
        let (place, other) = (random.below(bytes.count), random.below(bytes.count))
        let part = Array(bytes[other..<min(bytes.count, other + 1 + random.below(20))])
        switch random.below(3) {
        case 0: bytes[place] = UInt8(truncatingIfNeeded: random.below(256))
        case 1: bytes.removeSubrange(place..<min(bytes.count, place + part.count))
        default: bytes.insert(contentsOf: part, at: place)
        }
        if bytes.isEmpty { break }
      }
      _ = try? written(String(decoding: bytes, as: UTF8.self))
    }
  }

  /// Templates come from anywhere.
  @Test(arguments: [
    String(repeating: "(", count: 100_000), "{{ " + String(repeating: "(", count: 100_000),
    "{{ " + String(repeating: "[", count: 1000) + String(repeating: "]", count: 1000) + " }}",
    "{{ " + String(repeating: "not ", count: 50_000) + "1 }}",
    "{{ 1" + String(repeating: " + 1", count: 50_000) + " }}",
    "{{ " + String(repeating: "-", count: 1000) + "1 }}",
    "{{ 1" + String(repeating: " if 1 else 1", count: 10_000) + " }}",
    String(repeating: "{% if 1 %}", count: 10_000),
    String(repeating: "{% macro f() %}", count: 10_000),
    "{{ range(9223372036854775807) }}", "{{ range(-9223372036854775807, 9223372036854775807) }}",
    "{% for a in range(1000000) %}{% for b in range(1000000) %}{% endfor %}{% endfor %}",
    "{% set n = namespace(s='ab') %}{% for a in range(100) %}{% set n.s = n.s + n.s %}{% endfor %}",
    "{% set n = namespace(s='ab') %}{% for a in range(100) %}{% set n.s = n.s.replace('a', n.s) %}{% endfor %}",
    "{% set n = namespace(s=[]) %}{% for a in range(100000) %}{% set n.s = [n.s, n.s] %}{% endfor %}",
    "{% set n = namespace(s=[1]) %}{% for a in range(100) %}{% set n.s = n.s + n.s %}{% endfor %}",
    "{% set n = namespace() %}{% set n.n = n %}", String(repeating: "a", count: 1 << 19),
    "{{ 'a'[9223372036854775807:-9223372036854775807:-1] }}{{ 'a'[-9223372036854775808] }}",
    "{{ (0 - 9223372036854775807 - 1) // -1 }}", "{{ '\\uD800' }}", "{{ 'a'[1:2:3:4] }}",
  ])
  func noTemplateTakesLong(_ template: String) {
    let start = ContinuousClock.now
    _ = try? written(template)
    #expect(ContinuousClock.now - start < .seconds(20))
  }
}
