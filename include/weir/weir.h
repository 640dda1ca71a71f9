/*
 * weir/weir.h - everything of the core: tasks, groups, scopes, failures, logs, files, streams,
 * network, threads, processes, signals, many loops
 *
 * Not in it are weir/arena.h, and what is in libraries of its own: weir/http.h, weir/http_client.h
 * and weir/model.h; weir/tls.h; weir/sqlite.h; weir/app.h; weir/test.h.
 */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include <weir/base.h>
#include <weir/debug.h>
#include <weir/exec.h>
#include <weir/failure.h>
#include <weir/file.h>
#include <weir/folder.h>
#include <weir/group.h>
#include <weir/handle.h>
#include <weir/local.h>
#include <weir/log.h>
#include <weir/loops.h>
#include <weir/net.h>
#include <weir/pipe.h>
#include <weir/process.h>
#include <weir/relay.h>
#include <weir/remote.h>
#include <weir/replacement.h>
#include <weir/scope.h>
#include <weir/signal.h>
#include <weir/stop.h>
#include <weir/stream.h>
#include <weir/sync.h>
#include <weir/task.h>
#include <weir/walk.h>
#include <weir/watch.h>

#endif
