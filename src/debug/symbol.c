/*
 * symbol.c - names and lines for addresses, through libdw when the machine has it
 *
 * libdw is loaded when the first address is asked for, never linked: who links only weir needs no
 * debugger's library. Without it an address is shown as module+offset, which addr2line understands.
 * Separate debug files are not searched for: that could mean asking the network.
 *
 * Runs on  the reporting thread, under a lock; not in signal handlers and not on a task's stack,
 *          which is too small for libdw. Loading costs about 100 ms once.
 */
#include <dlfcn.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/str.h"
#include "base/thread.h"
#include "debug/debug.h"

#if __has_include(<elfutils/libdwfl.h>)
#include <elfutils/libdwfl.h>
#define HAVE_LIBDW_HEADERS 1
#endif

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static void append_module_offset(struct weir__buffer *out, const void *address)
{
    Dl_info info;
    if (dladdr(address, &info) == 0 || info.dli_fname == NULL) {
        weir__buffer_printf(out, "%p", address);
        return;
    }
    if (info.dli_sname != NULL)
        weir__buffer_printf(out, "%s ", info.dli_sname);
    weir__buffer_printf(out, "%s+0x%zx", base_name(info.dli_fname),
                        (size_t)((uintptr_t)address - (uintptr_t)info.dli_fbase));
}

/* --- what is weir's own ----------------------------------------------------------------------- */

/* Whether the code is in a shared library together with this function. A program that links weir
 * statically has both in one file, and only the names of sources tell them apart. */
static bool is_in_library_of_ours(const void *address)
{
    Dl_info here, there, program;
    const void *self = (const void *)(uintptr_t)is_in_library_of_ours;
    if (dladdr(self, &here) == 0 || dladdr(address, &there) == 0)
        return false;
    const void *headers = (const void *)(uintptr_t)getauxval(AT_PHDR);
    bool linked_statically = dladdr(headers, &program) == 0 || program.dli_fbase == here.dli_fbase;
    return !linked_statically && there.dli_fbase == here.dli_fbase;
}

#ifdef HAVE_LIBDW_HEADERS

static struct weir__mutex lock = {PTHREAD_MUTEX_INITIALIZER};

/* The last two parts of a path: `core/loop.c` tells more than `loop.c`. */
static const char *short_path(const char *path)
{
    const char *last = strrchr(path, '/');
    if (last == NULL || last == path)
        return path;
    for (const char *at = last - 1; at > path; at--)
        if (*at == '/')
            return at + 1;
    return path;
}

static struct {
    bool tried;
    void *library;
    Dwfl *session;
    Dwfl_Callbacks callbacks;
    __typeof__(dwfl_begin) *begin;
    __typeof__(dwfl_end) *end;
    __typeof__(dwfl_linux_proc_report) *proc_report;
    __typeof__(dwfl_report_end) *report_end;
    __typeof__(dwfl_addrmodule) *addrmodule;
    __typeof__(dwfl_module_addrname) *addrname;
    __typeof__(dwfl_module_getsrc) *getsrc;
    __typeof__(dwfl_lineinfo) *lineinfo;
} dw;

static int no_debug_file(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base,
                         const char *file, const char *link, GElf_Word crc, char **out_name)
{
    (void)module, (void)user, (void)name, (void)base, (void)file, (void)link, (void)crc;
    (void)out_name;
    return -1;
}

static void *find(const char *name)
{
    return dlsym(dw.library, name);
}

