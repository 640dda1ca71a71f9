/*
 * request.h - what a head says, made ready before a handler asks
 */
#ifndef WEIR__HTTP_REQUEST_H
#define WEIR__HTTP_REQUEST_H

#include "http/server.h"

/* -EINVAL: a broken triplet or %00 in the path; -ENOMEM. */
int weir__http_check_path(struct weir_request *request) WEIR_MUST_CHECK;
/* Names and values of the route's path. `pairs` has room for WEIR__HTTP_PARAMS_MAX. */
int weir__http_param_pairs(struct weir_request *request, weir_model_pair *pairs, size_t *out_count)
    WEIR_MUST_CHECK;
/* -EINVAL as above; -EMSGSIZE: more than query_params_max; -ENOMEM. */
int weir__http_parse_query(struct weir_request *request) WEIR_MUST_CHECK;
/* `192.0.2.7:51234`, "unix", or "". */
void weir__http_conn_peer(const struct weir__http_conn *conn, char out_text[WEIR__HTTP_PEER_BYTES]);

#endif
