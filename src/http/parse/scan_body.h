/*
 * scan_body.h - the walk over the masks, compiled once for each way to make them
 *
 * Included by scan_<isa>.c after it has defined
 *     SCAN(name)      name with the suffix of the instruction set
 *     SCAN_TARGET     attribute for the compiler, may be empty
 *     SCAN_EXACT      1 when `delim` has every byte that is no token character; 0 when it has only
 *                     the blank, the colon and the stop bytes, and names are checked afterwards
 *     SCAN_BLOCK      bytes of the smallest block, at most 16
 * and the functions (static inline)
 *     struct masks SCAN(block64)(const char *p)
 *     struct masks SCAN(block32)(const char *p)       with SCAN_HAS_BLOCK32
 *     struct masks SCAN(block_small)(const char *p)   SCAN_BLOCK bytes
 *     uint64_t SCAN(host_end32)(const char *p)        with SCAN_HAS_HOST: bytes that are none of
 *                                                     letter, digit, '-', '.', '_', '~'
 * What nobody asks of a mask, the compiler leaves out.
 *
 * Holds    1. No load touches a byte outside data[0..size): a block that would is loaded from the
 *             end of the input and shifted, which needs 16 bytes; no complete head is shorter.
 *          2. Bits beyond `size` are zero.
 */

/* Too short to be a head, and for the blocks: left to the byte by byte forms. */
enum { SCAN_SIZE_MIN = 16 };

/* Bits of data[at..at+64), for at < size and size >= SCAN_SIZE_MIN. */
SCAN_TARGET static inline __attribute__((always_inline)) struct masks SCAN(window)(const char *data,
                                                                                   size_t size,
                                                                                   size_t at)
{
    if (size - at >= 64)
        return SCAN(block64)(data + at);
    if (size >= 64) {
        const unsigned shift = (unsigned)(64 - (size - at));
        struct masks masks = SCAN(block64)(data + size - 64);
        return (struct masks){masks.stop >> shift, masks.delim >> shift, masks.target >> shift};
    }
#ifdef SCAN_HAS_BLOCK32
    if (size >= 32) {
        const struct masks low = SCAN(block32)(data), high = SCAN(block32)(data + size - 32);
        const unsigned shift = (unsigned)(size - 32);
        return (struct masks){low.stop | high.stop << shift, low.delim | high.delim << shift,
                              low.target | high.target << shift};
    }
#endif
    struct masks masks = {0, 0, 0};
    for (size_t i = 0; i < size; i += SCAN_BLOCK) {
        const size_t from = size - i < SCAN_BLOCK ? size - SCAN_BLOCK : i;
        const struct masks block = SCAN(block_small)(data + from);
        masks.stop |= block.stop << from;
        masks.delim |= block.delim << from;
        masks.target |= block.target << from;
    }
    return masks;
}

static inline __attribute__((always_inline)) bool SCAN(is_token)(const char *data, size_t from,
                                                                 size_t end)
{
    return weir__http_span(data, end, from, WEIR__HTTP_TOKEN) == end;
}

SCAN_TARGET static inline __attribute__((always_inline)) bool SCAN(is_line_end)(const char *p)
{
    uint16_t pair;
    memcpy(&pair, p, sizeof pair);
    const char line_end[2] = {'\r', '\n'};
    uint16_t expected;
    memcpy(&expected, line_end, sizeof expected);
    return pair == expected;
}

/*
 * The field lines from `begin` on, and the empty line. Two states: in a name (until a delim bit),
 * in a value (until a stop bit). `masks` is the window that starts at `at`, SIZE_MAX for none.
 */
SCAN_TARGET static inline __attribute__((always_inline)) ssize_t SCAN(fields)(
    const char *data, size_t size, size_t begin, struct masks masks, size_t at,
    const struct weir__http_head_limits *limits, struct weir__http_fields *fields,
    struct weir__http_resume *resume, struct weir__http_fail *fail)
{
    /* All field lines and the empty one must lie before `cap`. */
    size_t cap;
    if (__builtin_add_overflow(begin, limits->fields_bytes_max, &cap) ||
        __builtin_add_overflow(cap, 2, &cap))
        cap = SIZE_MAX;
    if (__builtin_expect(size > cap, 0)) {
        size = cap;
        at = SIZE_MAX; /* made of bytes that do not count */
    }

    struct weir__http_field *field = fields->items;
    size_t count = 0;
    const size_t count_max = limits->field_count_max;
    uint64_t present = 0, repeated = 0;
    size_t pos = begin; /* where the line starts */
    int rc;
    if (pos >= size)
        goto incomplete;
    if (__builtin_expect(size < SCAN_SIZE_MIN, 0)) { /* one byte behind the shortest line */
        if (weir__http_find_stop(data, size, pos) == size)
            goto incomplete;
        rc = weir__http_value_problem(data, size, pos, fail);
        goto refused;
    }
    if (at != (begin & ~(size_t)63)) {
        at = begin & ~(size_t)63;
        masks = SCAN(window)(data, size, at);
    }

