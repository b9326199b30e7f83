#!/usr/bin/env bash
# Everything that needs a GPU, on a machine that has one and nothing of fastplm: builds from this source tree, runs the
# operations against torch, measures them, and looks for races. About 8 minutes; nothing is fetched.
#
#   bench/gpu_all.sh                  all parts, the most informative first
#   bench/gpu_all.sh cases bench      some: build status cases bench sanitizer more
#
# Results go to $OUT (bench/results/gpu unless set): a log for each part and ops.json. A part that is done is not done
# again on the same machine (FASTPLM_AGAIN=1: it is); one that fails or takes too long does not stop the others.
set -uo pipefail
cd "$(dirname "$0")/.."
export OUT="${OUT:-$PWD/bench/results/gpu}" PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1
python="${PYTHON:-python3}"
work="$PWD/build/gpu"
export PYTHONPATH="$work/python:$PWD"
mkdir -p "$OUT" "$work/done"
failed=()

# part NAME SECONDS COMMAND...
part() {
  local name="$1" limit="$2" begin=$SECONDS code
  shift 2
  if [ -e "$work/done/$name" ] && [ -z "${FASTPLM_AGAIN:-}" ]; then
    echo "== $name: done before"
    return
  fi
  echo "== $name (at most $limit s)"
  timeout --kill-after=10 "$limit" "$@" >"$OUT/$name.log" 2>&1
  code=$?
  tail -n 25 "$OUT/$name.log"
  echo "== $name: exit status $code after $((SECONDS - begin)) s"
  if [ "$code" = 0 ]; then touch "$work/done/$name"; else failed+=("$name"); fi
}

build() {
  set -e
  cmake -S . -B "$work/cmake" -G Ninja -DFASTPLM_CUDA=ON -DCMAKE_BUILD_TYPE=Release \
    -DPython_EXECUTABLE="$(command -v "$python")" \
    -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" -Dnanobind_DIR="$("$python" -m nanobind --cmake_dir)"
  cmake --build "$work/cmake" --parallel "$(nproc)"
  mkdir -p "$work/python"
  cp -r python/fastplm "$work/python/"
  rm -f "$work"/python/fastplm/*.so
  cmake --install "$work/cmake" --prefix "$work/python"
}

status() {
  set -e
  nvidia-smi
  "$python" -c 'import torch, fastplm; s = fastplm.cuda_status(); print(torch.__version__, s); assert s["devices"]'
  cuobjdump --dump-resource-usage "$work/python/fastplm/libfastplm_cuda.so" | grep -c "Function" || true
}

# What racecheck and memcheck run: small cases of every kernel.
short='cuda and (layer_norm-70x129 or rms_norm-9x260 or activation-gelu-gated or linear-67 or linear-13 or
  cross_entropy-20x100 or linear_cross_entropy-9 or attention-head33 or attention-head128 or attention-bias-grouped or
  attention-dropout or attention-last-queries)'

# sanitize TOOL: compute-sanitizer over the short list.
sanitize() {
  compute-sanitizer --tool "$1" --error-exitcode 9 --launch-timeout 60 --kernel-name kns=fastplm \
    "$python" -m pytest -q -p no:cacheprovider tests/training/test_ops.py \
    -k "(float32 or bfloat16) and $(tr '\n' ' ' <<<"$short")"
}

export -f build status sanitize
export work python short

# tests PATH... -k EXPRESSION: they print what fails as they go.
tests=("$python" -m pytest -q -p no:cacheprovider --timeout 120 --tb short --maxfail 60)
all=(build status cases bench sanitizer more)
for name in "${@:-${all[@]}}"; do
  case "$name" in
    build) part build 300 bash -c build ;;
    status) part status 60 bash -c status ;;
    cases) part cases 150 "${tests[@]}" tests/training/test_ops.py -k "cuda and (float32 or bfloat16)" ;;
    bench) part bench 150 "$python" -m bench.gpu --json "$OUT/ops.json" ;;
    sanitizer)
      part memcheck 60 bash -c 'sanitize memcheck'
      part racecheck 60 bash -c 'sanitize racecheck'
      ;;
    more) part more 120 "${tests[@]}" tests/training tests/ops -k "cuda" ;;
    *)
      echo "gpu_all.sh: there is no part \"$name\"; expected some of: ${all[*]}" >&2
      exit 2
      ;;
  esac
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}; logs are in $OUT"
  exit 1
fi
