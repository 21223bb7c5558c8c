/* As many links and nodes as fit on a bridge and into a subnet, and one more. */
#include "topology.h"

/* A text of repetitions: @fits of them are right, and one more has the fault @wanted. */
static void expect_most(const char *what, const char *head, const char *unit, int fits,
                        const char *tail, const char *wanted)
{
    for (int more = 0; more < 2; more++) {
        _cleanup_free_ char *text = repeated(head, unit, fits + more, tail);
        _cleanup_loaded_ struct loaded l = load(text);
        _cleanup_free_ char *got = short_faults(&l);
        expect(streq(got, more ? wanted : ""), what, "with %d the faults are\n%s", fits + more,
               got);
    }
}

static void test_capacity(void)
{
    static const char nodes[] = "    n%d:\n";
    expect_most(
        "ports of a switch",
        "name: x\nmgmt: false\ntopology:\n  nodes:\n    a:\n    sw: {kind: bridge}\n  links:\n",
        "    - endpoints: ['a:e%d', 'sw:p%d']\n", 1023, "",
        "1031:30: switch `sw` has more than 1023 links, which is what a Linux bridge can have; move some to a "
        "second switch");
    expect_most(
        "ports of a bridge inside a node",
        "name: x\nmgmt: false\ntopology:\n  nodes:\n    a:\n    b:\n    br|b: {kind: bridge, network-mode: "
        "'container:b'}\n  links:\n",
        "    - endpoints: ['a:e%d', 'br|b:p%d']\n", 1023, "",
        "1032:30: switch `br|b` has more than 1023 links, which is what a Linux bridge can have; move some to a "
        "second switch");
    expect_most(
        "addresses of containerlab's management network", "name: x\ntopology:\n  nodes:\n", nodes,
        253, "",
        "257:5: the management network has more than 253 nodes, which is what 172.20.20.0/24 has addresses for; "
        "give it a larger `ipv4-subnet`");
    expect_most(
        "addresses of another one",
        "name: x\nmgmt: {ipv4-subnet: 10.1.0.0/28, ipv6-subnet: 'fd00::/64'}\ntopology:\n  nodes:\n",
        nodes, 13, "",
        "18:5: the management network has more than 13 nodes, which is what 10.1.0.0/28 has addresses for; give "
        "it a larger `ipv4-subnet`");
    expect_most(
        "ports of the management network",
        "name: x\nmgmt: {ipv4-subnet: 10.1.0.0/16}\ntopology:\n  links: [{endpoints: ['n0:e', "
        "'mgmt-net:m']}]\n  nodes:\n",
        nodes, 1022, "",
        "4:32: the management network has more than 1023 nodes, which is what a Linux bridge can have; put some "
        "on another network");
    expect_most(
        "ports of a network",
        "name: x\nnetworks: {net: {subnet: 10.1.0.0/16}}\ntopology:\n  defaults: {networks: [net]}\n  nodes:\n",
        nodes, 1023, "",
        "4:25: network `net` has more than 1023 nodes, which is what a Linux bridge can have; put some on "
        "another network");
    expect_most(
        "addresses of a network", "name: x\nnetworks: {net: }\ntopology:\n  nodes:\n",
        "    n%d: {networks: [net]}\n", 253, "",
        "258:23: network `net` has more than 253 nodes, which is what 10.89.0.0/24 has addresses for; give it a "
        "larger `subnet`");
}

int main(void)
{
    test_capacity();
    return failures > 0;
}
