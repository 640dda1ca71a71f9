/*
 * file_server.c - serves the files of a folder, and nothing outside of it
 *
 *     file_server FOLDER 127.0.0.1:7000          printf 'notes.txt\n' | socat - tcp:127.0.0.1:7000
 *
 * A client sends a line with a name. The answer is `ok SIZE` and the bytes, or `no` and a reason.
 * The name comes from outside: the kernel keeps it in the folder, whatever it says. The bytes do
 * not pass through the program.
 *
 * Without an address the program asks itself.
 */
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

struct answer {
    weir_conn *conn;
    weir_folder *folder;
};

/* The head is small and would wait for more: it goes before the bytes. */
static int send_file(weir_conn *conn, weir_writer *writer, weir_file *file)
{
    int64_t size;
    int rc = weir_file_size(file, &size);
    if (rc == 0)
        rc = weir_writer_format(writer, "ok %lld\n", (long long)size);
    if (rc == 0)
        rc = weir_writer_flush(writer);
    size_t sent = 0;
    if (rc == 0)
        rc = weir_conn_send_file(conn, file, 0, (size_t)size, &sent);
    if (rc == 0 && sent < (size_t)size) // the client counts on `size` bytes
        rc = weir_fail(-EPIPE, "the file was cut while it was sent");
    return rc;
}

static int answer_one(struct answer *a, weir_writer *writer, weir_str line)
{
    char name[256];
    int size = snprintf(name, sizeof name, "%.*s", (int)line.size, line.data);
    weir_file *file;
    int rc = size >= (int)sizeof name || strlen(name) != line.size ? -EINVAL : 0;
    if (rc == 0)
        rc = weir_file_open(name, &(weir_file_options){.folder = a->folder}, &file);
    if (rc == -ECANCELED)
        return rc;
    if (rc < 0) {
        rc = weir_writer_format(writer, "no %s\n", weir_code_name(rc));
        return rc < 0 ? rc : weir_writer_flush(writer);
    }
    rc = send_file(a->conn, writer, file);
    weir_ignore(weir_file_close(file), "it was only read");
    return rc;
}

static int answer_all(struct answer *a)
{
    weir_reader *reader;
    weir_writer *writer;
    int rc = weir_conn_open_reader(a->conn, &(weir_reader_options){.buffer_bytes = 512}, &reader);
    if (rc < 0)
        return rc;
    rc = weir_conn_open_writer(a->conn, &(weir_writer_options){.buffer_bytes = 512}, &writer);
    if (rc == 0) {
        weir_str line;
        while ((rc = weir_reader_read_line(reader, &line)) > 0) { // 60 s of silence: -ETIMEDOUT
            rc = answer_one(a, writer, line);
            if (rc < 0)
                break;
        }
        weir_writer_discard(writer); // what counts was flushed
    }
    weir_reader_close(reader);
    return rc;
}

static int answer(struct answer *a) // a task for each connection
{
    int rc = answer_all(a);
    weir_conn_close(a->conn);
    return rc == -ECANCELED ? rc : 0; // what became of one client is no matter for the others
}

struct serve {
    weir_listener *listener;
    weir_folder *folder;
};

static int serve(struct serve *a)
{
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    while (rc == 0) {
        weir_conn *conn;
        rc = weir_listener_accept(a->listener, &conn);
        if (rc == 0 && (rc = WEIR_SPAWN(group, answer, .conn = conn, .folder = a->folder)) < 0)
            weir_conn_close(conn);
    }
    return weir_group_close(group, rc == -EBADF ? 0 : rc); // closed: that is the end
}

/* --- a client --------------------------------------------------------------------------------- */

static int print_answer(weir_reader *reader, const char *name)
{
    weir_str line;
    int rc = weir_reader_read_line(reader, &line);
    if (rc <= 0)
        return rc < 0 ? rc : weir_fail(-EPIPE, "no answer");
    unsigned long long size = 0;
    bool found = line.size > 3 && memcmp(line.data, "ok ", 3) == 0;
    for (size_t i = 3; found && i < line.size; i++)
        size = size * 10 + (unsigned)(line.data[i] - '0');
    printf("%s: %.*s", name, (int)line.size, line.data);
    unsigned sum = 0;
    for (size_t left = size; left > 0;) {
        weir_str view;
        size_t skipped;
        rc = weir_reader_peek(reader, 1, &view);
        if (rc < 0 || view.size == 0)
            return rc < 0 ? rc : weir_fail(-EPIPE, "the answer is not whole");
        size_t piece = view.size < left ? view.size : left;
        for (size_t i = 0; i < piece; i++)
            sum += (unsigned char)view.data[i];
        rc = weir_reader_skip(reader, piece, &skipped);
        if (rc < 0)
            return rc;
        left -= skipped;
    }
    if (found)
        printf(", sum %u", sum);
    printf("\n");
    return 0;
}

static int ask(const weir_address *address)
{
    static const char *const names[] = {"notes.txt", "../secret", "/etc/passwd", "none", "large"};
    weir_conn *conn;
    weir_reader *reader = NULL;
    int rc = weir_connect_address(address, NULL, &conn);
    if (rc < 0)
        return rc;
    rc = weir_conn_open_reader(conn, NULL, &reader);
    for (size_t i = 0; rc == 0 && i < sizeof names / sizeof names[0]; i++) {
        weir_str parts[] = {{names[i], strlen(names[i])}, WEIR_STR("\n")};
        rc = weir_conn_write_parts(conn, parts, 2, NULL);
        if (rc == 0)
            rc = print_answer(reader, names[i]);
    }
    weir_reader_close(reader);
    weir_conn_close(conn);
    return rc;
}

static int make_files(weir_folder *folder)
{
    weir_file *file;
    weir_file_options options = {
        .access = WEIR_FILE_WRITE, .create = true, .truncate = true, .folder = folder};
    int rc = weir_file_open("notes.txt", &options, &file);
    if (rc < 0)
        return rc;
    rc = weir_file_write(file, "buy tea\n", 8, 0, NULL);
    int closed = weir_file_close(file);
    if (rc == 0)
        rc = closed;
    if (rc == 0)
        rc = weir_file_open("large", &options, &file);
    if (rc < 0)
        return rc;
    rc = weir_file_write(file, "the end", 7, 3000000, NULL); // zeros before it
    closed = weir_file_close(file);
    return rc < 0 ? rc : closed;
}

/* --- the program ------------------------------------------------------------------------------ */

static int run(weir_folder *folder, const char *address)
{
    weir_listener *listener;
    int rc = weir_listener_open(&(weir_listener_options){.address = address}, &listener);
    if (rc < 0)
        return rc;
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = WEIR_SPAWN(group, serve, .listener = listener, .folder = folder);
        if (rc == 0 && address == NULL) {
            rc = make_files(folder);
            if (rc == 0)
                rc = ask(weir_listener_address(listener));
            weir_listener_close(listener);
            listener = NULL;
        }
        rc = weir_group_close(group, rc);
    }
    weir_listener_close(listener);
    return rc;
}

static int app(void *arg)
{
    char **argv = arg;
    if (argv[1] == NULL)
        return weir_fail(-EINVAL, "usage: %s FOLDER [ADDRESS]", argv[0]);
    weir_folder *folder;
    int rc = weir_folder_open(NULL, argv[1], &folder);
    if (rc < 0)
        return rc;
    rc = run(folder, argv[2]);
    weir_folder_close(folder);
    return rc;
}

int main(int argc, char **argv)
{
    (void)argc;
    return weir_run(app, argv);
}
