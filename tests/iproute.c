/* iproute - does a line of ip or sysctl as a lab does, by the public header alone.
 *
 *     iproute NETNS WORD…    what it prints, and its exit status; 77: the node's own program would run
 *     iproute NETNS          one line of stdin after the other, its words between tabs; prints the output of each and
 *                            then "rc N"
 */
#include <netctr/iproute.h>

#include <fcntl.h>
#include <string.h>

enum { HANDED_OVER = 77 };

static int line(struct iproute *ip, char *const *argv)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *output = NULL;
    int status, r = iproute_line(ip, argv, &status, &output, &e);
    if (r < 0) {
        printf("iproute: %s\n", e.text);
        return 1;
    }
    if (output)
        printf("%s", output);
    return r ? status : HANDED_OVER;
}

static void each_of_stdin(struct iproute *ip)
{
    char *text = NULL;
    size_t room = 0;
    while (getline(&text, &room, stdin) > 0) {
        text[strcspn(text, "\n")] = '\0';
        _cleanup_strv_ strv argv = strv_split(text, '\t');
        printf("rc %d\n", line(ip, argv));
        fflush(stdout);
    }
    free(text);
}

int main(int argc, char **argv)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct iproute *ip = NULL;
    int netns = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1, status = 0;
    if (netns < 0 || iproute_open(netns, &ip, &e) < 0) {
        fprintf(stderr, "iproute: %s\n", e.text ? e.text : "cannot open the namespace");
        return 1;
    }
    if (argc > 2)
        status = line(ip, argv + 2);
    else
        each_of_stdin(ip);
    iproute_close(ip);
    close(netns);
    return status;
}
