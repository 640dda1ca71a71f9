/*
 * weir/http.h - serving HTTP/1.1: routes, handlers, requests, answers, and the server itself
 *
 *     typedef struct { char *item; int32_t count; } order;
 *     WEIR_MODEL(order, WEIR_FIELD(item, .min_len = 1), WEIR_FIELD(count, .min = 1, .max = 100))
 *     typedef struct { const char *status; } started;
 *     WEIR_MODEL(started, WEIR_FIELD(status))
 *
 *     WEIR_HANDLER(process, order, started)         // request, *in is valid, *out is to be filled
 *     {
 *         *out = (started){.status = "started"};
 *         return in->count > 10 ? weir_http_problem(request, 409, "too many of %s", in->item) : 0;
 *     }
 *
 *     static int show(weir_request *request)        // a raw handler answers by itself
 *     {
 *         return weir_respond_text(request, 200, weir_request_param(request, "id"));
 *     }
 *
 *     static const weir_route routes[] = {
 *         WEIR_POST("/process", process, .status = 202, .summary = "Start processing an order"),
 *         WEIR_GET("/checks/{id}", show),
 *         {0},
 *     };
 *
 * A handler runs in a task of its own under a time limit. It returns 0, or a negative errno: then
 * the client gets 500 (a limit of time: 503 or 504; a full disk: 507) and the text of the error
 * stays in the log. An answer that was given before a failure is not sent. Memory of a request
 * (weir_request_arena()) lives until the answer is gone; a handler frees nothing.
 *
 * One header for each noun: weir/route.h, request.h, answer.h, http_server.h; this one has them
 * all. The client is in weir/http_client.h.
 */
#ifndef WEIR_HTTP_H
#define WEIR_HTTP_H

#include <weir/answer.h>
#include <weir/http_server.h>
#include <weir/request.h>
#include <weir/route.h>

#endif
