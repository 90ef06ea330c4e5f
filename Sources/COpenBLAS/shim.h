#include <cblas.h>

/// LAPACK, which OpenBLAS exports: A · X = B by columns, X in place of B.
void dgesv_(const int *n, const int *nrhs, double *a, const int *lda, int *ipiv, double *b,
            const int *ldb, int *info);
