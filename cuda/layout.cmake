# FASTPLM_CUDA_LAYOUT: a number of the headers whose structs cross between libfastplm.so and libfastplm_cuda.so. One that
# was built from others is refused when it is opened.
set(shared_headers cuda/table.h cpp/kernels/train_args.h cpp/kernels/args.h cpp/core/dtype.h cpp/core/words.h)
list(TRANSFORM shared_headers PREPEND "${CMAKE_CURRENT_LIST_DIR}/../")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${shared_headers})
set(shared_text "")
foreach(header ${shared_headers})
  file(SHA256 ${header} hash)
  string(APPEND shared_text ${hash})
endforeach()
string(SHA256 hash "${shared_text}")
string(SUBSTRING ${hash} 0 16 hash)
set_source_files_properties("${CMAKE_CURRENT_LIST_DIR}/table.cu" "${CMAKE_CURRENT_LIST_DIR}/../cpp/ops/cuda.cpp"
                            PROPERTIES COMPILE_DEFINITIONS FASTPLM_CUDA_LAYOUT=0x${hash}ull)