static void open_session(void)
{
    dw.tried = true;
    dw.library = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    if (dw.library == NULL)
        return;
    *(void **)&dw.begin = find("dwfl_begin");
    *(void **)&dw.end = find("dwfl_end");
    *(void **)&dw.proc_report = find("dwfl_linux_proc_report");
    *(void **)&dw.report_end = find("dwfl_report_end");
    *(void **)&dw.addrmodule = find("dwfl_addrmodule");
    *(void **)&dw.addrname = find("dwfl_module_addrname");
    *(void **)&dw.getsrc = find("dwfl_module_getsrc");
    *(void **)&dw.lineinfo = find("dwfl_lineinfo");
    *(void **)&dw.callbacks.find_elf = find("dwfl_linux_proc_find_elf");
    dw.callbacks.find_debuginfo = no_debug_file;
    if (!dw.begin || !dw.end || !dw.proc_report || !dw.report_end || !dw.addrmodule ||
        !dw.addrname || !dw.getsrc || !dw.lineinfo || !dw.callbacks.find_elf)
        return;
    dw.session = dw.begin(&dw.callbacks);
    if (dw.session == NULL)
        return;
    if (dw.proc_report(dw.session, getpid()) != 0 || dw.report_end(dw.session, NULL, NULL) != 0) {
        dw.end(dw.session);
        dw.session = NULL;
    }
}

void weir__debug_symbols_open(void)
{
    weir__base_mutex_lock(&lock);
    if (!dw.tried)
        open_session();
    weir__base_mutex_unlock(&lock);
}

static Dwfl_Module *module_of(Dwarf_Addr address)
{
    if (!dw.tried)
        open_session();
    return dw.session == NULL ? NULL : dw.addrmodule(dw.session, address);
}

/* The source file of an address, or NULL. With the lock. */
static const char *file_of(Dwarf_Addr at)
{
    Dwfl_Module *module = module_of(at);
    Dwfl_Line *line = module == NULL ? NULL : dw.getsrc(module, at);
    return line == NULL ? NULL : dw.lineinfo(line, NULL, NULL, NULL, NULL, NULL);
}

/* Below the folder that the room of this file is in; its name is asked for in the same way, so that
 * what compilers and packagers do to paths is the same on both sides. */
static bool is_source_of_ours(const char *file)
{
    static const char this_file[] = "debug/symbol.c";
    const char *here = file_of((Dwarf_Addr)(uintptr_t)is_source_of_ours);
    size_t size = here == NULL ? 0 : strlen(here);
    return size > sizeof this_file - 1 && strncmp(file, here, size - (sizeof this_file - 1)) == 0;
}

bool weir__debug_is_ours(const void *address)
{
    weir__base_mutex_lock(&lock);
    const char *file = file_of((Dwarf_Addr)(uintptr_t)address - 1);
    bool ours = file != NULL ? is_source_of_ours(file) : is_in_library_of_ours(address);
    weir__base_mutex_unlock(&lock);
    return ours;
}

static void append_place(struct weir__buffer *out, const void *address, bool is_return)
{
    Dwarf_Addr at = (Dwarf_Addr)(uintptr_t)address - (is_return ? 1 : 0);
    weir__base_mutex_lock(&lock);
    Dwfl_Module *module = module_of(at);
    const char *name = module == NULL ? NULL : dw.addrname(module, at);
    if (name == NULL) {
        append_module_offset(out, address);
    } else {
        weir__buffer_append_str(out, name);
        Dwfl_Line *line = dw.getsrc(module, at);
        int number = 0;
        const char *file = line == NULL ? NULL : dw.lineinfo(line, NULL, &number, NULL, NULL, NULL);
        if (file != NULL)
            weir__buffer_printf(out, " %s:%d", short_path(file), number);
    }
    weir__base_mutex_unlock(&lock);
}

static void append_function(struct weir__buffer *out, const void *address)
{
    weir__base_mutex_lock(&lock);
    Dwarf_Addr at = (Dwarf_Addr)(uintptr_t)address;
    Dwfl_Module *module = module_of(at);
    const char *name = module == NULL ? NULL : dw.addrname(module, at);
    if (name != NULL)
        weir__buffer_append_str(out, name);
    else
        append_module_offset(out, address);
    weir__base_mutex_unlock(&lock);
}

void weir__debug_symbols_close(void)
{
    weir__base_mutex_lock(&lock);
    if (dw.session != NULL)
        dw.end(dw.session);
    dw.session = NULL;
    dw.tried = false;
    if (dw.library != NULL)
        dlclose(dw.library);
    dw.library = NULL;
    weir__base_mutex_unlock(&lock);
}

#else

