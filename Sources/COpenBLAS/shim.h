#include <cblas.h>

// LAPACK, which OpenBLAS exports. Matrices lie by columns; `info` is 0 where all went well. A `lwork` of -1
// asks for the best size of `work`, which is put into its first element.

/// A · X = B, X in place of B.
void dgesv_(const int *n, const int *nrhs, double *a, const int *lda, int *ipiv, double *b,
            const int *ldb, int *info);

/// A = Q · R, R in the upper triangle of A.
void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work,
             const int *lwork, int *info);

/// A = U · diag(s) · Vᵀ by divide and conquer.
void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s,
             double *u, const int *ldu, double *vt, const int *ldvt, double *work,
             const int *lwork, int *iwork, int *info);
