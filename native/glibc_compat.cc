// The unwinder of GCC 12's libgcc asks for _dl_find_object of GLIBC 2.35; the addon promises 2.34. The addon is built
// without exceptions and nobody unwinds through it, so answering "not found" here is enough, and the symbol stays inside.
extern "C" __attribute__((visibility("hidden"))) int _dl_find_object(void*, void*) { return -1; }
