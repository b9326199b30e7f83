#include "model/quantise.h"

#include "model/parts.h"

namespace fastplm {

std::vector<CodedTensor> quantise(const std::string& model_type, const std::string& class_name, const Value& config,
                                  const std::vector<TensorEntry>& tensors, Format format) {
  if (!ops::codes_of(format).bits) fail(ErrorKind::kValue, "quantise: a format of floats; expected one of integers");
  const Arch& arch = arch_of(model_type);
  const ModelClass& kind = class_of(arch, class_name);
  Memory memory;
  std::vector<CodedTensor> coded;
  Checkpoint load(arch, kind, tensors, format, memory);
  load.record_to(coded);
  load_parts(load, arch, kind, config, true);
  return coded;
}

}  // namespace fastplm
