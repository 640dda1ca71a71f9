/*
 * weir/answer.h - what a handler sends: an answer at once, piece by piece, or as events
 */
#ifndef WEIR_ANSWER_H
#define WEIR_ANSWER_H

#include <weir/request.h>

WEIR_BEGIN_DECLS

/**
 * Add a field to the head of the answer. Before the answer is given.
 *
 * Content-Length, Transfer-Encoding, Connection, Date, Content-Type and Trailer are the server's.
 *
 * @param request  the handler's
 * @param name     copied
 * @param value    copied
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL    not a name; a control (CR, LF, NUL) in the value: nobody can write a
 *                        second answer into it; or a field of the server's
 *             -EALREADY  the head is composed
 *             -ENOMEM    memory or the arena's limit is used up
 * Checkpoint  no
 * Thread      the request's loop
 * Source      RFC 9112 section 11.1
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_header(weir_request *request, const char *name,
                                                 const char *value);

/**
 * Choose the status that a typed answer, or a handler that says nothing more, is sent with.
 *
 * @param request  the handler's
 * @param status   200 to 599
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL    impossible status
 *             -EALREADY  the head is composed
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_status(weir_request *request, int status);

/**
 * Answer without a body.
 *
 * @param request  the handler's
 * @param status   200 to 599
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL, -EALREADY, -ENOMEM  as weir_respond_bytes()
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_empty(weir_request *request, int status);

/**
 * Answer with a text: text/plain; charset=utf-8.
 *
 * @param request  the handler's
 * @param status   200 to 599
 * @param text     copied
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL, -EALREADY, -ENOMEM  as weir_respond_bytes()
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_text(weir_request *request, int status, const char *text);

/**
 * Answer with a page: text/html; charset=utf-8.
 *
 * @param request  the handler's
 * @param status   200 to 599
 * @param html     copied; nothing in it is escaped
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL, -EALREADY, -ENOMEM  as weir_respond_bytes()
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_html(weir_request *request, int status, const char *html);

/**
 * Answer with a struct as JSON.
 *
 * @param request  the handler's
 * @param status   200 to 599
 * @param model    of the type of `value`: WEIR_MODEL_OF(type)
 * @param value    written at once
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL, -EALREADY, -ENOMEM  as weir_respond_bytes(); -EINVAL also for a value that
 *             JSON
 *                                          cannot say
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_json(weir_request *request, int status,
                                               const weir_model *model, const void *value);

/**
 * Answer with bytes.
 *
 * @param request       the handler's
 * @param status        200 to 599
 * @param content_type  copied; NULL: none is said
 * @param data          copied
 * @param size          of data
 *
 * Returns     0: it is sent when the handler has returned 0; or a negative errno
 * Errors      -EINVAL    impossible status, a body with 204 or 304, or a content type that is no
 *             field
 *                        value
 *             -EALREADY  answered before
 *             -ENOMEM    no memory
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_bytes(weir_request *request, int status,
                                                const char *content_type, const void *data,
                                                size_t size);

/**
 * The same for bytes that stay where they are until the request has ended: constants, files that
 * are mapped, the request's arena. Nothing is copied when there is much.
 *
 * @param request       the handler's
 * @param status        200 to 599
 * @param content_type  copied; NULL: none is said
 * @param data          kept until the request has ended
 * @param size          of data
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL, -EALREADY, -ENOMEM  as weir_respond_bytes()
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_respond_kept(weir_request *request, int status,
                                               const char *content_type, const void *data,
                                               size_t size);

/**
 * Answer with a problem (RFC 9457): `return weir_http_problem(request, 404, "no check %s", id);`
 *
 * It replaces an answer given before that has not begun to be sent. Fields added before are kept,
 * but for those that tell of the answer's content (Cache-Control, ETag, Location, Content-Encoding,
 * …).
 *
 * @param request  the handler's
 * @param status   400 to 599
 * @param format   one sentence for the client, as printf; NULL: none
 *
 * Returns     a negative errno that stands for the status, whatever else went wrong: the request
 *             has failed, and is answered
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_http_problem(weir_request *request, int status,
                                               const char *format, ...) WEIR_PRINTF(3, 4);

/**
 * The same with a list of what is wrong with the request, such as a handler's own checks found.
 *
 * @param request  the handler's
 * @param status   400 to 599; 422 is usual
 * @param errors   written at once
 * @param format   one sentence for the client, as printf; NULL: none
 *
 * Returns     a negative errno that stands for the status
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_http_problem_errors(weir_request *request, int status,
                                                      const weir_model_errors *errors,
                                                      const char *format, ...) WEIR_PRINTF(4, 5);

/* --- answers that are sent piece by piece ----------------------------------------------------- */

