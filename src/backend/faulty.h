/*
 * faulty.h - see faulty.c; for the test room
 */
#ifndef WEIR__BACKEND_FAULTY_H
#define WEIR__BACKEND_FAULTY_H

#include "backend/backend.h"

/* On the loop's thread, until the backend is closed. One in a process at a time. */
void weir__faulty_install(struct weir__backend *backend);

#endif
