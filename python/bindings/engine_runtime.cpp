// Version, chosen ISA and threads.
#include <malloc.h>

#include "core/parallel.h"
#include "core/version.h"
#include "engine.h"
#include "kernels/kernels.h"
#include "ops/cuda.h"

using namespace fastplm;

void bind_runtime(py::module_& m) {
  m.attr("__version__") = version();
  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("n"));
  // Gives memory that was freed, and that the allocator keeps for later, back to the system.
  m.def("trim_memory", [] {
#ifdef __GLIBC__
    const ReleaseGil release;
    malloc_trim(0);
#endif
  });
  m.def("isa", [] {   // every level: its name, whether this CPU has it, whether it is in use, what it needs
    IsaInfo infos[kIsaCount];
    isa_infos(infos);
    py::list levels;
    for (const IsaInfo& info : infos) {
      if (!info.name) continue;
      py::dict d;
      d["name"] = info.name;
      d["supported"] = info.supported;
      d["chosen"] = info.chosen;
      d["needs"] = info.needs;
      levels.append(d);
    }
    return levels;
  });
  m.def("cuda_status", [] {
    const ops::CudaStatus status = ops::cuda_status();
    py::list devices;
    for (const ops::CudaDevice& device : status.devices) {
      py::dict d;
      d["name"] = device.name;
      d["compute_capability"] = py::make_tuple(device.major, device.minor);
      d["memory_bytes"] = device.memory_bytes;
      devices.append(d);
    }
    py::dict d;
    d["devices"] = devices;
    d["reason"] = status.reason;
    d["product_library"] = status.product;
    return d;
  });
  m.def("cpu_limits", [] {
    const CpuLimits limits = cpu_limits();
    py::dict d;
    d["affinity"] = limits.affinity;
    d["cgroup"] = limits.cgroup;
    d["physical"] = limits.physical;
    return d;
  });
}
