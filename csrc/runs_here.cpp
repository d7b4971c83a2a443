// Whether this machine can run the library that this file is linked into. Compiled without the library's instruction
// set, so that it can be asked anywhere.
extern "C" __attribute__((visibility("default"))) int elman_runs_here() {
#if defined(ELMAN_NEEDS_avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw");
#elif defined(ELMAN_NEEDS_avx2)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return 1;
#endif
}