    for (;;) {
        /* the name */
        if (pos - at >= 64) {
            if (pos >= size)
                goto incomplete;
            at = pos & ~(size_t)63;
            masks = SCAN(window)(data, size, at);
        }
        uint64_t bits = masks.delim & (~UINT64_C(0) << (pos & 63));
        while (__builtin_expect(bits == 0, 0)) {
            at += 64;
            if (at >= size)
                goto incomplete;
            masks = SCAN(window)(data, size, at);
            bits = masks.delim;
        }
        const size_t colon = at + (size_t)__builtin_ctzll(bits);
        const size_t name_size = colon - pos;
        if (__builtin_expect(data[colon] != ':' || name_size == 0, 0)) {
            if (data[colon] == '\r' && name_size == 0) {
                if (pos + 1 < size && data[pos + 1] == '\n')
                    break;
                rc = weir__http_value_problem(data, size, pos, fail);
            } else {
                rc = weir__http_name_problem(data, size, pos, pos == begin, fail);
            }
            goto refused;
        }
        if (!SCAN_EXACT && !SCAN(is_token)(data, pos, colon)) {
            rc = weir__http_name_problem(data, size, pos, pos == begin, fail);
            goto refused;
        }

        /* the value; the colon itself is no stop byte */
        bits = masks.stop & (~UINT64_C(0) << (colon & 63));
        size_t end;
        for (;;) {
            while (bits == 0) {
                at += 64;
                if (at >= size)
                    goto incomplete;
                masks = SCAN(window)(data, size, at);
                bits = masks.stop;
            }
            end = at + (size_t)__builtin_ctzll(bits);
            if (__builtin_expect(end + 1 < size && SCAN(is_line_end)(data + end), 1))
                break;
            if (data[end] != '\t') {
                rc = weir__http_value_problem(data, size, end, fail);
                goto refused;
            }
            bits &= bits - 1;
        }
        if (__builtin_expect(count == count_max, 0))
            return weir__http_refuse(fail, 431, pos, "too many field lines");

        /* Up to ' ', a value has blanks and HTABs only; CR stops the first look, ':' the second. */
        size_t from = colon + 1, to = end;
        from += data[from] == ' ';
        if (__builtin_expect((unsigned char)data[from] <= ' ' || (unsigned char)data[to - 1] <= ' ',
                             0)) {
            while ((unsigned char)data[to - 1] <= ' ')
                to--;
            from = colon + 1;
            while (from < to && (unsigned char)data[from] <= ' ')
                from++;
        }

        field->name = (weir_str){data + pos, name_size};
        field->value = (weir_str){data + from, to - from};
        /* Any first line has more than the eight bytes that this reads before a short name. */
        const enum weir__http_field_id id = weir__http_field_id_at(data + pos, name_size);
        field->id = id;
        const uint64_t bit = UINT64_C(1) << id;
        if ((present & bit) == 0)
            fields->first[id] = (uint16_t)count;
        repeated |= present & bit;
        present |= bit;
        field++;
        count++;
        pos = end + 2;
    }
    fields->count = count;
    fields->present = present & ~UINT64_C(1); /* "other" is no name */
    fields->repeated = repeated & ~UINT64_C(1);
    return (ssize_t)(pos + 2);

refused:
    if (rc != -EAGAIN)
        return rc;
incomplete:
    if (size == cap)
        return weir__http_refuse(fail, 431, cap - 2, "the header fields are too long");
    return weir__http_need_more(resume, data, size, cap);
}

#ifdef SCAN_HAS_HOST
/* The one to five digits before `end`, which has eight bytes before it; eight at a time. */
static inline __attribute__((always_inline)) bool SCAN(port)(const char *end, size_t digits,
                                                             unsigned *out_port)
{
    uint64_t v = weir__http_load64(end - 8) ^ UINT64_C(0x3030303030303030);
    v &= ~UINT64_C(0) << (64 - 8 * digits);
    if (((v | (v + UINT64_C(0x7676767676767676))) & UINT64_C(0x8080808080808080)) != 0)
        return false;
    v = v * (1 + (10 << 8)) >> 8 & UINT64_C(0x00ff00ff00ff00ff);
    v = v * (1 + (100 << 16)) >> 16 & UINT64_C(0x0000ffff0000ffff);
    v = v * (1 + (UINT64_C(10000) << 32)) >> 32;
    *out_port = (unsigned)v;
    return true;
}

