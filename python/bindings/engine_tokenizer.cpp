#include "engine.h"
void bind_tokenizer(py::module_&) {}