/**
 * Begin an answer whose length is not known (chunked; for HTTP/1.0 it ends with the connection).
 * The handler's time limit ends here, unless the route sets one.
 *
 * @param request       the handler's
 * @param status        200 to 599, not 204 or 304
 * @param content_type  copied; NULL: none is said
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL, -EALREADY, -ENOMEM  as weir_respond_bytes()
 *             -EPIPE                       the client is gone
 * Checkpoint  no
 * Thread      the request's task
 */
WEIR_API WEIR_MUST_CHECK int weir_stream_begin(weir_request *request, int status,
                                               const char *content_type);

/**
 * The same for an answer of a known length: a handler that writes less is cut, so that the client
 * sees that something is missing.
 *
 * @param request       the handler's
 * @param status        200 to 599, not 204 or 304
 * @param content_type  copied; NULL: none is said
 * @param size          of all that will be written
 *
 * Returns     0 or a negative errno
 * Errors      as weir_stream_begin()
 * Checkpoint  no
 * Thread      the request's task
 */
WEIR_API WEIR_MUST_CHECK int weir_stream_begin_sized(weir_request *request, int status,
                                                     const char *content_type, uint64_t size);

/**
 * Write a piece. Small pieces are collected for at most a millisecond; a client that does not read
 * is waited for, so memory stays bounded.
 *
 * @param request  the handler's
 * @param data     sent or copied when this returns
 * @param size     of data; 0 does nothing
 *
 * Returns     0 or a negative errno
 * Errors      -EPIPE      the client is gone
 *             -ETIMEDOUT  it did not read for 30 s
 *             -EMSGSIZE   more than weir_stream_begin_sized() announced
 *             -EINVAL     no stream has begun
 *             -ECANCELED  the handler's scope is cancelled
 * Checkpoint  yes
 * Thread      the request's task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_stream_write(weir_request *request,
                                                               const void *data, size_t size);

/**
 * Send at once what was written so far, instead of within a millisecond.
 *
 * @param request  the handler's
 *
 * Returns     0 or a negative errno
 * Errors      as weir_stream_write()
 * Checkpoint  no
 * Thread      the request's task
 */
WEIR_API WEIR_MUST_CHECK int weir_stream_flush(weir_request *request);

/**
 * End the answer before the handler returns. A handler that returns 0 need not call it; one that
 * returns a failure without it cuts the connection, so that the client sees it.
 *
 * @param request  the handler's
 *
 * Returns     0 or a negative errno
 * Errors      as weir_stream_write(), and
 *             -ENODATA  less was written than announced: the connection will be cut
 * Checkpoint  no
 * Thread      the request's task
 */
WEIR_API WEIR_MUST_CHECK int weir_stream_end(weir_request *request);

/**
 * Begin a stream of events (server-sent events). It has no time limit unless the route sets one;
 * the handler's scope is cancelled when the client is gone and when the server drains.
 *
 * @param request  the handler's
 *
 * Returns     0 or a negative errno
 * Errors      as weir_stream_begin()
 * Checkpoint  no
 * Thread      the request's task
 * Source      HTML standard, section "Server-sent events"
 */
WEIR_API WEIR_MUST_CHECK int weir_sse_begin(weir_request *request);

/**
 * Send one event. After 15 s of silence the server sends a comment by itself.
 *
 * @param request  the handler's
 * @param event    its name; NULL: "message" is understood
 * @param id       where a client that reconnects goes on (it comes as the field Last-Event-ID);
 *                 NULL
 * @param data     text of any number of lines
 *
 * Returns     0 or a negative errno
 * Errors      as weir_stream_write(); -EINVAL also for a line break in event or id
 * Checkpoint  yes
 * Thread      the request's task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_sse_send(weir_request *request, const char *event,
                                                           const char *id, const char *data);

WEIR_END_DECLS

#endif
