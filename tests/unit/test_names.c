/* The books of names, and what aardvark-dns is given to read, in a directory of our own. */
#include "check.h"

#include <netctr/names.h>

static int count(const struct name_entry *n, void *arg)
{
    (void)n;
    ++*(int *)arg;
    return 0;
}

static int entries(int dir, const char *network)
{
    int n = 0;
    (void)names_each(dir, network, count, &n, NULL);
    return n;
}

static struct name_entry entry(char *id, const char *four, const char *six, strv names)
{
    struct name_entry n = {.id = id, .names = names};
    if ((four && ip_parse(four, &n.address4) < 0) || (six && ip_parse(six, &n.address6) < 0))
        abort();
    return n;
}

static char *content_of(int dir, const char *file)
{
    char *text = NULL;
    return read_file_at(dir, file, 65536, &text, NULL) < 0 ? xstrdup("") : text;
}

static void test_book(int dir)
{
    char *web[] = {"web", "www", NULL}, *db[] = {"db", NULL}, *servers[] = {"9.9.9.9", NULL};
    struct name_entry one = entry("aaaa", "10.0.0.2", "fd00::2", web),
                      two = entry("aaaab", "10.0.0.3", NULL, db);
    two.servers = servers;
    check(!names_any(dir), "nobody", "somebody");
    check(names_join(dir, "red", &one, false, NULL) == -ENOENT && entries(dir, "red") == 0,
          "the first", "is not");
    check(names_join(dir, "red", &one, true, NULL) == 0, "the first, allowed", "cannot join");
    check(names_join(dir, "red", &two, false, NULL) == 0, "the second", "is the first");
    check(names_join(dir, "red", &one, false, NULL) == 0 && entries(dir, "red") == 2,
          "a second time is the same", "it is not");
    _cleanup_free_ char *text = content_of(dir, "red");
    check(streq(text, "aaaab 10.0.0.3 - db 9.9.9.9\naaaa 10.0.0.2 fd00::2 web,www -\n"), "the file",
          text);
    check(names_leave(dir, NULL, "aaaa", NULL) == 0 && entries(dir, "red") == 1,
          "an id that another begins with", "took it along");
    check(names_leave(dir, "red", "aaaa", NULL) == 0, "gone already", "is an error");
    check(entries(dir, "blue") == 0, "no such network", "has names");
    char *ids[] = {"aaaa", NULL};
    check(names_sweep(dir, ids, &(struct gc){.dry_run = true}, NULL) == 0 && names_any(dir),
          "a dry sweep", "removes");
    check(names_sweep(dir, ids, &gc_quietly, NULL) == 0 && !names_any(dir), "a sweep",
          "leaves the dead");
}

static void test_damage(int dir)
{
    static const char damaged[] =
        "aaaa 10.0.0.2 - web -\n\nbbbb\ncccc 10.0.0.300 - x -\n"
        "dddd - 10.0.0.1 x -\n../x 10.0.0.1 - x -\neeee - fd00::1 y -\nffff";
    put_file(dir, "red", damaged, sizeof(damaged) - 1);
    check(entries(dir, "red") == 2, "damaged lines are passed over", "they are not");
}

static void test_aardvark(int dir)
{
    char *names[] = {"web", "www", NULL}, *servers[] = {"127.0.0.53", NULL};
    struct name_entry one = entry("aaaa", NULL, "fd00::2", names);
    struct aardvark_network n = {.name = "blue", .servers = servers};
    if (ip_parse("10.0.0.1", &n.gateway4) < 0 || ip_parse("fd00::1", &n.gateway6) < 0)
        abort();
    (void)names_join(dir, "blue", &one, true, NULL);
    check(!aardvark_there(dir) && aardvark_write(dir, &n, NULL) == AARDVARK_NEW, "new", "is not");
    check(aardvark_write(dir, &n, NULL) == AARDVARK_SAME, "the same", "is not");
    _cleanup_free_ char *text = content_of(dir, ".aardvark/blue");
    check(streq(text, "10.0.0.1,fd00::1 127.0.0.53\naaaa  fd00::2 web,www\n"), "its file", text);
    (void)names_leave(dir, "blue", "aaaa", NULL);
    check(aardvark_write(dir, &n, NULL) == AARDVARK_CHANGED && aardvark_has(dir, "blue"), "changed",
          "is not");
    check(!aardvark_can("aardvark.pid") && aardvark_can("blue"), "its own file's name", "is taken");
    check(aardvark_remove(dir, NULL) == 0 && !aardvark_there(dir), "removed", "is there");
    check(entries(dir, "blue") == 0, "the book stays readable", "it does not");
}

int main(void)
{
    char path[] = "/tmp/netctr-names-XXXXXX";
    int top = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int dir = top < 0 ? -1 : names_open(top, NULL);
    check(dir >= 0, "a directory of names", "cannot be made");
    test_book(dir);
    test_damage(dir);
    test_aardvark(dir);
    (void)remove_tree_at(AT_FDCWD, path);
    return failures != 0;
}
