#if canImport(Darwin)
  internal import Accelerate

  extension BLAS {
    /// The system has memory for all threads.
    struct Room {
      func wait() {}
      func signal() {}
    }

    /// The library, which is a part of the system.
    static let loaded: Result<BLAS, LinearAlgebraError> = {
      _ = BLASSetThreading(BLAS_THREADING_SINGLE_THREADED)
      return .success(
        BLAS(
          name: "Accelerate",
          sgemm: {
            unsafe cblas_sgemm(
              order($0), operation($1), operation($2), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
              $13)
          },
          dgemm: {
            unsafe cblas_dgemm(
              order($0), operation($1), operation($2), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
              $13)
          },
          dsyrk: {
            unsafe cblas_dsyrk(
              order($0), CBLAS_UPLO(rawValue: UInt32($1)), operation($2), $3, $4, $5, $6, $7, $8,
              $9, $10)
          },
          dtrsm: {
            unsafe cblas_dtrsm(
              order($0), CBLAS_SIDE(rawValue: UInt32($1)), CBLAS_UPLO(rawValue: UInt32($2)),
              operation($3), CBLAS_DIAG(rawValue: UInt32($4)), $5, $6, $7, $8, $9, $10, $11)
          },
          dgesv: { unsafe _ = dgesv_($0, $1, $2, $3, $4, $5, $6, $7) },
          dpotrf: { unsafe _ = dpotrf_($0, $1, $2, $3, $4) },
          dgeqrf: { unsafe _ = dgeqrf_($0, $1, $2, $3, $4, $5, $6, $7) },
          dorgqr: { unsafe _ = dorgqr_($0, $1, $2, $3, $4, $5, $6, $7, $8) },
          dtrcon: { unsafe _ = dtrcon_($0, $1, $2, $3, $4, $5, $6, $7, $8, $9) },
          dgesdd: {
            unsafe _ = dgesdd_($0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
          },
          room: nil))
    }()

    private static func order(_ value: Int32) -> CBLAS_ORDER {
      CBLAS_ORDER(rawValue: UInt32(value))
    }

    private static func operation(_ value: Int32) -> CBLAS_TRANSPOSE {
      CBLAS_TRANSPOSE(rawValue: UInt32(value))
    }
  }
#endif
