/*
 * router.c - routes, compiled
 *
 * Every path is in a tree of segments; a path without names is also in a hash table, which answers
 * the usual request in one probe. Segments are compared decoded: `/%70rocess` is `/process`, while
 * a `%2F` stays inside its segment. A literal goes before a name, and where the literal's branch
 * has no route for the method, the name's is tried: `GET /checks/upload` may be `/checks/{id}`.
 *
 * Runs on  any thread; built by one, then only read.
 * Holds    1. A node has at most one child for each literal, and one for a name.
 *          2. The hash table has a power of two of places, at most half of them used.
 * Costs    a path without names: one hash, one comparison. With names: a comparison for each
 *          sibling on the way.
 */
#include "http/router.h"

#include <stdio.h>
#include <string.h>

#include <weir/failure.h>

#include "base/alloc.h"
#include "base/str.h"

enum { PLACES_FIRST = 64 };

struct node {
    weir_str literal;   /* of the segment that leads here; empty for a name's child and the root */
    struct node *child; /* first literal child */
    struct node *sibling;
    struct node *named;               /* child for a name */
    struct weir__http_route **routes; /* that end here, one for each method */
    size_t route_count;
};

struct place {
    weir_str path;
    const struct node *node; /* NULL: free */
};

struct weir_router {
    struct node root;
    struct place *places;
    size_t place_count;
    size_t place_used;
    struct weir__http_route **all; /* in the order they were added */
    size_t count;
};

/* --- hash table of whole paths ---------------------------------------------------------------- */

static uint64_t hash_of(weir_str text)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) ^ text.size;
    const char *data = text.data;
    size_t left = text.size;
    for (; left >= 8; left -= 8, data += 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    uint64_t word = 0;
    while (left > 0)
        word = word << 8 | (unsigned char)data[--left];
    hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 29;
}

