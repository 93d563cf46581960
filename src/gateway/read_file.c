/* Files of an operator's: the configuration, and what it keeps apart. */
#include "gateway/gateway.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, weir_buf *out)
{
    for (;;) {
        size_t room = out->size_max - out->len < 4096 ? out->size_max - out->len : 4096;
        uint8_t chunk[4096];
        ssize_t n = read(fd, chunk, room > 0 ? room : 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        int r = weir_buf_append(out, weir_slice_make(chunk, (size_t)n));
        if (r != 0)
            return r;
    }
}

int weir_gateway_read_file(void *user, const char *path, weir_buf *out)
{
    (void)user;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO does not hang us */
    if (fd < 0)
        return -errno;
    struct stat st;
    int r = fstat(fd, &st) != 0 ? -errno : S_ISDIR(st.st_mode) ? -EISDIR : 0;
    if (r == 0)
        r = read_all(fd, out);
    close(fd);
    return r;
}
