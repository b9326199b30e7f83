// Version, chosen ISA and threads.
#include "core/parallel.h"
#include "core/version.h"
#include "engine.h"

using namespace fastplm;

void bind_runtime(py::module_& m) {
  m.attr("__version__") = version();
  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("n"));
  m.def("cpu_limits", [] {
    const CpuLimits limits = cpu_limits();
    py::dict d;
    d["affinity"] = limits.affinity;
    d["cgroup"] = limits.cgroup;
    d["physical"] = limits.physical;
    return d;
  });
}
