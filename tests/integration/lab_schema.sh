#!/usr/bin/env bash
# docs/lab.schema.json accepts what the loader accepts, and finds what is wrong in a file as an editor would.
. "$(dirname "$0")/../lib.sh"

# Prints "FILE: what is wrong" for each YAML file that the schema refuses.
validate() { # FILE...
    python3 - "$top/docs/lab.schema.json" "$@" <<-'END'
	import json, sys, yaml
	from jsonschema import Draft202012Validator
	schema = json.load(open(sys.argv[1]))
	Draft202012Validator.check_schema(schema)
	for name in sys.argv[2:]:
	    for error in Draft202012Validator(schema).iter_errors(yaml.safe_load(open(name))):
	        print(f"{name}: {error.json_path}: {error.message}")
	END
}

accepts_the_labs() {
    local said
    said=$(validate "$top"/tests/labs/*.clab.yml "$top"/labs/*.clab.yml) || fail 'the schema is not valid'
    assert_eq "$said" '' 'what the schema refuses'
}
t 'the schema accepts every lab of the tests' accepts_the_labs

refused() { # TEXT PATTERN
    printf '%s\n' "$1" >"$tmp/lab.yml"
    validate "$tmp/lab.yml" >"$tmp/said"
    grep -q -- "$2" "$tmp/said" || fail "not refused: $1"
}
refuses_faults() {
    refused '{name: x, topology: {nodes: {a: {imge: y}}}}' "'imge' does not match"
    refused '{name: x, topolgy: {}}' "'topology' is a required property"
    refused '{name: x, topology: {nodes: {a: {stages: {create: {wait-for: [{node: b, stage: health}]}}}}}}' "'health' is not one of"
    refused '{name: x, topology: {nodes: [a]}}' "is not of type 'object'"
    refused '{name: x, topology: {nodes: {}, links: [{endpoints: [a], dely: 1ms}]}}' "'dely' does not match"
}
t 'the schema refuses unknown keys, wrong words and wrong shapes' refuses_faults
