// _ops: stateless tensor functions. A TensorView argument accepts anything with __dlpack__.
#include <nanobind/nanobind.h>
NB_MODULE(_ops, m) { m.doc() = ""; }