static inline bool same(weir_str a, weir_str b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static const struct node *find_whole(const weir_router *router, weir_str path)
{
    if (router->place_used == 0)
        return NULL;
    size_t mask = router->place_count - 1;
    for (size_t i = hash_of(path) & mask;; i = (i + 1) & mask) {
        const struct place *place = &router->places[i];
        if (place->node == NULL || same(place->path, path))
            return place->node;
    }
}

static void put_place(struct place *places, size_t count, weir_str path, const struct node *node)
{
    size_t i = hash_of(path) & (count - 1);
    while (places[i].node != NULL && !same(places[i].path, path))
        i = (i + 1) & (count - 1);
    places[i] = (struct place){path, node};
}

static int grow_places(weir_router *router)
{
    size_t count = router->place_count == 0 ? PLACES_FIRST : router->place_count * 2;
    struct place *places = weir__base_alloc_array(count, sizeof *places);
    if (places == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        places[i].node = NULL;
    for (size_t i = 0; i < router->place_count; i++)
        if (router->places[i].node != NULL)
            put_place(places, count, router->places[i].path, router->places[i].node);
    weir__base_free(router->places);
    router->places = places;
    router->place_count = count;
    return 0;
}

static int add_whole(weir_router *router, weir_str path, const struct node *node)
{
    if (find_whole(router, path) != NULL)
        return 0;
    if (router->place_used * 2 >= router->place_count) {
        int rc = grow_places(router);
        if (rc < 0)
            return rc;
    }
    put_place(router->places, router->place_count, path, node);
    router->place_used++;
    return 0;
}

/* --- the tree --------------------------------------------------------------------------------- */

/* Takes `/segment` off the front; false when nothing is left. */
static bool next_segment(weir_str *rest, weir_str *out_segment)
{
    if (rest->size == 0)
        return false;
    const char *from = rest->data + 1;
    size_t left = rest->size - 1;
    const char *slash = memchr(from, '/', left);
    size_t size = slash == NULL ? left : (size_t)(slash - from);
    *out_segment = (weir_str){from, size};
    *rest = (weir_str){from + size, left - size};
    return true;
}

static bool is_name(weir_str segment)
{
    return segment.size >= 2 && segment.data[0] == '{' && segment.data[segment.size - 1] == '}';
}

static struct node *new_node(weir_str literal)
{
    struct node *node = weir__base_alloc_zero(sizeof *node);
    if (node != NULL)
        node->literal = literal;
    return node;
}

/* The child for a segment of a route, made when it is not there; NULL: no memory. */
static struct node *child_for(struct node *node, weir_str segment)
{
    if (is_name(segment)) {
        if (node->named == NULL)
            node->named = new_node((weir_str){"", 0});
        return node->named;
    }
    for (struct node *child = node->child; child != NULL; child = child->sibling)
        if (same(child->literal, segment))
            return child;
    struct node *child = new_node(segment);
    if (child == NULL)
        return NULL;
    child->sibling = node->child;
    node->child = child;
    return child;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of percent-encoded text; -1: a broken triplet, which equals nothing. */
static int decode_byte(weir_str *rest)
{
    char c = rest->data[0];
    size_t taken = 1;
    int value = (unsigned char)c;
    if (c == '%') {
        int high = rest->size < 3 ? -1 : hex_value(rest->data[1]);
        int low = rest->size < 3 ? -1 : hex_value(rest->data[2]);
        if (high < 0 || low < 0)
            return -1;
        value = high * 16 + low;
        taken = 3;
    }
    rest->data += taken;
    rest->size -= taken;
    return value;
}

static bool segment_is(weir_str raw, weir_str literal)
{
    if (memchr(raw.data, '%', raw.size) == NULL)
        return same(raw, literal);
    for (size_t i = 0; i < literal.size; i++) {
        if (raw.size == 0 || decode_byte(&raw) != (unsigned char)literal.data[i])
            return false;
    }
    return raw.size == 0;
}

/* What a walk through the tree looks for, and has found. */
struct walk {
    enum weir__http_method method;
    weir_str method_text;
    struct weir__http_match *match; /* NULL: every node whose path fits goes to `seen` */
    void (*seen)(const struct node *node, void *arg);
    void *arg;
};

static const struct weir__http_route *route_for(const struct node *node,
                                                enum weir__http_method method, weir_str method_text)
{
    const struct weir__http_route *get = NULL;
    for (size_t i = 0; i < node->route_count; i++) {
        const struct weir__http_route *route = node->routes[i];
        if (route->method == method && (method != WEIR__HTTP_METHOD_OTHER ||
                                        same(method_text, weir__str_from(route->public->method))))
            return route;
        if (route->method == WEIR__HTTP_METHOD_GET)
            get = route;
    }
    return method == WEIR__HTTP_METHOD_HEAD ? get : NULL;
}

/* True when the walk is over. */
static bool at_end(const struct node *node, struct walk *walk)
{
    if (node->route_count == 0)
        return false;
    if (walk->match == NULL) {
        walk->seen(node, walk->arg);
        return false;
    }
    walk->match->path_known = true;
    walk->match->route = route_for(node, walk->method, walk->method_text);
    return walk->match->route != NULL;
}

/* As deep as the routes are, whatever the path: the recursion is bounded by SEGMENTS_MAX. */
static bool walk_from(const struct node *node, weir_str rest, size_t param_count, struct walk *walk)
{
    weir_str segment;
    if (!next_segment(&rest, &segment))
        return at_end(node, walk);
    for (const struct node *child = node->child; child != NULL; child = child->sibling)
        if (segment_is(segment, child->literal) && walk_from(child, rest, param_count, walk))
            return true;
    if (node->named == NULL || segment.size == 0)
        return false;
    if (walk->match != NULL)
        walk->match->params[param_count] = segment;
    return walk_from(node->named, rest, param_count + 1, walk);
}

void weir__http_router_match(const weir_router *router, enum weir__http_method method,
                             weir_str method_text, weir_str path,
                             struct weir__http_match *out_match)
{
    out_match->route = NULL;
    out_match->path_known = false;
    out_match->literal = false;
    const struct node *whole = find_whole(router, path);
    if (whole != NULL && whole->route_count > 0) {
        out_match->path_known = true;
        out_match->route = route_for(whole, method, method_text);
        out_match->literal = out_match->route != NULL;
        if (out_match->literal)
            return;
    }
    struct walk walk = {.method = method, .method_text = method_text, .match = out_match};
    if (path.size > 0 && path.data[0] == '/')
        walk_from(&router->root, path, 0, &walk);
}

struct allow {
    char *text;
    size_t size;
    uint32_t known; /* bit method */
};

static void allow_add(struct allow *allow, const char *method)
{
    int wrote = snprintf(allow->text + allow->size, WEIR__HTTP_ALLOW_BYTES - allow->size, "%s%s",
                         allow->size == 0 ? "" : ", ", method);
    if (wrote > 0 && (size_t)wrote < WEIR__HTTP_ALLOW_BYTES - allow->size)
        allow->size += (size_t)wrote;
    allow->text[allow->size] = '\0';
}

static void allow_node(const struct node *node, void *arg)
{
    struct allow *allow = arg;
    for (size_t i = 0; i < node->route_count; i++) {
        const struct weir__http_route *route = node->routes[i];
        if (route->method != WEIR__HTTP_METHOD_OTHER && (allow->known >> route->method & 1) != 0)
            continue;
        allow->known |= 1u << route->method;
        allow_add(allow, route->public->method);
    }
}

void weir__http_router_allow(const weir_router *router, weir_str path,
                             char out_text[WEIR__HTTP_ALLOW_BYTES])
{
    struct allow allow = {.text = out_text};
    out_text[0] = '\0';
    struct walk walk = {.seen = allow_node, .arg = &allow};
    if (path.size > 0 && path.data[0] == '/')
        walk_from(&router->root, path, 0, &walk);
    if ((allow.known >> WEIR__HTTP_METHOD_GET & 1) != 0 &&
        (allow.known >> WEIR__HTTP_METHOD_HEAD & 1) == 0)
        allow_add(&allow, "HEAD");
    if ((allow.known >> WEIR__HTTP_METHOD_OPTIONS & 1) == 0)
        allow_add(&allow, "OPTIONS");
}

/* --- building --------------------------------------------------------------------------------- */

static int bad_route(const weir_route *route, int rc, const char *why)
{
    return weir_fail(rc, "route %s %s: %s", route->method, route->path, why);
}

/* A letter, digit, `-` or `_`: what a name in braces is made of. */
static bool name_valid(weir_str name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return name.size > 0;
}

static bool literal_valid(weir_str segment)
{
    for (size_t i = 0; i < segment.size; i++)
        if (!weir__http_is(segment.data[i], WEIR__HTTP_PCHAR) || segment.data[i] == '%')
            return false;
    return true;
}

static int take_name(struct weir__http_route *route, weir_str segment)
{
    weir_str name = {segment.data + 1, segment.size - 2};
    if (!name_valid(name))
        return bad_route(route->public, -EINVAL,
                         "a name in braces has letters, digits, - and _ only");
    for (size_t i = 0; i < route->param_count; i++)
        if (same(route->param_names[i], name))
            return bad_route(route->public, -EINVAL, "the same name stands in its path twice");
    if (route->param_count == WEIR__HTTP_PARAMS_MAX)
        return bad_route(route->public, -EINVAL, "more than 16 names in its path");
    route->param_names[route->param_count++] = name;
    return 0;
}

static int check_path(struct weir__http_route *route)
{
    weir_str rest = weir__str_from(route->public->path);
    if (rest.size == 0 || rest.data[0] != '/')
        return bad_route(route->public, -EINVAL, "a path begins with /");
    size_t count = 0;
    weir_str segment;
    while (next_segment(&rest, &segment)) {
        if (++count > WEIR__HTTP_SEGMENTS_MAX)
            return bad_route(route->public, -EINVAL, "more than 32 segments");
        int rc = 0;
        if (is_name(segment))
            rc = take_name(route, segment);
        else if (!literal_valid(segment))
            rc = bad_route(route->public, -EINVAL,
                           "a character that cannot stand in a path; a name is {in braces}");
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int check_model(const weir_route *route, const weir_model *model)
{
    if (model == NULL || model == &weir_none_weir_model)
        return 0;
    weir_arena arena;
    weir__arena_init(&arena, NULL, 0);
    weir_model_errors errors = {0};
    int rc = weir_model_check(model, &arena, &errors);
    if (rc < 0)
        rc = weir_fail(rc, "route %s %s: model %s%s: %s", route->method, route->path, model->name,
                       errors.count == 0 ? "" : errors.items[0].pointer,
                       errors.count == 0 ? weir_code_text(rc) : errors.items[0].message);
    weir__arena_deinit(&arena);
    return rc;
}

static int check_models(const weir_route *route)
{
    const weir_model *models[] = {route->params, route->query,
                                  route->handler == NULL ? NULL : route->handler->in,
                                  route->handler == NULL ? NULL : route->handler->out};
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        int rc = check_model(route, models[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int check_route(struct weir__http_route *route)
{
    const weir_route *public = route->public;
    if (public->path == NULL || public->method == NULL)
        return weir_fail(-EINVAL, "a route without %s",
                         public->path == NULL ? "a path" : "a method");
    if (!weir__http_token_valid(weir__str_from(public->method)))
        return bad_route(public, -EINVAL, "not a method");
    if (strcmp(public->method, "CONNECT") == 0)
        return bad_route(public, -EINVAL, "CONNECT is not served");
    if ((public->fn == NULL) == (public->handler == NULL))
        return bad_route(public, -EINVAL, "one handler, either fn or handler");
    if (public->status != 0 && (public->status < 200 || public->status > 599))
        return bad_route(public, -EINVAL, "a status is 200 to 599");
    if (public->stream_body && public->handler != NULL &&
        public->handler->in != &weir_none_weir_model)
        return bad_route(public, -EINVAL, "a typed body cannot be streamed");
    int rc = check_path(route);
    return rc < 0 ? rc : check_models(public);
}

static int append(struct weir__http_route ***list, size_t count, struct weir__http_route *route)
{
    struct weir__http_route **grown =
        weir__base_realloc(*list, (count + 1) * sizeof(struct weir__http_route *));
    if (grown == NULL)
        return -ENOMEM;
    *list = grown;
    grown[count] = route;
    return 0;
}

static int add_to_tree(weir_router *router, struct weir__http_route *route)
{
    weir_str path = weir__str_from(route->public->path);
    weir_str rest = path, segment;
    struct node *node = &router->root;
    while (next_segment(&rest, &segment)) {
        node = child_for(node, segment);
        if (node == NULL)
            return -ENOMEM;
    }
    for (size_t i = 0; i < node->route_count; i++)
        if (strcmp(node->routes[i]->public->method, route->public->method) == 0)
            return bad_route(route->public, -EEXIST,
                             "there is one for this method and path already");
    int rc = route->param_count > 0 ? 0 : add_whole(router, path, node);
    if (rc < 0)
        return rc;
    rc = append(&router->all, router->count, route);
    if (rc < 0)
        return rc;
    rc = append(&node->routes, node->route_count, route);
    if (rc < 0)
        return rc;
    node->route_count++;
    router->count++;
    return 0;
}

static void free_route(struct weir__http_route *route)
{
    weir__base_free((void *)(uintptr_t)route->label);
    weir__base_free(route);
}

static int add_route(weir_router *router, const weir_route *public)
{
    struct weir__http_route *route = weir__base_alloc_zero(sizeof *route);
    if (route == NULL)
        return -ENOMEM;
    route->public = public;
    int rc = check_route(route);
    if (rc < 0)
        goto free_route;
    route->method = weir__http_method_from(weir__str_from(public->method));
    route->label = weir__base_asprintf("%s %s", public->method, public->path);
    rc = route->label == NULL ? -ENOMEM : add_to_tree(router, route);
    if (rc < 0)
        goto free_route;
    return 0;

free_route:
    free_route(route);
    return rc;
}

int weir_router_add(weir_router *router, const weir_route *routes)
{
    for (; routes->method != NULL || routes->path != NULL; routes++) {
        int rc = add_route(router, routes);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int weir_router_new(const weir_route *routes, weir_router **out_router)
{
    weir_router *router = weir__base_alloc_zero(sizeof *router);
    if (router == NULL)
        return -ENOMEM;
    router->root.literal = (weir_str){"", 0};
    int rc = routes == NULL ? 0 : weir_router_add(router, routes);
    if (rc < 0) {
        weir_router_free(router);
        return rc;
    }
    *out_router = router;
    return 0;
}

const weir_route *weir_router_at(const weir_router *router, size_t index)
{
    return index < router->count ? router->all[index]->public : NULL;
}

/* Bounded by SEGMENTS_MAX in depth. */
static void free_below(struct node *node)
{
    struct node *child = node->child;
    while (child != NULL) {
        struct node *sibling = child->sibling;
        free_below(child);
        weir__base_free(child);
        child = sibling;
    }
    if (node->named != NULL)
        free_below(node->named);
    weir__base_free(node->named);
    weir__base_free(node->routes);
}

void weir_router_free(weir_router *router)
{
    if (router == NULL)
        return;
    free_below(&router->root);
    for (size_t i = 0; i < router->count; i++)
        free_route(router->all[i]);
    weir__base_free(router->all);
    weir__base_free(router->places);
    weir__base_free(router);
}