bool weir__debug_is_ours(const void *address)
{
    return is_in_library_of_ours(address);
}

static void append_place(struct weir__buffer *out, const void *address, bool is_return)
{
    (void)is_return;
    append_module_offset(out, address);
}

static void append_function(struct weir__buffer *out, const void *address)
{
    append_module_offset(out, address);
}

void weir__debug_symbols_open(void)
{
}

void weir__debug_symbols_close(void)
{
}

#endif

/* --- marks: 1, the kind, and one address or more, each as 16 hex digits, up to a 2 ------------ */

enum { MARK = 1, MARK_END = 2, ADDRESS_DIGITS = 16 };

static void append_mark(struct weir__buffer *out, char kind, const void *const *addresses,
                        size_t count)
{
    weir__buffer_printf(out, "%c%c", MARK, kind);
    for (size_t i = 0; i < count; i++)
        weir__buffer_printf(out, "%016llx", (unsigned long long)(uintptr_t)addresses[i]);
    weir__buffer_append_char(out, MARK_END);
}

void weir__debug_append_place(struct weir__buffer *out, const void *address, bool is_return)
{
    append_mark(out, is_return ? 'r' : 'p', &address, 1);
}

void weir__debug_append_function(struct weir__buffer *out, const void *address)
{
    append_mark(out, 'f', &address, 1);
}

void weir__debug_append_caller(struct weir__buffer *out, const struct weir__calls *calls)
{
    append_mark(out, 'c', calls->addresses, calls->count);
}

void weir__debug_append_caller_line(struct weir__buffer *out, const struct weir__calls *calls)
{
    append_mark(out, 'C', calls->addresses, calls->count);
}

/* The addresses of a mark; false when it is none after all. */
static bool read_mark(const char *mark, const char *mark_end, struct weir__calls *out)
{
    out->count = 0;
    for (const char *at = mark + 2; at < mark_end; at += ADDRESS_DIGITS) {
        uint64_t address;
        if (out->count == WEIR__CALLS_MAX || mark_end - at < ADDRESS_DIGITS ||
            weir__str_parse_hex(weir__str_of(at, ADDRESS_DIGITS), UINT64_MAX, &address) < 0)
            return false;
        out->addresses[out->count++] = (const void *)(uintptr_t)address;
    }
    return true;
}

static void append_caller(struct weir__buffer *out, const struct weir__calls *calls, bool line)
{
    size_t i = 0;
    while (i < calls->count && weir__debug_is_ours(calls->addresses[i]))
        i++;
    if (i == calls->count && (line || i == 0))
        return;
    weir__buffer_append_str(out, line ? "  at        " : "");
    append_place(out, calls->addresses[i == calls->count ? 0 : i], true);
    weir__buffer_append_str(out, line ? "\n" : "");
}

static void resolve_mark(struct weir__buffer *out, char kind, const struct weir__calls *calls,
                         bool with_names)
{
    if (calls->count == 0)
        return;
    if (!with_names)
        weir__buffer_printf(out, kind == 'C' ? "  at        %p\n" : "%p", calls->addresses[0]);
    else if (kind == 'c' || kind == 'C')
        append_caller(out, calls, kind == 'C');
    else if (kind == 'f')
        append_function(out, calls->addresses[0]);
    else
        append_place(out, calls->addresses[0], kind == 'r');
}

void weir__debug_resolve(struct weir__buffer *out, const char *text, size_t size, bool with_names)
{
    const char *end = text + size;
    while (text < end) {
        struct weir__calls calls;
        const char *mark = memchr(text, MARK, (size_t)(end - text));
        const char *mark_end = mark == NULL ? NULL : memchr(mark, MARK_END, (size_t)(end - mark));
        if (mark_end == NULL || mark_end - mark < 2 || !read_mark(mark, mark_end, &calls)) {
            weir__buffer_append(out, text, (size_t)(end - text));
            return;
        }
        weir__buffer_append(out, text, (size_t)(mark - text));
        resolve_mark(out, mark[1], &calls, with_names);
        text = mark_end + 1;
    }
}
