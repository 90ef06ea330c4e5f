internal import StrictJSON

/// PVeRA (arXiv:2512.07703): VeRA whose diagonal is drawn while it is trained, and is its mean afterwards.
extension PEFTMethod {
  static let pvera = PEFTMethod(
    type: "PVERA", title: "PVeRA", parts: ["pvera_lambda_b", "pvera_lambda_d"],
    shared: ["pvera_A", "pvera_B"],
    fields: veraFields,
    read: { meaning, _ in try meaning.addVeRA("pvera") })
}
