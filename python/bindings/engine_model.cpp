#include "engine.h"
void bind_model(py::module_&) {}
