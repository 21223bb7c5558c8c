/* A lab.conf as a topology: what a line means, and that no text does harm. The folder does not exist here. */
#include "topology.h"

static struct loaded import(const char *conf, size_t size, char **text)
{
    struct loaded l = {0};
    const struct topology_options options = {.environ = lab_environ, .skip_binds = true};
    *text = xstrndup(conf, size);
    (void)topology_import(text, &size, "/labs/a b/lab.conf", &options, &l.t, &l.faults, NULL);
    return l;
}

static void is(const char *what, const char *got, const char *wanted)
{
    expect(streq(got, wanted), what, "it is \"%s\", not \"%s\"", got ? got : "(none)", wanted);
}

static void test_values(void)
{
    static const char conf[] = "\xef\xbb\xbfpc1[0]=A\r\n"
                               "  pc1[env]=\"A=$SET ${SET} $$ 'x' #y\" # comment\n"
                               "pc1[exec]=\"echo 'a' && b\"\n"
                               "pc1[image]=null\n"
                               "pc1[image]=my/image:1   # the last one counts\n"
                               "pc1[volume]='/srv|/mnt'\n"
                               "pc1[port]=80\n"
                               "pc1[bridged]=True\n"
                               "pc2[0]=A/02:00:00:00:00:01\n"
                               "pc2[3]=pc1\n";
    _cleanup_free_ char *text = NULL;
    _cleanup_loaded_ struct loaded l = import(conf, strlen(conf), &text);
    _cleanup_free_ char *why = lines_of(&l);
    expect(l.t, "values", "%s", why);
    if (!l.t)
        return;
    const struct lab_node *n = &l.t->nodes[0];
    _cleanup_free_ char *env = strv_join(n->env, " | "), *ports = strv_join(n->ports, " "),
                        *argv = strv_join(n->execs[n->exec_count - 1].argv, " | ");
    is("the folder's name, as a name", l.t->name, "a-b");
    is("variables stay as they are, and a # in quotes", strstr(env, "A="),
       "A=$SET ${SET} $$ 'x' #y");
    is("a line for a shell", argv, "sh | -c | echo 'a' && b");
    is("the last value, without its comment", n->image, "my/image:1");
    is("a volume", n->binds[0].source, "/srv");
    expect(n->binds[0].read_only, "it is read-only", "it can be written");
    is("a port without the host's", ports, "3000:80");
    is("the interface to the outside", n->networks ? n->networks[0] : NULL, "bridged:name=eth1");
    expect(n->execs[0].place.line == 1 && n->execs[1].place.line == 3, "places are the lab.conf's",
           "line %u", n->execs[1].place.line);
    expect(strstr(why, "/labs/a b/lab.conf:5: `image` of machine `pc1` was given in line 4"),
           "a value given twice", "%s", why);
    expect(l.t->link_count == 2 && l.t->links[0].mtu == 1500 && l.t->links[0].ends[1].mac[5] == 1,
           "a link of two", "%zu links", l.t->link_count);
    is("a domain named as a machine", l.t->nodes[2].name, "lan-pc1");
    /* What was written says the same when it is read as a topology file, as the lab's record is. */
    _cleanup_loaded_ struct loaded again = load(text);
    _cleanup_free_ char *twice =
        again.t ? strv_join(again.t->nodes[0].env, " | ") : lines_of(&again);
    is("the text that was written", twice, env);
}

/* A lab.conf with bytes changed, cut off or doubled: read or refused, each time with reasons. */
static void test_broken(void)
{
    static const char conf[] = "LAB_NAME=\"x\"\nr1[0]=\"A\" # c\nr1[env]='A=1'\nr2[1]=A/1:2\n"
                               "r1[sysctl]=net.a=1\nr2[exec]=\"x\"\nr2[port]=1:2/udp\n";
    unsigned seed = 1, wrong = 0;
    for (int round = 0; round < 3000; round++) {
        char copy[sizeof(conf)];
        memcpy(copy, conf, sizeof(conf));
        size_t size = strlen(conf);
        for (int i = 0; i < 3; i++) {
            static const char bytes[] = "[]=\"'#/\n\\{}$:|, \x80\x01"
                                        "A1\0";
            seed = seed * 1103515245 + 12345;
            copy[(seed >> 8) % size] = bytes[(seed >> 20) % sizeof(bytes)];
        }
        _cleanup_free_ char *text = NULL;
        _cleanup_loaded_ struct loaded l = import(copy, size - seed % 40, &text);
        wrong += !l.t && !l.faults.lines;
        if (l.t) {
            _cleanup_loaded_ struct loaded again = load(text);
            wrong += !again.t;
        }
    }
    expect(!wrong, "broken texts", "%u of them without a reason, or written wrongly", wrong);
}

int main(void)
{
    test_values();
    test_broken();
    return failures > 0;
}
