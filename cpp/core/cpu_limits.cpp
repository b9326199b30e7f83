// How many threads this process may usefully run.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <string>

#include "core/parallel.h"

namespace fastplm {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// CPUs of the affinity mask, and how many different cores they belong to.
void count_cpus(int& cpus, int& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return;
  std::set<std::string> siblings;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &set)) continue;
    ++cpus;
    const std::string list =
        first_line("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    siblings.insert(list.empty() ? std::to_string(cpu) : list);
  }
  cores = int(siblings.size());
}

// The tightest "quota period" of this cgroup and its parents, in whole CPUs; 0 for none.
// Format: Linux Documentation/admin-guide/cgroup-v2.rst, cpu.max.
int cgroup_cpus() {
  std::ifstream groups("/proc/self/cgroup");
  std::string line, path;
  while (std::getline(groups, line)) {
    if (line.starts_with("0::")) path = line.substr(3);
  }
  int best = 0;
  for (;;) {
    const std::string limit = first_line("/sys/fs/cgroup" + path + "/cpu.max");
    double quota = 0, period = 0;
    if (sscanf(limit.c_str(), "%lf %lf", &quota, &period) == 2 && period > 0) {
      const int cpus = std::max(1, int(quota / period));
      best = best ? std::min(best, cpus) : cpus;
    }
    if (path.empty() || path == "/") return best;
    path.resize(path.rfind('/'));
  }
}

}  // namespace

CpuLimits cpu_limits() {
  CpuLimits limits{};
  count_cpus(limits.affinity, limits.physical);
  limits.cgroup = cgroup_cpus();
  return limits;
}

int64_t second_level_cache() {
  const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? bytes : 1 << 20;
}

int default_num_threads() {
  if (const char* text = std::getenv("FASTPLM_NUM_THREADS"); text && *text) {
    int n = 0;
    const char* end = text + std::strlen(text);
    const auto parsed = std::from_chars(text, end, n);
    if (parsed.ec != std::errc() || parsed.ptr != end || n < 1 || n > 1024) {
      fail(ErrorKind::kValue, "FASTPLM_NUM_THREADS is \"", text, "\"; expected an integer from 1 to 1024");
    }
    return n;
  }
  const CpuLimits limits = cpu_limits();
  int n = std::max(1, limits.affinity);
  if (limits.physical > 0) n = std::min(n, limits.physical);
  if (limits.cgroup > 0) n = std::min(n, limits.cgroup);
  return n;
}

}  // namespace fastplm
