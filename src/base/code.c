/*
 * code.c - names and sentences of the codes that weir returns
 *
 * A table of our own: strerror() is localised and not for several threads, and several codes mean
 * something else here than errno(3) says.
 *
 * Runs on  any thread; everything is static.
 */
#include <weir/base.h>

/* code, sentence. Those of weir first: what they mean here, wherever they come from. */
#define CODES(X)                                                                                   \
    X(ECANCELED, "the calling task's own scope was cancelled")                                     \
    X(ETIME, "the scope's own deadline has passed")                                                \
    X(ETIMEDOUT, "the network or the other side took too long")                                    \
    X(ESHUTDOWN, "closed or draining: takes no new work")                                          \
    X(ESTALE, "what the handle refers to is gone")                                                 \
    X(EDEADLK, "this wait could never end")                                                        \
    X(EUCLEAN, "something was left behind, or is not as it should be")                             \
    X(EPROTO, "protocol error")                                                                    \
    X(EOWNERDEAD, "the owner ended without unlocking")                                             \
    X(ECHILD, "a required result is missing: that child was cancelled")                            \
    X(EPERM, "not permitted, or not from this task or thread")                                     \
    X(EINVAL, "invalid argument")                                                                  \
    X(EBUSY, "busy, or open already")                                                              \
    X(EAGAIN, "not now: it would have to wait")                                                    \
    X(ENOENT, "no such file or entry")                                                             \
    X(ESRCH, "no such process")                                                                    \
    X(EINTR, "interrupted by a signal")                                                            \
    X(EIO, "input/output error")                                                                   \
    X(ENXIO, "no such device or address")                                                          \
    X(E2BIG, "argument list too long")                                                             \
    X(ENOEXEC, "not an executable format")                                                         \
    X(EBADF, "descriptor is closed or of the wrong kind")                                          \
    X(ENOMEM, "out of memory")                                                                     \
    X(EACCES, "permission denied")                                                                 \
    X(EFAULT, "bad address")                                                                       \
    X(EEXIST, "exists already")                                                                    \
    X(EXDEV, "not on the same file system")                                                        \
    X(ENODEV, "no such device")                                                                    \
    X(ENOTDIR, "not a directory")                                                                  \
    X(EISDIR, "is a directory")                                                                    \
    X(ENFILE, "the system has no more open files")                                                 \
    X(EMFILE, "the process has no more open files; see ulimit -n")                                 \
    X(ENOTTY, "not supported by this descriptor")                                                  \
    X(ETXTBSY, "the program file is in use")                                                       \
    X(EFBIG, "file too large")                                                                     \
    X(ENOSPC, "no space left")                                                                     \
    X(ESPIPE, "a stream cannot be positioned")                                                     \
    X(EROFS, "read-only file system")                                                              \
    X(EMLINK, "too many links")                                                                    \
    X(EPIPE, "the other side has closed")                                                          \
    X(EDOM, "outside the domain of the function")                                                  \
    X(ERANGE, "value out of range")                                                                \
    X(ENAMETOOLONG, "name too long")                                                               \
    X(ENOSYS, "not known to this kernel")                                                          \
    X(ENOTEMPTY, "directory not empty")                                                            \
    X(ELOOP, "too many symbolic links")                                                            \
    X(ENODATA, "no data")                                                                          \
    X(EOVERFLOW, "value too large for its type")                                                   \
    X(EILSEQ, "invalid sequence of bytes")                                                         \
    X(EBADMSG, "malformed message")                                                                \
    X(ENOTSOCK, "not a socket")                                                                    \
    X(EDESTADDRREQ, "destination address missing")                                                 \
    X(EMSGSIZE, "message or text too long")                                                        \
    X(EPROTOTYPE, "wrong protocol for this socket")                                                \
    X(ENOPROTOOPT, "no such socket option")                                                        \
    X(EPROTONOSUPPORT, "protocol not supported")                                                   \
    X(EOPNOTSUPP, "not supported")                                                                 \
    X(EAFNOSUPPORT, "address family not supported")                                                \
    X(EADDRINUSE, "address already in use")                                                        \
    X(EADDRNOTAVAIL, "address is not of this machine")                                             \
    X(ENETDOWN, "network is down")                                                                 \
    X(ENETUNREACH, "network unreachable")                                                          \
    X(ENETRESET, "connection lost by the network")                                                 \
    X(ECONNABORTED, "connection aborted")                                                          \
    X(ECONNRESET, "connection reset by the other side")                                            \
    X(ENOBUFS, "no buffer space")                                                                  \
    X(EISCONN, "connected already")                                                                \
    X(ENOTCONN, "not connected")                                                                   \
    X(ECONNREFUSED, "connection refused")                                                          \
    X(EHOSTDOWN, "host is down")                                                                   \
    X(EHOSTUNREACH, "host unreachable")                                                            \
    X(EREMOTEIO, "the other side failed")                                                          \
    X(EALREADY, "under way already")                                                               \
    X(EINPROGRESS, "has been started and goes on")                                                 \
    X(EDQUOT, "disk quota exceeded")                                                               \
    X(ENOLCK, "no locks available")                                                                \
    X(ENOKEY, "required key not available")                                                        \
    X(EKEYREJECTED, "key rejected")                                                                \
    X(ENOTRECOVERABLE, "state cannot be recovered")

/*
 * Weir never says EWOULDBLOCK, EDEADLOCK or ENOTSUP: on Linux they are EAGAIN, EDEADLK, EOPNOTSUPP.
 */

const char *weir_code_name(int rc)
{
#define NAME(code, sentence)                                                                       \
    case -code:                                                                                    \
        return #code;
    switch (rc) {
    case 0:
        return "OK";
    case WEIR_CAUGHT:
        return "CAUGHT";
        CODES(NAME)
    default:
        return rc > 0 ? "OK" : "EUNKNOWN";
    }
}

const char *weir_code_text(int rc)
{
#define TEXT(code, sentence)                                                                       \
    case -code:                                                                                    \
        return #code ": " sentence;
    switch (rc) {
    case 0:
        return "OK";
    case WEIR_CAUGHT:
        return "CAUGHT: the scope absorbed an explicit cancel";
        CODES(TEXT)
    default:
        return rc > 0 ? "OK: a count" : "EUNKNOWN: a code unknown to weir";
    }
}

bool weir_code_is_network(int rc)
{
    switch (rc) {
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -ECONNABORTED:
    case -EPIPE:
    case -ENOTCONN:
    case -ETIMEDOUT:
    case -ENETDOWN:
    case -ENETUNREACH:
    case -ENETRESET:
    case -EHOSTDOWN:
    case -EHOSTUNREACH:
        return true;
    default:
        return false;
    }
}

bool weir_code_is_timeout(int rc)
{
    return rc == -ETIME || rc == -ETIMEDOUT;
}
