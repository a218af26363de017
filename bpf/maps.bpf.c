// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Every map of the datapath and no program: the agent loads this object first, so that maps are created with BTF and
 * pinned before the first program refers to them. */
#include "lib/maps.h"

char _license[] SEC("license") = "Dual BSD/GPL";