/* The usual Host, letters, digits, `-._~` and maybe a port; any other is left to host.c. */
SCAN_TARGET static inline __attribute__((always_inline)) void SCAN(host)(
    const char *data, size_t size, const struct weir__http_fields *fields,
    struct weir__http_host *host)
{
    const weir_str value = fields->items[fields->first[WEIR__HTTP_FIELD_HOST]].value;
    if (value.size == 0 || value.size > 32 || size < 32)
        return;
    const size_t from = (size_t)(value.data - data);
    const size_t behind = size - 32 < from ? from - (size - 32) : 0; /* load within the input */
    const uint32_t bad =
        (uint32_t)((SCAN(host_end32)(value.data - behind) | UINT64_C(1) << 32) >> behind);
    const size_t name_size = bad == 0 ? 32 : (size_t)__builtin_ctz(bad);
    unsigned port = 0;
    if (name_size < value.size) {
        const size_t digits = value.size - name_size - 1;
        if (value.data[name_size] != ':' || digits > 5)
            return;
        if (digits > 0 && !SCAN(port)(value.data + value.size, digits, &port))
            return;
        host->name = (weir_str){value.data, name_size};
        host->has_port = digits > 0;
    } else {
        host->name = value;
        host->has_port = false;
    }
    if (name_size == 0 || port > UINT16_MAX)
        return;
    host->text = value;
    host->port = (uint16_t)port;
    host->is_ipv6 = false;
}
#endif

/* Index behind the first line when it is of the usual form, else 0. `masks` is the first window. */
SCAN_TARGET static inline __attribute__((always_inline)) size_t SCAN(request_line)(
    const char *data, size_t size, struct masks masks, const struct weir__http_head_limits *limits,
    struct weir__http_request_head *head)
{
    const size_t start = __builtin_expect(data[0] == '\r', 0) && data[1] == '\n' ? 2 : 0;
    uint64_t bits = masks.delim & (~UINT64_C(0) << start);
    if (bits == 0)
        return 0;
    const size_t method_end = (size_t)__builtin_ctzll(bits);
    if (data[method_end] != ' ' || method_end == start ||
        (!SCAN_EXACT && !SCAN(is_token)(data, start, method_end)))
        return 0;

    /* The blank that ends the method is the lowest bit of the target mask that is left. */
    const size_t target = method_end + 1;
    bits = masks.target & (~UINT64_C(0) << method_end);
    bits &= bits - 1;
    size_t at = 0, mark = 0, end;
    for (;;) {
        while (__builtin_expect(bits == 0, 0)) {
            at += 64;
            if (at >= size)
                return 0;
            bits = SCAN(window)(data, size, at).target;
        }
        end = at + (size_t)__builtin_ctzll(bits);
        if (data[end] != '?')
            break;
        if (mark == 0)
            mark = end;
        bits &= bits - 1;
    }
    if (data[end] != ' ' || end == target || size - end < 11)
        return 0;
    const uint64_t version = weir__http_load64(data + end + 1);
    if ((version | UINT64_C(1) << 56) != UINT64_C(0x312e312f50545448) || /* HTTP/1.0, HTTP/1.1 */
        !SCAN(is_line_end)(data + end + 9) || end + 9 - start > limits->line_bytes_max)
        return 0;
    head->minor = version >> 56 & 1;
    head->method_text = (weir_str){data + start, method_end - start};
    head->target = (weir_str){data + target, end - target};
    head->path = (weir_str){data + target, (mark == 0 ? end : mark) - target};
    head->query = mark == 0 ? (weir_str){NULL, 0} : (weir_str){data + mark + 1, end - mark - 1};
    return end + 11;
}

SCAN_TARGET ssize_t SCAN(weir__http_scan_request)(const char *data, size_t size,
                                                  const struct weir__http_head_limits *limits,
                                                  struct weir__http_request_head *head,
                                                  struct weir__http_resume *resume,
                                                  struct weir__http_fail *fail)
{
    struct masks masks = {0, 0, 0};
    size_t begin = 0, at = SIZE_MAX;
    if (__builtin_expect(size >= SCAN_SIZE_MIN, 1)) {
        at = 0;
        masks = SCAN(window)(data, size, 0);
        begin = SCAN(request_line)(data, size, masks, limits, head);
    }
    if (__builtin_expect(begin == 0, 0)) {
        ssize_t line = weir__http_request_line(data, size, limits, head, resume, fail);
        if (line < 0)
            return line;
        begin = (size_t)line;
    }
    ssize_t rc = SCAN(fields)(data, size, begin, masks, at, limits, &head->fields, resume, fail);
    if (__builtin_expect(rc < 0, 0))
        return rc;
    head->host.text.data = NULL;
#ifdef SCAN_HAS_HOST
    if (weir__http_fields_has(&head->fields, WEIR__HTTP_FIELD_HOST))
        SCAN(host)(data, size, &head->fields, &head->host);
#endif
    return weir__http_judge_request(data, (size_t)rc, head, fail);
}

SCAN_TARGET ssize_t SCAN(weir__http_scan_response)(const char *data, size_t size,
                                                   const struct weir__http_head_limits *limits,
                                                   const struct weir__http_asked *asked,
                                                   struct weir__http_response_head *head,
                                                   struct weir__http_resume *resume,
                                                   struct weir__http_fail *fail)
{
    const struct masks none = {0, 0, 0};
    ssize_t rc = weir__http_status_line(data, size, limits, head, resume, fail);
    if (rc < 0)
        return rc;
    rc = SCAN(fields)(data, size, (size_t)rc, none, SIZE_MAX, limits, &head->fields, resume, fail);
    if (rc < 0)
        return rc;
    return weir__http_judge_response(data, (size_t)rc, asked, head, fail);
}
