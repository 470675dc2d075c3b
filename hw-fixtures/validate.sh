#!/usr/bin/env bash
# Lets the DMTF's own validators judge the simulated BMCs: the service validator (does every resource follow
# its schema?) and the protocol validator (does the service follow DSP0266?), on the shelf's BMC, a node's and that of
# an enclosure of drives.
#
#   hw-fixtures/validate.sh [TOOLS_DIR]
#
# TOOLS_DIR (target/validators by default) is made if it is missing and may be kept between runs: it holds the
# Python environment, the schemas and the reports. HW_FIXTURES names the binary; without it the debug or release
# build of this workspace is taken. Exits 1 when a validator finds a fail that validators-explained.toml does not
# explain. Where the tools cannot be had (no Python, no registry), the last line says `skipped: WHY`, exit 0.
set -euo pipefail

SERVICE_VALIDATOR=3.1.8
PROTOCOL_VALIDATOR=1.3.2
# The DMTF's schemas (DSP8010) as this published crate carries them: dmtf.org itself need not be reachable.
SCHEMA_CRATE=nv-redfish-schema
SCHEMA_VERSION=0.22.1

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
    echo "validate.sh: $*" >&2
    exit 1
}

skip() {
    echo "skipped: $*"
    exit 0
}

[ $# -le 1 ] || fail "expected at most one argument, the folder for tools and reports; got $#"
target=${CARGO_TARGET_DIR:-$here/../target}
folder=${1:-$target/validators}
mkdir -p "$folder"
tools=$(cd "$folder" && pwd)

find_binary() {
    if [ -n "${HW_FIXTURES:-}" ]; then
        echo "$HW_FIXTURES"
        return
    fi
    for build in debug release; do
        if [ -x "$target/$build/hw-fixtures" ]; then
            echo "$target/$build/hw-fixtures"
            return
        fi
    done
    fail "no hw-fixtures in $target; build it with: cargo build -p hw-fixtures (or name it in HW_FIXTURES)"
}

make_environment() {
    local stamp="$tools/venv/validators-$SERVICE_VALIDATOR-$PROTOCOL_VALIDATOR"
    [ -e "$stamp" ] && return
    echo "installing the validators into $tools/venv"
    python3 -m venv "$tools/venv" || skip "python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check \
        "redfish-service-validator==$SERVICE_VALIDATOR" "redfish-protocol-validator==$PROTOCOL_VALIDATOR" ||
        skip "pip could not install the validators"
    touch "$stamp"
}

make_schemas() {
    local vendored="$tools/schema-crate/vendor/$SCHEMA_CRATE-$SCHEMA_VERSION/redfish-csdl/csdl"
    if [ ! -d "$vendored" ]; then
        echo "fetching the schemas: $SCHEMA_CRATE $SCHEMA_VERSION"
        mkdir -p "$tools/schema-crate"
        printf '[package]\nname = "schemas"\nversion = "0.0.0"\nedition = "2021"\n[lib]\npath = "lib.rs"\n[workspace]\n[dependencies]\n%s = "=%s"\n' \
            "$SCHEMA_CRATE" "$SCHEMA_VERSION" > "$tools/schema-crate/Cargo.toml"
        touch "$tools/schema-crate/lib.rs"
        (cd "$tools/schema-crate" && cargo vendor --quiet --versioned-dirs vendor > /dev/null) ||
            skip "cargo could not fetch $SCHEMA_CRATE $SCHEMA_VERSION"
    fi
    [ -d "$vendored" ] || fail "$SCHEMA_CRATE $SCHEMA_VERSION holds no redfish-csdl/csdl"
    # A copy: the validator may add files that the service refers to.
    rm -rf "$tools/schemas"
    mkdir -p "$tools/schemas"
    cp "$vendored"/*.xml "$tools/schemas/"
}

binary=$(find_binary)
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null ||
    skip "no Python 3.11 or newer; on Debian and Ubuntu: apt-get install python3 python3-venv"
make_environment
make_schemas

state=$(mktemp -d)
server=
stop() {
    if [ -n "$server" ]; then
        kill "$server" 2> /dev/null || true
        wait "$server" 2> /dev/null || true
    fi
    rm -rf "$state"
}
trap stop EXIT

RUST_LOG=warn "$binary" serve "$here/racks/first.toml" --state-dir "$state" --base-port 0 > "$state/ready" &
server=$!
for _ in $(seq 300); do
    grep -q '^ready ' "$state/ready" && break
    kill -0 "$server" 2> /dev/null || fail "hw-fixtures ended before it was ready"
    sleep 0.1
done
grep -q '^ready ' "$state/ready" || fail "hw-fixtures was not ready within 30 s"

# States that a healthy rack never shows must follow the schemas as well.
"$binary" do pull shelf/psu-3 --state-dir "$state"
"$binary" do fail shelf/psu-4 --state-dir "$state"
"$binary" do feed-loss A --state-dir "$state"
"$binary" do pull jbof/bay-1 --state-dir "$state"
"$binary" do fail jbof/bay-2 --state-dir "$state"
"$binary" do drive jbof/bay-3 erase-fails --state-dir "$state"

rm -rf "$tools/reports"
mkdir -p "$tools/reports"
# A proxy or another CA bundle in the environment would send the validators elsewhere.
unset REQUESTS_CA_BUNDLE CURL_CA_BUNDLE SSL_CERT_FILE HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy

"$tools/venv/bin/python" - "$state" "$tools" "$here/validators-explained.toml" <<'PYTHON'
"""Runs both validators against three BMCs and holds their findings against the explained ones."""
import csv, json, pathlib, re, subprocess, sys, tomllib

import requests

state, tools, explained_file = (pathlib.Path(argument) for argument in sys.argv[1:4])
TIMEOUT_SECONDS = 900
bmcs = {bmc["name"]: bmc for bmc in json.loads((state / "addresses.json").read_text())["bmcs"]}
ca_file = json.loads((state / "addresses.json").read_text())["ca_file"]
explained = tomllib.loads(explained_file.read_text()).get("explained", [])
for entry in explained:
    if set(entry) != {"validator", "finding", "reason"}:
        sys.exit(f"{explained_file}: expected validator, finding and reason in each [[explained]]; got {sorted(entry)}")


def run(validator, arguments, log):
    command = [str(tools / "venv/bin" / validator), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, cwd=log)
    except subprocess.TimeoutExpired:
        sys.exit(f"{validator} did not end within {TIMEOUT_SECONDS} s")
    (log / "output.txt").write_text(done.stdout + done.stderr)
    return done.stdout + done.stderr


def access(bmc):
    credentials = tomllib.loads(pathlib.Path(bmc["credentials_file"]).read_text())
    return ["--user", credentials["username"], "--password", credentials["password"], "--rhost", bmc["url"]]


def service(bmc, log):
    output = run("rf_service_validator", access(bmc) + [
        "--authtype", "Session", "--schema_directory", str(tools / "schemas"), "--skipschema", "--logdir", str(log),
    ], log)
    table = re.search(r"\|\s+PASS.*?\n.*?\n\|\s*(\d+)\s*\|\s*(\d+)\s*\|\s*(\d+)\s*\|", output)
    if not table:
        sys.exit(f"rf_service_validator gave no result, see {log}/output.txt")
    findings = []
    for file in log.glob("**/*Debug*.log"):
        findings += re.findall(r" - (?:ERROR|CRITICAL) - (.*)", file.read_text())
    return [int(number) for number in table.groups()], [finding.strip() for finding in findings]


def protocol(bmc, log):
    output = run("rf_protocol_validator", access(bmc) + [
        "--ca-bundle", ca_file, "--report-dir", str(log), "--report-type", "tsv", "--avoid-http-redirect",
    ], log)
    table = re.search(r"PASS: (\d+), WARN: (\d+), FAIL: (\d+)", output)
    if not table:
        sys.exit(f"rf_protocol_validator gave no result, see {log}/output.txt")
    findings = []
    for file in log.glob("*.tsv"):
        for row in csv.DictReader(file.open(), delimiter="\t"):
            if row["Result"] in ("FAIL", "WARN"):
                findings.append(f"{row['Result']} {row['Assertion']} {row['Method']} {row['URI']}: {row['Message']}")
    return [int(number) for number in table.groups()], findings


# Tasks that erase drives are resources too: one that will fail, and one that will not.
for bay in ("bay-3", "bay-4"):
    jbof = access(bmcs["jbof"])
    target = f"{jbof[5]}/redfish/v1/Chassis/jbof/Drives/{bay}/Actions/Drive.SecureErase"
    requests.post(target, json={}, auth=(jbof[1], jbof[3]), verify=str(ca_file), timeout=30).raise_for_status()

bad = False
for name in ("shelf", "n01", "jbof"):
    for kind, judge in (("service", service), ("protocol", protocol)):
        log = tools / "reports" / f"{name}-{kind}"
        log.mkdir(parents=True)
        (passed, warned, failed), findings = judge(bmcs[name], log)
        print(f"validator {name}: {passed} pass, {warned} warn, {failed} fail ({kind})", flush=True)
        unexplained = 0
        for finding in findings:
            reasons = [entry["reason"] for entry in explained
                       if entry["validator"] == kind and entry["finding"] in finding]
            print(f"  {finding}")
            print(f"    {'explained: ' + reasons[0] if reasons else 'NOT EXPLAINED'}")
            unexplained += not reasons and not finding.startswith("WARN")
        if unexplained or failed > len(findings) or passed == 0:
            bad = True
print(f"reports: {tools}/reports")
sys.exit(1 if bad else 0)
PYTHON
