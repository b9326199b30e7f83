// Marks what libfastplm.so shows to the binding modules; everything else stays hidden.
#pragma once
#define FASTPLM_EXPORT __attribute__((visibility("default")))
