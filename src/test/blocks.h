/*
 * blocks.h - the blocks of memory that a round has taken and not given back, and who took them
 */
#ifndef WEIR__TEST_BLOCKS_H
#define WEIR__TEST_BLOCKS_H

#include "base/buffer.h"

/* From now on, until blocks_tell() or blocks_stop(). */
void weir__test_blocks_watch(void);
void weir__test_blocks_stop(void);
/* A line for each that is left, some of them when there are many. */
void weir__test_blocks_tell(struct weir__buffer *out);

#endif
