// The functions of OpenBLAS that are used: its CBLAS, with matrices by rows or by columns, and its LAPACK, by columns.
//
// The library is not linked but loaded when it is first needed: most of what the command does needs no product, and to
// be loaded takes address space and time that cannot be had everywhere. A static binary cannot load it, and
// has it linked (-DBLAS_IS_LINKED, -lopenblas).
#include <stddef.h>

typedef struct {
  // The name of the kernels that it has chosen for this processor: Haswell. Null in one without a choice.
  char *(*get_corename)(void);
  void (*set_num_threads)(int count);

  // C = alpha · op(A) · op(B) + beta · C.
  void (*sgemm)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
                const float *b, int ldb, float beta, float *c, int ldc);
  void (*dgemm)(int order, int transpose_a, int transpose_b, int m, int n, int k, double alpha, const double *a,
                int lda, const double *b, int ldb, double beta, double *c, int ldc);
  // C = alpha · op(A) · op(A)ᵀ + beta · C, one triangle of it.
  void (*dsyrk)(int order, int triangle, int transpose, int n, int k, double alpha, const double *a, int lda,
                double beta, double *c, int ldc);
  // op(A)⁻¹ · B or B · op(A)⁻¹, of a triangle A, in place of B.
  void (*dtrsm)(int order, int side, int triangle, int transpose, int diagonal, int m, int n, double alpha,
                const double *a, int lda, double *b, int ldb);

  // `info` is 0 where all went well. A `lwork` of -1 asks for the best size of `work`, which is put into its first
  // element.

  // A · X = B, X in place of B.
  void (*dgesv)(const int *n, const int *nrhs, double *a, const int *lda, int *ipiv, double *b, const int *ldb,
                int *info);
  // A = Rᵀ · R, R in the upper triangle of A.
  void (*dpotrf)(const char *uplo, const int *n, double *a, const int *lda, int *info);
  // A = Q · R, R in the upper triangle of A.
  void (*dgeqrf)(const int *m, const int *n, double *a, const int *lda, double *tau, double *work, const int *lwork,
                 int *info);
  // Q, of what dgeqrf leaves.
  void (*dorgqr)(const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau, double *work,
                 const int *lwork, int *info);
  // An estimate of 1 / (‖A‖ ‖A⁻¹‖) of a triangle.
  void (*dtrcon)(const char *norm, const char *uplo, const char *diag, const int *n, const double *a, const int *lda,
                 double *rcond, double *work, int *iwork, int *info);
  // A = U · diag(s) · Vᵀ by divide and conquer.
  void (*dgesdd)(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s, double *u,
                 const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork, int *iwork, int *info);

  // The memory that a thread works in, which it gives back to the library. Not documented; where they are not there
  // they are null.
  void *(*memory_alloc)(int place);
  void (*memory_free)(void *memory);
} blas_functions;


#if !defined(BLAS_IS_LINKED)
#include <dlfcn.h>

// The library by its name, and its functions. Null where all are there, or why not.
static inline const char *blas_load(const char *name, void **handle, blas_functions *functions) {
  void *library = *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) return dlerror();
  struct {
    const char *name;
    void *place;
  } needed[] = {
      {"openblas_get_corename", &functions->get_corename},
      {"openblas_set_num_threads", &functions->set_num_threads},
      {"cblas_sgemm", &functions->sgemm},
      {"cblas_dgemm", &functions->dgemm},
      {"cblas_dsyrk", &functions->dsyrk},
      {"cblas_dtrsm", &functions->dtrsm},
      {"dgesv_", &functions->dgesv},
      {"dpotrf_", &functions->dpotrf},
      {"dgeqrf_", &functions->dgeqrf},
      {"dorgqr_", &functions->dorgqr},
      {"dtrcon_", &functions->dtrcon},
      {"dgesdd_", &functions->dgesdd},
      {"blas_memory_alloc", &functions->memory_alloc},
      {"blas_memory_free", &functions->memory_free},
  };
  for (size_t index = 0; index < sizeof needed / sizeof needed[0]; index++) {
    *(void **)needed[index].place = dlsym(library, needed[index].name);
  }
  return NULL;
}

// Takes it out of memory. None of its functions may be called after that.
static inline void blas_unload(void *handle) { dlclose(handle); }
#else
char *openblas_get_corename(void);
void openblas_set_num_threads(int);
void cblas_sgemm(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
void cblas_dgemm(int, int, int, int, int, int, double, const double *, int, const double *, int, double, double *, int);
void cblas_dsyrk(int, int, int, int, int, double, const double *, int, double, double *, int);
void cblas_dtrsm(int, int, int, int, int, int, int, double, const double *, int, double *, int);
void dgesv_(const int *, const int *, double *, const int *, int *, double *, const int *, int *);
void dpotrf_(const char *, const int *, double *, const int *, int *);
void dgeqrf_(const int *, const int *, double *, const int *, double *, double *, const int *, int *);
void dorgqr_(const int *, const int *, const int *, double *, const int *, const double *, double *, const int *, int *);
void dtrcon_(const char *, const char *, const char *, const int *, const double *, const int *, double *, double *, int *,
             int *);
void dgesdd_(const char *, const int *, const int *, double *, const int *, double *, double *, const int *, double *,
             const int *, double *, const int *, int *, int *);

static inline const char *blas_load(const char *name, void **handle, blas_functions *functions) {
  *handle = NULL;
  *functions = (blas_functions){openblas_get_corename, openblas_set_num_threads, cblas_sgemm, cblas_dgemm, cblas_dsyrk,
                                cblas_dtrsm, dgesv_, dpotrf_, dgeqrf_, dorgqr_, dtrcon_, dgesdd_, NULL, NULL};
  return NULL;
}

static inline void blas_unload(void *handle) {}
#endif
