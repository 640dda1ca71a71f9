/*
 * model.h - what the rules of concurrency say, as the simplest program that does it
 *
 * A second implementation of tasks, scopes and groups, written from docs/concurrency-rules.md and
 * not from src/core. It keeps nothing that could be computed: the state of a scope is asked of its
 * parents each time, lists are arrays in order, timers are searched for. Where the rules leave an
 * order open the model follows what docs/internals/model-checking.md says, and no other text.
 *
 * It is compared with the core, event by event, on programs drawn from a seed (model_test.c).
 */
#ifndef WEIR_TESTS_CORE_MODEL_MODEL_H
#define WEIR_TESTS_CORE_MODEL_MODEL_H

#include "tests/core/model/play.h"

#endif
