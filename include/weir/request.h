/*
 * weir/request.h - what a handler reads: the head, the body, and who asks
 *
 * Every text that an accessor returns ends with NUL and lives as long as the request.
 */
#ifndef WEIR_REQUEST_H
#define WEIR_REQUEST_H

#include <weir/arena.h>
#include <weir/route.h>

WEIR_BEGIN_DECLS

/**
 * Method of the request, as it came.
 *
 * @param request  the handler's
 *
 * Returns     such as "GET"
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_method(weir_request *request);

/**
 * Path of the request, raw: percent-encoding as it came, without the query.
 *
 * @param request  the handler's
 *
 * Returns     such as "/checks/17"
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_path(weir_request *request);

/**
 * Target of the request as it came: path and query, or an absolute URL.
 *
 * @param request  the handler's
 *
 * Returns     such as "/checks?limit=10"; "" when memory or the arena's limit is used up
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_target(weir_request *request);

/**
 * Host the request was sent to, with its port when one was given.
 *
 * @param request  the handler's
 *
 * Returns     such as "example.com:8080"; "" when an HTTP/1.0 client gave none
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_host(weir_request *request);

/**
 * What stands in the path for a name of the route, percent-decoded.
 *
 * @param request  the handler's
 * @param name     as in the route, without braces
 *
 * Returns     the text, or NULL when the route has no such name
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_param(weir_request *request, const char *name);

/**
 * First value of a name in the query, decoded (`+` is a blank).
 *
 * @param request  the handler's
 * @param name     decoded, as people write it
 *
 * Returns     the text ("" when the name stands there without a value), or NULL: not there
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_query(weir_request *request, const char *name);

/**
 * Every name and value of the query, decoded, in their order.
 *
 * @param request    the handler's
 * @param out_pairs  valid as long as the request
 * @param out_count  how many
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API void weir_request_query_pairs(weir_request *request, const weir_model_pair **out_pairs,
                                       size_t *out_count);

/**
 * The query as a struct: what WEIR_QUERY() calls.
 *
 * @param request  the handler's
 * @param model    the one that the route gives as `.query`
 *
 * Returns     the struct; NULL when the route has another model or none
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const void *weir_request_query_model(weir_request *request, const weir_model *model);

/**
 * The names in the path as a struct: what WEIR_PARAMS() calls.
 *
 * @param request  the handler's
 * @param model    the one that the route gives as `.params`
 *
 * Returns     the struct; NULL when the route has another model or none
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const void *weir_request_params_model(weir_request *request, const weir_model *model);

/**
 * First value of a header field.
 *
 * @param request  the handler's
 * @param name     in any case of letters
 *
 * Returns     the value without blanks around it, or NULL: not there
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_header(weir_request *request, const char *name);

/**
 * One header field after another, in the order they came.
 *
 * @param request    the handler's
 * @param index      from zero
 * @param out_name   as it came
 * @param out_value  without blanks around it
 *
 * Returns     true, or false when there is none at that index
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API bool weir_request_header_at(weir_request *request, size_t index, const char **out_name,
                                     const char **out_value);

/**
 * The body of a route that does not stream it: all of it, before the handler began.
 *
 * @param request  the handler's
 *
 * Returns     the bytes, valid as long as the request; empty when there is none
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API weir_str weir_request_body(weir_request *request);

/**
 * Bytes of the body as they come. A body that is cut short is an error, never a shorter body; once
 * it has failed it goes on failing, and a handler that returns the code leaves the answer to the
 * server (400, 408 or 413).
 *
 * @param request  the handler's; on a route with `.stream_body`, or for a body that is there
 *                 already
 * @param buffer   filled from its start
 * @param size     of buffer; more than 0
 *
 * Returns     how many bytes, at least one; 0 at the end of the body; or a negative errno
 * Errors      -ECONNRESET  the client is gone, or ended in the middle of the body
 *             -EBADMSG     the coding of the body is broken
 *             -EMSGSIZE    more than the limit of the route
 *             -ETIMEDOUT   nothing came for 15 s, or too little
 *             -ECANCELED   the handler's scope is cancelled
 * Checkpoint  yes
 * Thread      the request's task
 * Source      RFC 9112 section 8
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK ssize_t weir_body_read(weir_request *request, void *buffer,
                                                                size_t size);

/**
 * Address of the client.
 *
 * @param request  the handler's
 *
 * Returns     such as "192.0.2.7:51234" or "[2001:db8::7]:51234"; "unix" for a local socket
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_peer(weir_request *request);

/**
 * Identity of the request, in problems and logs: 26 letters and digits that sort by time.
 *
 * @param request  the handler's
 *
 * Returns     the text; made when it is first asked for
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const char *weir_request_id(weir_request *request);

/**
 * Whether the client has finished sending, or is gone. It may still read: only a reset, and a route
 * with `eof_cancels`, ends the handler for it. For work that is of no use to somebody who has left.
 *
 * @param request  the handler's
 *
 * Returns     true once it has
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API bool weir_request_client_finished(const weir_request *request);

/**
 * Memory that lives until the answer is gone.
 *
 * @param request  the handler's
 *
 * Returns     the arena
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API weir_arena *weir_request_arena(weir_request *request);

/**
 * The route that was taken.
 *
 * @param request  the handler's
 *
 * Returns     the route; NULL when none matched
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API const weir_route *weir_request_route(const weir_request *request);

/**
 * What the server was opened with as `.context`: the service's own state.
 *
 * @param request  the handler's
 *
 * Returns     the pointer
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API void *weir_request_context(const weir_request *request);

/**
 * What the server was opened with as `.hooks.arg`: the frame around the service.
 *
 * @param request  the handler's
 *
 * Returns     the pointer
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API void *weir_request_hooks_arg(const weir_request *request);

/**
 * Whether the server takes nothing new: a good moment for a long answer to end.
 *
 * @param request  the handler's
 *
 * Returns     true once it drains
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API bool weir_request_draining(const weir_request *request);

/**
 * Go on with what is behind a filter.
 *
 * @param request  the filter's
 * @param next     the filter's; used once
 *
 * Returns     what the handler (or a filter in between) returned; a problem it answered with counts
 *             as a negative code
 * Errors      the handler's own
 *             -EALREADY  called twice
 * Checkpoint  when the handler is
 * Thread      the request's task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_next_run(weir_request *request, weir_next *next);

WEIR_END_DECLS

/** The query of a route with `.query = WEIR_MODEL_OF(type)`: a `const type *`, checked. */
#define WEIR_QUERY(request, type)                                                                  \
    ((const type *)weir_request_query_model((request), WEIR_MODEL_OF(type)))

/** The path of a route with `.params = WEIR_MODEL_OF(type)`: a `const type *`, checked. */
#define WEIR_PARAMS(request, type)                                                                 \
    ((const type *)weir_request_params_model((request), WEIR_MODEL_OF(type)))

#endif
