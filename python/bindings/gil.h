// Python's lock and signals while native code runs, the same for both modules.
#pragma once
#include <Python.h>
#include <unistd.h>

// Releases the GIL for a scope. A thread that finishes native work while the interpreter shuts down must
// not touch Python any more: it sleeps until the process ends, as Python 3.14's own threads do.
class ReleaseGil {
 public:
  ReleaseGil() : state_(PyEval_SaveThread()) {}
  ~ReleaseGil() {
#if PY_VERSION_HEX >= 0x030d0000
    while (Py_IsFinalizing()) pause();
#else
    while (_Py_IsFinalizing()) pause();
#endif
    PyEval_RestoreThread(state_);
  }
  ReleaseGil(const ReleaseGil&) = delete;
  ReleaseGil& operator=(const ReleaseGil&) = delete;

 private:
  PyThreadState* state_;
};

// Runs Python's signal handlers; an exception one of them raises stays set and ends the native call. Python runs
// them on the main thread only. Others must not even ask for the GIL here: while the interpreter shuts down, asking
// ends the thread.
inline bool signal_raised() {
  if (gettid() != getpid()) return false;
  const PyGILState_STATE state = PyGILState_Ensure();
  const bool raised = PyErr_CheckSignals() != 0;
  PyGILState_Release(state);
  return raised;
}
